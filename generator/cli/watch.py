"""`watch [--builds N]`: build whenever a spec or a template is saved.

In: the folders, looked at every few milliseconds (a listing costs one or two). Out: what each build prints, with the time
from the save it answers; errors stand where they are, generated/ stays as it was, and the next save is waited for.
"""

import argparse
import gc
import os
import sys
import time
from pathlib import Path

from generator.cli import build
from generator.layout import SPECS, STATE, TEMPLATES, files_below
from generator.memo import Memo

PAUSE = 0.01
Seen = dict[str, tuple[int, int, int]]


def run(args: argparse.Namespace, root: Path) -> int:
    """Build once, then after every save; the status of the last build."""
    memo = Memo(root / STATE)
    seen = _files(root)
    done, status = 1, _build(root, memo)
    gc.freeze()  # what the first build left behind stays; there is no need to look at it again and again
    print(f"watching {root / SPECS} and {root / TEMPLATES}; interrupt to end", flush=True)
    while args.builds is None or done < args.builds:
        time.sleep(PAUSE)
        now = _files(root)
        if now == seen:
            continue
        changed = sorted(path for path in {*now, *seen} if now.get(path) != seen.get(path))
        saved, seen = max((now[path][0] for path in changed if path in now), default=time.time_ns()), now
        print(f"--- {', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''}", flush=True)  # noqa: PLR2004 - a line's worth
        done, status = done + 1, _build(root, memo)
        print(f"{(time.time_ns() - saved) / 1e6:.0f} ms after the save", flush=True)
    return status


def _build(root: Path, memo: Memo) -> int:
    """One build; whatever goes wrong is told, and watching goes on."""
    memo.next_run()
    try:
        status = build.run(build.PLAIN, root, memo)
    except Exception as error:  # noqa: BLE001 - a file may vanish between two looks at it
        print(f"the build broke off: {type(error).__name__}: {error}")
        status = 1
    sys.stdout.flush()
    return status


def _files(root: Path) -> Seen:
    """Path -> (time of the last change, size, file number) of everything that outputs are made from."""
    found: Seen = {}
    for folder in (SPECS, TEMPLATES):
        for path, file, _ in files_below(str(root / folder)):
            try:
                state = os.stat(file)  # noqa: PTH116 - a few hundred of them, many times a second
            except OSError:
                continue
            found[f"{folder}/{path}"] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found
