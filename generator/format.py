"""Rendered texts to final bytes: imports put in order and the rest formatted, one call each for the whole stage.

In: texts by path. Out: bytes by path; text that the formatter cannot read is a diagnostic that names the output's template.
"""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from generator.diag import Diagnostic
from generator.layout import INSTALL

_SUFFIX = ".py"
_FEW = 8  # starting the threads of the formatter takes longer than formatting so many files


def format_texts(
    texts: Mapping[str, str], templates: Mapping[str, str], root: Path, stage: Path
) -> tuple[dict[str, bytes], tuple[Diagnostic, ...]]:
    """Format every Python text below the folder `stage`, which is made and removed.

    Args:
        texts: output path -> text.
        templates: output path -> template, for messages.
        root: where pyproject.toml stands.
        stage: a folder of this process alone.
    """
    python = [path for path in texts if path.endswith(_SUFFIX)]
    result = {path: text.encode() for path, text in texts.items() if not path.endswith(_SUFFIX)}
    if not python:
        return result, ()
    try:
        for path in python:
            file = stage / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(texts[path], encoding="utf-8", newline="\n")
        if not _binary():
            return {}, (Diagnostic("T018", "the formatter ruff is not installed", None, hint=INSTALL),)
        options = ("--no-cache", "--config", str(root / "pyproject.toml"), str(stage))
        threads = {"RAYON_NUM_THREADS": "1"} if len(python) < _FEW else {}
        _ruff("check", "--fix-only", "--quiet", "--select", "I,F401", *options, threads=threads)
        done = _ruff("format", *options, threads=threads)
        if done.returncode:
            return {}, tuple(_failures(done.stderr, templates, stage))
        return result | {path: (stage / path).read_bytes() for path in python}, ()
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _ruff(*arguments: str, threads: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - own arguments
        [_binary(), *arguments], capture_output=True, text=True, check=False, env={**os.environ, **threads}
    )


def _binary() -> str:
    """The formatter that was installed beside this generator, or any other; '' when there is none."""
    beside = Path(sysconfig.get_path("scripts"), "ruff")
    return str(beside) if beside.exists() else shutil.which("ruff") or ""


def _failures(stderr: str, templates: Mapping[str, str], stage: Path) -> list[Diagnostic]:
    lines = [line for line in stderr.splitlines() if line.strip()]
    found = []
    for path, template in templates.items():
        told = [line for line in lines if f"{stage / path}" in line]
        if told:
            message = f"rendered Python cannot be formatted: {told[0].replace(str(stage), 'generated')}"
            found.append(Diagnostic("T014", message, None, hint=f"its template is templates/{template}"))
    return found or [Diagnostic("T014", f"the formatter failed: {' '.join(lines)[:300]}", None)]
