"""Specs from outside of the repository: what is made of them, what they may replace, and what is told about mistakes."""

import subprocess
import sys
from pathlib import Path

import pytest
from trees import ROOT, Told, cli, contents

MARCH = "schema: march/1\nid: x9\nextends: bayes\ntitle: X9\nboards: []\n"
OP = """\
schema: op/1
id: half_window
family: window_max
title: my_ops.HalfWindow
doc: A maximum over windows, as its own module.
float: {modules: [torch.nn.MaxPool2d]}
python: {file: half_window, class: HalfWindow}
window: {function: torch.nn.functional.max_pool2d, arguments: [kernel_size, stride, padding, dilation, ceil_mode]}
scale: input
support: {default: {qint8: [qint8], qint16: {unsupported: only 8 bits}}}
"""
HOME = Path("my_package", "horizon_plugin_pytorch")


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_specs").mkdir()
    return tmp_path / "my_specs"


def build(command: str = "build", *further: str, package: str = "my_package", out: str = "out") -> Told:
    return cli(ROOT, command, "--specs", "my_specs", *further, "--package", package, "--out", out)


def test_only_what_a_march_adds_or_changes_is_written(specs: Path) -> None:
    (specs / "x9.yaml").write_text(MARCH)
    before = contents(ROOT / "generated")
    assert build().status == 0
    modules = {path.removeprefix(f"{HOME}/") for path in contents(Path("out")) if path.startswith(str(HOME))}
    assert {"kernels/x9.py", "_marches.py", "march.py", "_support.py", "MADE_FOR"} <= modules
    assert not {name for name in modules if name.startswith("_runtime/") or "qconfig" in name}
    assert contents(ROOT / "generated") == before
    assert build("check").status == 0


def test_a_new_module_of_a_family_is_written(specs: Path) -> None:
    (specs / "op.yaml").write_text(OP)
    original = next((ROOT / "specs/ops").rglob("max_pool2d.yaml")).read_text()
    renamed = original.replace("[torch.nn.MaxPool2d]", "[torch.nn.MaxPool3d]")
    (specs / "max_pool2d.yaml").write_text(renamed + "overrides: max_pool2d\n")
    told = build()
    assert told.status == 0, told.out
    assert Path("out", HOME, "nn/quantized/half_window.py").is_file()
    assert "HalfWindow" in Path("out", HOME, "nn/qat/__init__.py").read_text()


def test_a_taken_id_must_say_that_it_overrides(specs: Path) -> None:
    original = (ROOT / "specs/marches/bayes.yaml").read_text().replace("Bayes (J5, RDK Ultra)", "Mine")
    (specs / "bayes.yaml").write_text(original)
    told = build()
    assert (told.status, "my_specs/bayes.yaml:3:5: error L001: march 'bayes' is defined twice" in told.out) == (1, True)
    assert not Path("out").exists()
    (specs / "bayes.yaml").write_text(original + "overrides: bayes\n")
    assert build().status == 0
    assert '"""Mine."""' in Path("out", HOME, "march.py").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MARCH + "overrides: bayez\n", "my_specs/a.yaml:6:12: error L006: overrides 'bayez'"),
        (MARCH + "overrides: bayes\n", "can only override 'x9'"),
        (MARCH + "rounding: {weighted.post_shift: flor}\n", "my_specs/a.yaml:6:33: error C021"),
        (MARCH.replace("bayes", "bayez"), "did you mean 'bayes'?"),
        ("schema: march/1\nid: ../x9\nextends: bayes\ntitle: X\n", "my_specs/a.yaml:2:1: error S004"),
        ("x: [", "my_specs/a.yaml:1:5: error S104"),
    ],
)
def test_mistakes_are_told_with_files_of_the_overlay(specs: Path, text: str, message: str) -> None:
    (specs / "a.yaml").write_text(text)
    told = build()
    assert (told.status, told.err, message in told.out) == (1, "", True), told.out
    assert not Path("out").exists()


def test_a_base_spec_cannot_override(checkout: Path) -> None:
    path = checkout / "specs/marches/bayes-e.yaml"
    path.write_text(path.read_text() + "overrides: bayes\n")
    told = cli(checkout, "build")
    assert (told.status, "unknown key 'overrides'" in told.out) == (1, True)


def test_two_folders_are_one_package(specs: Path, tmp_path: Path) -> None:
    (specs / "x9.yaml").write_text(MARCH)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x10.yaml").write_text(MARCH.replace("x9", "x10").replace("X9", "X10").replace("bayes", "x9"))
    assert build("build", "--specs", "more").status == 0
    assert {"x9.h", "x9.py", "x10.h", "x10.py"} == {path.name for path in Path("out", HOME, "kernels").iterdir()}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"package": "../evil"}, "--package '../evil'"),
        ({"package": "horizon_plugin_pytorch"}, "--package"),
        ({"out": "my_specs/out"}, "lies in a folder of specs"),
        ({"out": "."}, "holds"),
        ({"out": ""}, "needs all three"),
    ],
)
def test_unusable_arguments_are_refused(specs: Path, settings: dict[str, str], message: str) -> None:
    (specs / "x9.yaml").write_text(MARCH)
    told = build(**settings)
    assert (told.status, message in told.out) == (1, True), told.out


def test_a_folder_that_is_missing_is_told(specs: Path) -> None:
    told = build("build", "--specs", "nowhere")
    assert (told.status, "error L007: --specs nowhere: no such folder" in told.out) == (1, True)


def test_files_of_others_in_the_folder_stay(specs: Path) -> None:
    (specs / "x9.yaml").write_text(MARCH)
    Path("out/tests").mkdir(parents=True)
    Path("out/notes.txt").write_text("mine\n")
    Path("out/tests/mine.py").write_text("mine\n")
    told = build()
    assert (told.status, "P003: out/tests/mine.py was not written" in told.out) == (1, True), told.out
    Path("out/tests/mine.py").unlink()
    assert build().status == 0
    assert Path("out/notes.txt").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("packages", "digest", "message"),
    [
        (("a",), "0" * 16, "the overlay a was made for another version"),
        (("a", "b"), "", "only one can be in use: a, b"),
    ],
)
def test_an_overlay_that_does_not_fit_is_refused(
    tmp_path: Path, packages: tuple[str, ...], digest: str, message: str
) -> None:
    for name in packages:
        (tmp_path / name / "horizon_plugin_pytorch").mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "horizon_plugin_pytorch" / "MADE_FOR").write_text(digest + "\n")
        info = tmp_path / f"{name}-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
        (info / "entry_points.txt").write_text(f"[horizon_plugin_pytorch.overlays]\n{name} = {name}\n")
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'generated'}"}
    done = subprocess.run(
        [sys.executable, "-c", "import horizon_plugin_pytorch"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert message in done.stderr
    assert "make" in done.stderr
