"""`demo [--march M] [--out DIR]`: build, then run the package's demo from generated/, without installing anything.

In: the march and the folder of the picture. Out: what the build and the demo print, and the exit status of whichever
failed first. Both run as processes of their own, so what they print appears as it comes.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from generator.layout import GENERATED

DEMO = "horizon_plugin_pytorch.demo"


def run(args: argparse.Namespace, root: Path) -> int:
    """Build, then run the demo with the same Python; scikit-learn and Pillow are the demo's own business."""
    status = _python(["-m", "generator", "--root", str(root), "build"], root)
    if status:
        return status
    options = ["--march", args.march] if args.march else []
    return _python(["-u", "-m", DEMO, *options, "--out", str(args.out)], root / GENERATED)


def _python(arguments: list[str], first_path: Path) -> int:
    """The exit status of Python with `arguments`; modules are found below `first_path` first."""
    paths = [str(first_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode  # noqa: S603 - own arguments
