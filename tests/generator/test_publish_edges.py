"""Edits made at unlucky moments are kept, and nothing outside of generated/ is mistaken for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trees import ROOT, cli, contents, edit, process

from generator import stamp
from generator.layout import GENERATED, MANIFEST, STATE
from generator.publish import recover
from generator.templates_lint import check_template

MARCH = "specs/marches/bayes.yaml"
OUTPUT = "horizon_plugin_pytorch/kernels/bayes.py"
KILLED = """
import os, sys
from pathlib import Path
from generator.produce import produce
from generator.publish import publish
root = Path(sys.argv[1])
made = produce(root, trust=False)
publish(made.outputs, made.keys, root, step=lambda name: os._exit(9) if name == "manifest" else None)
"""


def test_an_edit_after_a_killed_build_is_kept(checkout: Path) -> None:
    original = (checkout / GENERATED / OUTPUT).read_text()
    edit(checkout, MARCH, "weighted.post_shift: half_up", "weighted.post_shift: floor")
    assert process(["-c", KILLED, str(checkout)], checkout).returncode == 9
    path = checkout / GENERATED / OUTPUT
    assert path.read_text() != original
    path.write_text(path.read_text() + "# mine\n")
    assert cli(checkout, "build").status == 0
    copy = checkout / ".horizon-gen/backup" / OUTPUT
    assert copy.read_text().endswith("# mine\n")
    assert [p.name for p in (checkout / ".horizon-gen/backup").rglob("*.py")] == ["bayes.py"]
    assert cli(checkout, "check", "--full").status == 0


@pytest.mark.parametrize("kind", ["a line is lost", "the markers of a merge"])
def test_a_damaged_manifest_is_drift(checkout: Path, kind: str) -> None:
    manifest = checkout / GENERATED / MANIFEST
    first, *others = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(others) if kind == "a line is lost" else "".join(["<<<<<<< a\n", first, *others]))
    assert cli(checkout, "check").status != 0
    assert cli(checkout, "check", "--full").status != 0


def test_a_linked_generated_folder_is_refused(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(checkout / GENERATED, elsewhere)
    (checkout / GENERATED).symlink_to(elsewhere)
    edit(checkout, MARCH, "weighted.post_shift: half_up", "weighted.post_shift: floor")
    before = (elsewhere / OUTPUT).read_bytes()
    told = cli(checkout, "build")
    assert (told.status, "P004" in told.out) == (1, True)
    assert (elsewhere / OUTPUT).read_bytes() == before


def test_a_folder_in_the_place_of_an_output_is_told(checkout: Path) -> None:
    (checkout / GENERATED / OUTPUT).unlink()
    (checkout / GENERATED / OUTPUT).mkdir()
    told = cli(checkout, "build")
    assert (told.status, "P004" in told.out) == (1, True)
    (checkout / GENERATED / OUTPUT).rmdir()
    assert cli(checkout, "build").status == 0


def test_an_output_that_vanishes_is_not_clean(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli(checkout, "check").status == 0
    assert stamp.is_clean(str(checkout)) > 0

    def vanished(file: str) -> bytes:
        raise FileNotFoundError(file)

    monkeypatch.setattr(stamp, "read_regular", vanished)
    assert stamp.is_clean(str(checkout)) == -1


@pytest.mark.parametrize(
    "chain", ["v.doc|indent(1 if v.doc else 4)", "v.doc|py(v.title ~ 'x')", "v.doc|indent(width=v.n)"]
)
def test_filters_take_literals_only(chain: str) -> None:
    text = "{#- view: kernels.KernelModuleView -#}\n{{ " + chain + " }}\n"
    assert [d.id for d in check_template("t.j2", text)] == ["T002"]


def test_the_formatter_stage_and_other_drafts_are_never_left(checkout: Path) -> None:
    edit(checkout, MARCH, "title: Bayes (", "title: The Bayes (")
    assert cli(checkout, "build").status == 0
    assert {path.name for path in (checkout / STATE).iterdir()} <= {"jinja", "lock", "memo", "stamp"}
    assert recover(checkout) is False


def test_builds_at_once_leave_what_one_build_leaves(checkout: Path) -> None:
    edit(checkout, MARCH, "title: Bayes (", "title: The Bayes (")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "generator", "build"]
    started = [
        subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    told = [(process.communicate()[0], process.returncode) for process in started]
    assert all(status == 0 or "P005" in text for text, status in told), told
    assert any(status == 0 for _, status in told)
    assert ": 0 written, 0 removed" in cli(checkout, "build").out
    assert b"The Bayes (" in contents(checkout / "generated")["docs/marches/bayes.md"]
    assert not list((checkout / ".horizon-gen").glob("*.[0-9]*"))
