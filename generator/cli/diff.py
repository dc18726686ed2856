"""`diff`: the text of what a build would change."""

import argparse
import difflib
import sys
from pathlib import Path

from generator.diag import render
from generator.layout import GENERATED
from generator.produce import produce
from generator.publish import compare, read_entries

CLEAN, DIAGNOSTICS, DRIFT = 0, 1, 2


def run(args: argparse.Namespace, root: Path) -> int:
    """Print a unified diff; the exit status says whether there is any difference."""
    made = produce(root, trust=True)
    sys.stdout.write(render(made.diagnostics, made.texts))
    if made.failed:
        return DIAGNOSTICS
    change = compare(made.outputs, read_entries(root), root)
    for path in (*change.write, *change.remove):
        new = made.outputs.get(path, b"")
        file = root / GENERATED / path
        old = file.read_bytes() if file.is_file() else b""
        names = (
            f"a/generated/{path}" if old else "/dev/null",
            f"b/generated/{path}" if path in made.outputs else "/dev/null",
        )
        sys.stdout.writelines(_unified(old, new, *names))
    return DRIFT if change.drift else CLEAN


def _unified(old: bytes, new: bytes, old_name: str, new_name: str) -> list[str]:
    before, after = (data.decode("utf-8", "replace").splitlines(keepends=True) for data in (old, new))
    return list(difflib.unified_diff(before, after, old_name, new_name))
