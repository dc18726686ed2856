"""`stats`: how much there is of what."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from generator.layout import GENERATED, GENERATOR, MANIFEST, SPECS, TEMPLATES

RUNTIME = "_runtime"


def run(args: argparse.Namespace, root: Path) -> int:
    """Count files and lines, and the share of generated lines that follow from specs."""
    specs = _count((root / SPECS).rglob("*.yaml"))
    templates = _count((root / TEMPLATES).rglob("*.j2"))
    mirrored = _count((root / TEMPLATES).rglob("*.py"))
    runtime = _count(path for path in (root / TEMPLATES).rglob("*.py") if RUNTIME in path.parts)
    generator = _count((root / GENERATOR).rglob("*.py"))
    generated = _count(
        p for p in (root / GENERATED).rglob("*") if p.is_file() and p.name != MANIFEST and p.suffix != ".pyc"
    )
    rows = (
        ("specs", specs),
        ("templates", templates),
        ("mirrored files", mirrored),
        ("  of them runtime", runtime),
        ("generator", generator),
        ("generated", generated),
    )
    for name, (files, lines) in rows:
        print(f"{name:18} {files:5} files {lines:7} lines")
    share = 1 - mirrored[1] / max(generated[1], 1)
    print(f"{share:.0%} of the generated lines follow from specs, the others are mirrored mechanism")
    return 0


def _count(paths: Iterable[Path]) -> tuple[int, int]:
    texts = [path.read_bytes() for path in paths if "__pycache__" not in path.parts]
    return len(texts), sum(text.count(b"\n") for text in texts)
