"""Commands on trees that are broken, edited by hand, interrupted, incomplete or not there; never a traceback."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trees import ROOT, cli, contents, copy, edit, process

from generator import pipeline
from generator.layout import GENERATED, INSTALL, MANIFEST, STATE
from generator.manifest import body_hash
from generator.stamp import JOURNAL

BAYES = "specs/marches/bayes.yaml"
KERNELS = "generated/horizon_plugin_pytorch/kernels"


def broken(root: Path) -> Path:
    edit(root, BAYES, "addend.shift: floor", "addend.shift: flor")
    return root


def touched(root: Path) -> Path:
    edit(root, BAYES, "title: Bayes (", "title: The Bayes (")
    return root


def test_build_dry_run_writes_nothing(checkout: Path) -> None:
    before = contents(checkout / GENERATED)
    told = cli(touched(checkout), "build", "--dry-run")
    assert (told.status, told.err) == (0, "")
    assert "would write generated/docs/marches/bayes.md\n" in told.out
    assert contents(checkout / GENERATED) == before
    (checkout / GENERATED / "mine.txt").write_text("mine")
    assert cli(checkout, "build", "--dry-run").status == 1


def test_build_removes_what_is_no_longer_made(checkout: Path) -> None:
    assert cli(checkout, "new", "march", "x9").status == 0
    assert cli(checkout, "build").status == 0
    assert (checkout / KERNELS / "x9.py").exists()
    (checkout / "specs/marches/x9.yaml").unlink()
    assert f"would remove {KERNELS}/x9.py\n" in cli(checkout, "build", "--dry-run").out
    assert cli(checkout, "build").status == 0
    assert not [path for path in contents(checkout / GENERATED) if "x9" in path]


def test_build_only_writes_what_matches(checkout: Path) -> None:
    before = contents(checkout / GENERATED)
    assert cli(touched(checkout), "build", "--only", "docs/marches/*").status == 0
    changed = {path for path, data in contents(checkout / GENERATED).items() if before[path] != data}
    assert changed == {"docs/marches/bayes.md", MANIFEST}


def test_build_force_keeps_a_copy_of_a_hand_edit(checkout: Path) -> None:
    file = checkout / KERNELS / "bayes.py"
    clean = file.read_bytes()
    file.write_bytes(clean + b"# mine\n")
    told = cli(checkout, "build")
    assert (told.status, told.out.count("error P002")) == (1, 1)
    told = cli(checkout, "build", "--force")
    assert told.status == 0
    kept = re.search(r"kept a copy of your edit: (\S+)", told.out)
    assert kept
    assert (checkout / kept[1]).read_bytes() == clean + b"# mine\n"
    assert file.read_bytes() == clean


@pytest.mark.parametrize("full", [(), ("--full",)])
def test_check(checkout: Path, full: tuple[str, ...]) -> None:
    assert "outputs are up to date" in cli(checkout, "check", *full).out
    told = cli(touched(checkout), "check", *full)
    assert told.status == 2
    assert "out of date: generated/docs/marches/bayes.md\n" in told.out
    assert told.out.endswith("run: horizon-gen build\n")


def test_check_full_does_not_trust_manifest(checkout: Path) -> None:
    file = checkout / KERNELS / "bayes.py"
    old, new = file.read_bytes(), file.read_bytes() + b"# mine\n"
    file.write_bytes(new)
    manifest = checkout / GENERATED / MANIFEST
    manifest.write_text(manifest.read_text().replace(body_hash(old), body_hash(new)))
    assert cli(checkout, "check", "--full").status == 2


def test_check_never_calls_an_interrupted_build_clean(checkout: Path) -> None:
    (checkout / STATE / JOURNAL / "old").mkdir(parents=True)
    (checkout / STATE / JOURNAL / "absent").write_text("")
    told = cli(checkout, "check")
    assert (told.status, "interrupted" in told.out) == (2, True)
    assert process(["-m", "generator", "check"], checkout).returncode == 2
    assert cli(checkout, "build").status == 0
    assert cli(checkout, "check").status == 0


def test_every_place_that_explain_names_exists(checkout: Path) -> None:
    told = cli(checkout, "explain", "bayes-e", "conv2d", "qint16")
    outputs = re.findall(r"^(generated/\S+?):", told.out, re.MULTILINE)
    places = re.findall(r"(specs/\S+?):(\d+):\d+", told.out)
    assert outputs
    assert places
    assert all((checkout / path).is_file() for path in outputs)
    assert all(int(line) <= (checkout / path).read_text().count("\n") for path, line in places)


def test_matrix_counts_what_it_shows(built: Path) -> None:
    for arguments in ((), ("--march", "bernoulli")):
        *rows, counts = cli(built, "matrix", *arguments).out.splitlines()
        assert sum(int(number) for number in re.findall(r"\d+", counts)) == len(rows)
    assert cli(built, "matrix", "--march", "byes").status == 1


@pytest.mark.parametrize(
    "arguments", [(), ("bild",), ("build", "--no-such"), ("explain",), ("new", "opp", "x"), ("build", "extra")]
)
def test_bad_arguments_are_told_and_are_no_drift(built: Path, arguments: tuple[str, ...]) -> None:
    told = cli(built, *arguments)
    assert (told.status, told.out) == (1, "")
    assert "usage: horizon-gen" in told.err


def test_outside_of_a_checkout(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "generator", tmp_path / "generator", ignore=shutil.ignore_patterns("__pycache__"))
    for arguments in (["check"], ["build"], ["--root", str(tmp_path), "check"]):
        done = process(["-m", "generator", *arguments], tmp_path, tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("no folder with specs/ and templates/")
    assert [path.name for path in tmp_path.iterdir()] == ["generator"]


def test_from_a_folder_below_the_root(checkout: Path) -> None:
    done = process(["-m", "generator", "check"], checkout / "specs" / "marches")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_project_file(checkout: Path) -> None:
    (checkout / "pyproject.toml").unlink()
    for arguments in (("build",), ("check",), ("matrix",), ("check", "--full")):
        told = cli(checkout, *arguments)
        assert told.status in (0, 1, 2)
        assert told.err == ""


def test_empty_specs_tell_all_that_is_missing(tmp_path: Path, built: Path) -> None:
    root = copy(built, tmp_path / "checkout")
    shutil.rmtree(root / "specs")
    (root / "specs").mkdir()
    for arguments in (("build",), ("check",), ("diff",), ("lint",), ("matrix",), ("explain", "bayes", "add")):
        told = cli(root, *arguments)
        assert (told.status, told.err) == (1, ""), arguments
        assert told.out.count("error L005") == 7


@pytest.mark.parametrize("command", ["build", "check", "diff", "lint", "matrix", "explain", "new"])
def test_broken_specs_in_every_command(checkout: Path, command: str) -> None:
    more = {"explain": ("bayes", "add"), "new": ("march", "x9")}.get(command, ())
    told = cli(broken(checkout), command, *more)
    assert (told.status, told.err) == (1, "")
    assert told.out.count("error C021") == 1
    assert re.search(rf"^{BAYES}:\d+:\d+: error C021: unknown rounding mode 'flor'$", told.out, re.MULTILINE)


def test_a_fault_of_a_stage_is_said_to_be_internal(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(pipeline, "decide", fail)
    before = contents(checkout / GENERATED)
    told = cli(checkout, "build")
    assert (told.status, told.out) == (3, "")
    assert "internal fault in 'build': KeyError: 'oops'" in told.err
    assert "Traceback" not in told.err
    assert contents(checkout / GENERATED) == before
    told = cli(checkout, "--debug", "build")
    assert (told.status, "Traceback" in told.err) == (3, True)


def test_without_the_formatter(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.format._binary", lambda: "")
    before = contents(checkout / GENERATED)
    told = cli(touched(checkout), "build")
    assert (told.status, told.err) == (1, "")
    assert told.out.count("error T018: the formatter ruff is not installed") == 1
    assert INSTALL in told.out
    assert contents(checkout / GENERATED) == before


def test_without_a_package_of_the_generator(checkout: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "yaml.py").write_text("raise ModuleNotFoundError(\"No module named 'yaml'\", name='yaml')\n")
    path = os.pathsep.join([str(blocked), str(ROOT)])
    done = process(["-m", "generator", "matrix"], checkout, environment={"PYTHONPATH": path})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"'matrix' needs the package yaml: {INSTALL}\n"


def test_a_reader_that_has_seen_enough(built: Path) -> None:
    script = f"{sys.executable} -m generator matrix | head -1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=built, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
