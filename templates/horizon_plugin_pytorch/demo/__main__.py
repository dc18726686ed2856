# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/__main__.py
"""The demo's command line: `python -m horizon_plugin_pytorch.demo [--march MARCH] [--out DIR]`.

In: the arguments. Out: tables on the screen, DIR/demo.png, exit status 0; 1 for a march that does not exist, packages that
are missing, or a folder that cannot be written.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .._marches import MARCH_IDS
from ..march import set_march
from .data import MissingPackagesError, require_packages
from .flow import Budget
from .report import Progress
from .run import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    options = _parser().parse_args(arguments)
    budget = Budget() if options.steps is None else Budget(training=options.steps)
    try:
        require_packages()
        if options.march is not None:
            set_march(options.march)
        options.out.mkdir(parents=True, exist_ok=True)
    except (MissingPackagesError, ValueError, OSError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    run(MARCH_IDS if options.march is None else (options.march,), options.out, budget, Progress(sys.stdout))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m horizon_plugin_pytorch.demo",
        description="Train a small network on two photos, quantize it for each march, compute in integers, and draw it.",
    )
    parser.add_argument("--march", help=f"one of {', '.join(MARCH_IDS)}; all of them when left out")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for the picture (default: demo-out)")
    parser.add_argument(
        "--steps", type=_count, help=f"training steps of the float model (default: {Budget().training})"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
