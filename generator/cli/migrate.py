"""`migrate [PATH ...] [--dry-run]`: specs of older schema versions as the newest version writes them."""

import argparse
import difflib
from pathlib import Path

from generator.layout import SPECS
from generator.migrate import migrated


def run(args: argparse.Namespace, root: Path) -> int:
    """Rewrite every spec that is old, and show each change as a diff."""
    places = [Path(path) for path in args.paths] or [root / SPECS]
    if missing := [str(place) for place in places if not place.exists()]:
        print(f"no such file or folder: {', '.join(missing)}")
        return 1
    files = sorted({file for place in places for file in ([place] if place.is_file() else place.rglob("*.yaml"))})
    count = sum(_migrate(file, dry_run=args.dry_run) for file in files)
    print(f"{len(files)} specs: {count} {'would be ' if args.dry_run else ''}rewritten")
    return 0


def _migrate(file: Path, *, dry_run: bool) -> bool:
    try:
        old = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        print(f"{file}: left as it is: {error}")
        return False
    new, steps = migrated(old)
    if not steps:
        return False
    for step in steps:
        print(f"{file}: {step.doc}")
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    print("".join(difflib.unified_diff(before, after, str(file), str(file))), end="")
    if not dry_run:
        file.write_text(new, encoding="utf-8", newline="\n")
    return True
