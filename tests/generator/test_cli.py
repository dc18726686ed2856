"""Every command: what it prints, which status it ends with, and that bad input is never a traceback."""

import re
from pathlib import Path

import pytest
from trees import cli, edit, process

import generator.cli.stats
from generator.__main__ import main

MARCH = "specs/marches/bayes.yaml"


def test_build_says_what_it_did(checkout: Path) -> None:
    told = cli(checkout, "build")
    assert (told.status, told.err) == (0, "")
    assert " 0 written, 0 removed, " in told.out
    edit(checkout, MARCH, "weighted.post_shift: half_up", "weighted.post_shift: floor")
    dry = cli(checkout, "build", "--dry-run")
    assert dry.status == 0
    assert "would write generated/horizon_plugin_pytorch/kernels/bayes.py" in dry.out
    assert cli(checkout, "check").status == 2
    only = cli(checkout, "build", "--only", "*/kernels/bayes.py")
    assert "1 written" in only.out
    assert cli(checkout, "check").status == 2
    assert cli(checkout, "build").status == 0
    assert cli(checkout, "check", "--full").status == 0


def test_diff_shows_the_text_of_a_build(checkout: Path) -> None:
    assert (cli(checkout, "diff").status, cli(checkout, "diff").out) == (0, "")
    edit(checkout, MARCH, "weighted.post_shift: half_up", "weighted.post_shift: floor")
    told = cli(checkout, "diff")
    assert told.status == 2
    assert "+++ b/generated/horizon_plugin_pytorch/kernels/bayes_e.py" in told.out
    assert cli(checkout, "build").status == 0
    assert cli(checkout, "diff").out == ""


def test_explain_gives_the_chain_the_formulas_and_the_file(checkout: Path) -> None:
    told = cli(checkout, "explain", "bayes-e", "add", "qint16")
    assert told.status == 0
    for part in (
        "add on bayes-e, qint16: supported -> qint8, qint16",
        "specs/ops/arithmetic/add.yaml:",
        "(inherited by bayes-e)",
        "kernel add/shift_and_scale, specs/kernels/elementwise.yaml:",
        "rounding requantize.post_shift: half_up, specs/marches/bayes.yaml:",
        "(extends bayes)",
        "generated/horizon_plugin_pytorch/kernels/bayes_e.py: add",
    ):
        assert part in told.out, part
    refused = cli(checkout, "explain", "bernoulli2", "linear")
    assert "1x1 convolution" in refused.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("bayez", "add"), "bayes"), (("bayes", "ad"), "add"), (("bayes", "add", "qint9"), "qint8")],
)
def test_explain_suggests(checkout: Path, arguments: tuple[str, ...], said: str) -> None:
    told = cli(checkout, "explain", *arguments)
    assert told.status == 1
    assert said in told.out + told.err


def test_matrix(checkout: Path) -> None:
    undecided, totals = cli(checkout, "matrix", "--undecided").out.splitlines()
    assert undecided == "0"
    assert re.fullmatch(r"\d+ supported, \d+ unsupported, \d+ todo", totals)
    told = cli(checkout, "matrix", "--march", "bernoulli")
    assert told.status == 0
    rows = [line.split() for line in told.out.splitlines() if line.startswith("conv2d")]
    assert ["conv2d", "bernoulli", "qint8", "->", "qint8,", "qint32"] in rows
    edit(checkout, "specs/ops/arithmetic/mul.yaml", "  bernoulli: {qint8: [qint8]}\n", "")
    assert cli(checkout, "matrix", "--undecided").out.splitlines()[0] == "2"  # and square
    assert cli(checkout, "matrix").status == 1


@pytest.mark.parametrize(("name", "parent"), [("../x", "bayes"), ("X", "bayes"), ("bayes", "bayes"), ("x9", "nosuch")])
def test_new_march_refuses(checkout: Path, name: str, parent: str) -> None:
    before = sorted((checkout / "specs").rglob("*"))
    assert cli(checkout, "new", "march", name, "--extends", parent).status == 1
    assert sorted((checkout / "specs").rglob("*")) == before


def test_lint_and_stats(checkout: Path) -> None:
    assert cli(checkout, "lint").status == 0
    told = cli(checkout, "stats")
    assert told.status == 0
    assert "of the generated lines follow from specs" in told.out


def test_outside_of_a_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path), "build"]) == 1
    assert "--root DIR" in capsys.readouterr().err


def test_an_internal_fault_is_one_line(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(generator.cli.stats, "run", broken)
    told = cli(checkout, "stats")
    assert told.status == 3
    assert "planted" in told.err
    assert "Traceback" not in told.err


def test_the_module_and_the_command_are_the_same(checkout: Path) -> None:
    done = process(["-m", "generator", "--root", str(checkout), "check"], checkout)
    assert (done.returncode, done.stderr) == (0, "")
