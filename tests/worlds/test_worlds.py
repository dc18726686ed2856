"""Broken spec trees and the exact text a user reads about them.

A world is a folder with `case.yaml` (what is changed in a copy of the real specs, and why that is wrong) and
`expected.diag` (what `horizon-gen build` then prints). An edit names a file and one of: `old` and `new` (a piece of text
that stands there once, and its replacement), `text` (a whole new file), `hex` (its bytes), `link` (a symbolic link),
`remove: true`. Each world must give exit status 1, its text, no traceback and not a changed byte below generated/.

After a change of specs or of messages: ``pytest tests/worlds --update-worlds``, then read the diff.
"""

import io
import re
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.cli.commands import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = sorted(path.parent.name for path in HERE.glob("*/case.yaml"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for name in ("templates", "generated"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def edit(root: Path, change: dict[str, Any]) -> None:
    """Make one change of a case."""
    file = root / change["file"]
    file.parent.mkdir(parents=True, exist_ok=True)
    if "link" in change:
        file.symlink_to(change["link"])
    elif "hex" in change:
        file.write_bytes(bytes.fromhex(change["hex"]))
    elif change.get("remove"):
        file.unlink()
    elif "text" in change:
        file.write_text(change["text"])
    else:
        text = file.read_text()
        assert text.count(change["old"]) == 1, f"{change['old']!r} must stand once in {change['file']}"
        file.write_text(text.replace(change["old"], change["new"]))


def told(root: Path) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a build."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = run(["--root", str(root), "build"])
    return status, out.getvalue(), err.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", CASES)
def test_world(name: str, tree: Path, request: pytest.FixtureRequest) -> None:
    shutil.rmtree(tree / "specs", ignore_errors=True)
    shutil.copytree(ROOT / "specs", tree / "specs")
    before = contents(tree / "generated")
    for change in yaml.safe_load((HERE / name / "case.yaml").read_text())["edits"]:
        edit(tree, change)
    status, text, complaint = told(tree)
    expected = HERE / name / "expected.diag"
    if request.config.getoption("--update-worlds", default=False):
        expected.write_text(text)
    assert (status, complaint) == (1, "")
    assert contents(tree / "generated") == before
    assert text == expected.read_text()


@pytest.mark.parametrize("name", CASES)
def test_one_mistake_is_told_once_with_its_place(name: str) -> None:
    text = (HERE / name / "expected.diag").read_text()
    heads = re.findall(r"^(\S+?)(?::\d+:\d+)?: error ([A-Z]\d{3}): ", text, re.MULTILINE)
    assert len(heads) == yaml.safe_load((HERE / name / "case.yaml").read_text()).get("mistakes", 1)
    assert all(re.match(r"specs(/[\w./-]+)?:\d+:\d+: ", line) for line in text.splitlines() if ": error " in line)


def test_there_are_many_worlds_and_many_kinds() -> None:
    codes = {code for name in CASES for code in re.findall(r"error ([A-Z]\d{3})", (HERE / name / "expected.diag").read_text())}
    assert len(CASES) >= 34
    assert len(codes) >= 34
