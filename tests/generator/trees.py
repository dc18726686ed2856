"""Copies of the checkout that tests build, break and look at."""

import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from generator.cli.commands import run

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("specs", "templates", "generated")


class Told(NamedTuple):
    """What a command said."""

    status: int
    out: str
    err: str


def cli(root: Path, *arguments: str) -> Told:
    """Run a command in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            status = run(["--root", str(root), *arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Told(status, out.getvalue(), err.getvalue())


def process(
    arguments: list[str], cwd: Path, path: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python with `path` as its PYTHONPATH."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def copy(source: Path, target: Path) -> Path:
    """Copy specs, templates, generated and pyproject.toml."""
    target.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(source / "pyproject.toml", target)
    return target


def copy_tracked(source: Path, target: Path) -> Path:
    """Copy everything that a wheel is made from."""
    copy(source, target)
    shutil.copytree(source / "generator", target / "generator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "README.md", target)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of every file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def edit(root: Path, file: str, old: str, new: str) -> None:
    """Replace a text that stands once."""
    path = root / file
    text = path.read_text()
    assert text.count(old) == 1, (file, old)
    path.write_text(text.replace(old, new))
