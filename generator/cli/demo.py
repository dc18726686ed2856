"""`demo [--march M] [--out DIR]`: build, then run the package's demo from generated/, without installing anything.

In: the march and the folder of the picture. Out: what the build and the demo print, and the exit status of whichever
failed first. The demo runs in a process of its own: it must import what was just built, and show its lines as they come.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from generator.cli import build
from generator.layout import GENERATED

DEMO = "horizon_plugin_pytorch.demo"


def run(args: argparse.Namespace, root: Path) -> int:
    """Build, then run the demo with the same Python; scikit-learn and Pillow are the demo's own business."""
    status = build.run(build.PLAIN, root)
    sys.stdout.flush()
    if status:
        return status
    options = ["--march", args.march] if args.march else []
    command = [sys.executable, "-u", "-m", DEMO, *options, "--out", str(args.out)]
    paths = [str(root / GENERATED), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own interpreter and module
