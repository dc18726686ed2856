"""What `build` and `check` share when they are asked for the package of an overlay.

In: `--specs DIR ... --package NAME --out DIR`. Out: the folder and what belongs there, after printing what was found.
"""

import argparse
import sys
from pathlib import Path

from generator.diag import render
from generator.overlay import Overlay
from generator.overlay_build import problem_with, produce_overlay
from generator.produce import Produced


def made_from(args: argparse.Namespace, root: Path) -> tuple[Path, Produced | None]:
    """(folder, everything that belongs there); None when the arguments are of no use."""
    out = Path(args.out or "")
    if not (args.specs and args.package and args.out):
        print("an overlay needs all three: --specs DIR (repeatable) --package NAME --out DIR")
        return out, None
    overlay = Overlay(tuple(map(Path, args.specs)), args.package, out)
    if problem := problem_with(overlay, root):
        print(problem)
        return out, None
    made = produce_overlay(root, overlay)
    sys.stdout.write(render(made.diagnostics, made.texts))
    return out, made
