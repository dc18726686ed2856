"""The whole mutation run behind ``horizon-gen mutate``: every change of every spec, what noticed it, and the score.

In: the folder to look at, shares of the work and options. Out: a table of survivors and of counts by kind of change. A process a
core; each tries every n-th change, so that a run is bounded by the number of changes alone.
"""

import argparse
import fnmatch
import multiprocessing
import sys
import time
from collections import Counter
from functools import partial
from itertools import chain, islice

import torch
import yaml
from golden_support import GOLDEN

from .further import further
from .leaves import Mutant
from .trial import Trial

WAIVERS = GOLDEN / "waivers.yaml"


def kind_of(mutant: Mutant) -> str:
    """What kind of change it is, for the counts."""
    if mutant.how in ("left out", "deleted"):
        return "entries left out"
    if mutant.how == "first two swapped":
        return "order of lists"
    if "(token" in mutant.how:
        return "operators of formulas"
    return "words and choices" if isinstance(mutant.leaf.value, str) else "numbers"


def try_share(number: int, shares: int, pattern: str, limit: int | None) -> list[tuple[str, str, str, str]]:
    """(file, kind, change, what noticed) of every `shares`-th change, beginning with `number`."""
    torch.set_num_threads(1)
    trial = Trial()
    every = chain((m for leaf in trial.leaves for m in trial.mutants(leaf)), further(trial.docs))
    chosen = (m for m in every if fnmatch.fnmatch(m.leaf.path, pattern))
    return [(m.leaf.path, kind_of(m), str(m), _caught(trial, m)) for m in islice(chosen, number, limit, shares)]


def _caught(trial: Trial, mutant: Mutant) -> str:
    try:
        return trial.caught_by(mutant)
    except Exception as error:  # noqa: BLE001 - a stage that cannot go on has noticed, too
        return f"{type(error).__name__}"


def main() -> int:
    """Run; 1 when a change survives without a waiver."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    start = time.perf_counter()
    work = partial(try_share, shares=args.jobs, pattern=args.only, limit=args.limit)
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        rows = [row for share in pool.imap_unordered(work, range(args.jobs)) for row in share]
    waived = yaml.safe_load(WAIVERS.read_text(encoding="utf-8"))["waivers"]
    survivors = [(file, kind, what) for file, kind, what, by in sorted(rows) if not by]
    open_ = [row for row in survivors if not any(fnmatch.fnmatch(row[2], w["change"]) for w in waived)]
    for _, _, what in open_:
        sys.stdout.write(f"NOT CAUGHT  {what}\n")
    tried, left = Counter(kind for _, kind, _, _ in rows), Counter(kind for _, kind, _ in survivors)
    for kind, count in sorted(tried.items()):
        sys.stdout.write(
            f"{kind:24} {count:6} changes {count - left[kind]:6} caught {(count - left[kind]) / count:8.2%}\n"
        )
    share = (len(survivors) - len(open_)) / max(len(rows), 1)
    sys.stdout.write(
        f"{len(rows)} changes, {len(open_)} not caught, {share:.2%} waived, {time.perf_counter() - start:.0f} s\n"
    )
    return int(bool(open_))


if __name__ == "__main__":
    sys.exit(main())
