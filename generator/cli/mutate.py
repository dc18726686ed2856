"""`mutate [--only GLOB] [--changed] [--jobs N] [--book]`: change every leaf of specs, one at a time, and say what notices.

In: the specs, and the hand-written goldens of the checkout (tests/golden), which alone can tell a wrong spec. Out: every change
that nothing notices, the score by kind of change, and the score of each spec in specs/mutation.yaml; the exit status says
whether all were noticed or waived. With --book the tables of properties in tests/golden are written anew instead; what git
then shows of them is for a person to approve.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from generator.layout import GENERATED

JUDGE, BOOK = "golden.mutate", "golden.book"


def run(args: argparse.Namespace, root: Path) -> int:
    """Run the judge in a process of its own: it imports what was generated, and torch."""
    tests = root / "tests"
    if not (tests / "golden" / "mutate.py").is_file():
        print(f"{tests}/golden is missing: mutate needs a checkout with its hand-written facts")
        return 1
    options = ["--only", args.only or "*", "--jobs", str(args.jobs), *(["--changed"] if args.changed else [])]
    paths = (str(root), str(root / GENERATED), str(tests))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-u", "-m", BOOK] if args.book else [sys.executable, "-u", "-m", JUDGE, *options]
    return subprocess.run(command, env=environment, cwd=root, check=False).returncode  # noqa: S603 - our own interpreter and module
