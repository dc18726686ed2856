"""Small worlds for the commands beside `build`: what each prints, its exit status, and the files that it leaves.

A world is a folder with `command.yaml`: why, the edits of the specs (as in test_worlds.py), `run`: command lines one after the
other, `list`: folders whose files they leave are named, and `tree`: files or folders of which also the text is kept, below
`expected/`. `expected.txt` holds what they print, each behind its command line and status. The texts name the world's folder
WORLD, and N where a number tells no more than how much there is of everything.

After a change of messages: ``pytest tests/worlds --update-worlds``, then read the diff.
"""

import io
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_worlds import HERE, ROOT, contents, edit

from generator.cli.commands import COMMANDS, run

CASES = sorted(path.parent.name for path in HERE.glob("*/command.yaml"))
ELSEWHERE = {"build", "check", "diff", "lint", "demo", "stats", "accuracy", "matrix"}
"""Commands that change no specs, or run what was generated; tests/generator and tests/demo hold them."""


def case(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((HERE / name / "command.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a revision to compare with, and with what a build remembers."""
    root = tmp_path_factory.mktemp("built")
    for name in ("specs", "templates", "generated"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", root)
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "specs"), (*identity, "commit", "-q", "-m", "specs")):
        subprocess.run(["git", *command], cwd=root, check=True)
    assert told(root, "check").startswith("$ horizon-gen check\n"), "the checkout must be built"
    return root


@pytest.fixture
def world(built: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(built)
    before = contents(built)
    yield built
    for path, data in contents(built).items():
        if path not in before and not path.startswith(".horizon-gen/"):
            (built / path).unlink()
        elif data != before.get(path) and not path.startswith(".horizon-gen/"):
            (built / path).write_bytes(before[path])
    for path in before.keys() - contents(built).keys():
        (built / path).parent.mkdir(parents=True, exist_ok=True)
        (built / path).write_bytes(before[path])


def told(root: Path, line: str) -> str:
    """The command line, what it prints, and its exit status unless that is 0."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = run(["--root", str(root), *shlex.split(line)])
    text = (out.getvalue() + err.getvalue()).replace(str(root), "WORLD")
    text = re.sub(r"\([0-9a-f]{7,}\)", "(REVISION)", text)
    text = re.sub(r"\d+(?= outputs| unchanged| files| written)", "N", text)
    return f"$ horizon-gen {line}\n{text}" + (f"[status {status}]\n" if status else "")


def files(root: Path, places: list[str]) -> dict[str, Path]:
    """Every file at or below some places, but for the generator's own state."""
    found = [path for place in places for path in ((root / place).rglob("*") if (root / place).is_dir() else [root / place])]
    named = {path.relative_to(root).as_posix(): path for path in sorted(found) if path.is_file()}
    return {name: path for name, path in named.items() if "/.horizon-gen/" not in name}


def left(root: Path, places: list[str]) -> dict[str, str]:
    """The text of every file at or below some places."""
    return {name: path.read_text() for name, path in files(root, places).items()}


@pytest.mark.parametrize("name", CASES)
def test_world(name: str, world: Path, request: pytest.FixtureRequest) -> None:
    for change in case(name).get("edits", ()):
        edit(world, change)
    text = "".join(told(world, line) for line in case(name)["run"])
    text += "".join(f"{path}\n" for path in files(world, case(name).get("list", [])))
    tree = left(world, case(name).get("tree", []))
    home = HERE / name / "expected"
    if request.config.getoption("--update-worlds", default=False):
        shutil.rmtree(home, ignore_errors=True)
        (HERE / name / "expected.txt").write_text(text)
        for path, data in tree.items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_text(data)
    assert text == (HERE / name / "expected.txt").read_text()
    assert tree == left(home, ["."])


def test_every_command_that_reads_or_writes_specs_has_a_world() -> None:
    shown = {shlex.split(line)[0] for name in CASES for line in case(name)["run"]}
    assert shown >= COMMANDS.keys() - ELSEWHERE
