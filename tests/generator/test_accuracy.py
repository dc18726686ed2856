"""`accuracy` and the ratchet: what is printed, what is written, and that numbers only fall."""

from pathlib import Path

import pytest
from trees import cli

from generator.cli import accuracy
from generator.decide import Decisions
from generator.link import Catalog
from generator.pipeline import Knowledge, understand
from generator.ratchet import worst_steps

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def known() -> Knowledge:
    found = understand(ROOT).knowledge
    assert found is not None
    return found


@pytest.fixture(scope="module")
def catalog(known: Knowledge) -> Catalog:
    return known.catalog


@pytest.fixture(scope="module")
def decisions(known: Knowledge) -> Decisions:
    return known.decisions


def as_written(catalog: Catalog) -> accuracy.Measured:
    written = catalog.ratchet.spec
    rows = {
        op: {march: dict(worst_steps(catalog, op, march)) for march in catalog.marches} for op in written.worst_steps
    }
    steps = {op: {march: row for march, row in by_march.items() if row} for op, by_march in rows.items()}
    return accuracy.Measured(steps, dict(written.cosines))


def test_measuring_the_same_again_writes_the_same_file(catalog: Catalog) -> None:
    written = (ROOT / "specs" / accuracy.FILE).read_text()
    assert accuracy._text(catalog, as_written(catalog)) == written


def test_a_march_has_the_numbers_of_its_parent(catalog: Catalog) -> None:
    assert worst_steps(catalog, "conv2d", "bayes-e") == worst_steps(catalog, "conv2d", "bayes") != {}


def test_the_command_prints_a_line_an_operator_and_march_and_the_totals() -> None:
    *rows, totals = cli(ROOT, "accuracy").out.splitlines()
    (conv,) = [row for row in rows if row.split()[:2] == ["conv2d", "bernoulli2"]]
    assert conv.split("worst steps ")[1].startswith("qint8 ")
    assert "tests of QAT against integers" in totals


def test_a_number_that_rose_is_told_and_not_written(
    known: Knowledge,
    catalog: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    worse = as_written(catalog)
    row = worse.steps["conv2d"]["bernoulli2"]
    before = row["qint8"]
    row["qint8"] = before + 5
    monkeypatch.setattr(accuracy, "measure", lambda _: worse)
    (tmp_path / "specs").mkdir()
    assert accuracy._measure(known, tmp_path) == 1
    assert f"conv2d on bernoulli2, qint8: {before + 5} steps, was {before}" in capsys.readouterr().out
    assert (tmp_path / "specs" / accuracy.FILE).read_text() == (ROOT / "specs" / accuracy.FILE).read_text()


def supported(catalog: Catalog, decisions: Decisions) -> set[tuple[str, str, str]]:
    return {
        (op, march, output)
        for (op, march, _), decision in decisions.items()
        if decision.status == "supported"
        for output in decision.outputs
    }


def test_no_supported_cell_is_without_a_test_of_each_kind() -> None:
    printed = cli(ROOT, "accuracy")
    assert printed.status == 0
    assert printed.out.splitlines()[-1].endswith(", 0 supported cells without tests.")


def test_an_operator_without_a_case_is_told(checkout: Path) -> None:
    spec = checkout / "specs" / "ops" / "tensor" / "gather.yaml"
    spec.write_text(spec.read_text().partition("cases:")[0])
    printed = cli(checkout, "accuracy")
    assert printed.status == 1
    assert "no test: gather on bayes, qint8 -> qint8; add a case to its operator" in printed.out
    assert printed.out.endswith(", 6 supported cells without tests.\n")


def test_every_supported_cell_is_measured(catalog: Catalog, decisions: Decisions) -> None:
    measured = {
        (op, march, dtype)
        for op, by_march in as_written(catalog).steps.items()
        for march, row in by_march.items()
        for dtype in row
    }
    assert supported(catalog, decisions) <= measured


SEGMENT_TABLES = frozenset(
    [
        "acosh",
        "asin",
        "atanh",
        "cos",
        "cosh",
        "elu",
        "exp",
        "gelu",
        "log",
        "number_over",
        "pow",
        "reciprocal",
        "rsqrt",
        "segment_lut",
        "selu",
        "silu",
        "sin",
        "sinh",
        "softplus",
        "sqrt",
        "tan",
    ]
)
MADE_OF_THEM = frozenset(["glu", "layer_norm", "log_softmax", "lstm", "lstm_cell", "multihead_attention", "softmax"])


def test_only_wide_segment_tables_are_further_than_a_step_from_qat(catalog: Catalog) -> None:
    far = {
        (op, dtype)
        for op, by_march in as_written(catalog).steps.items()
        for row in by_march.values()
        for dtype, steps in row.items()
        if steps > 1
    }
    assert far == {(op, "qint16") for op in SEGMENT_TABLES | MADE_OF_THEM}


def test_composites_are_near_the_float_operator(catalog: Catalog, decisions: Decisions) -> None:
    cosines = catalog.ratchet.spec.cosines
    composites = {op.spec.id for op in catalog.ops.values() if op.spec.composite or op.spec.cell}
    assert cosines.keys() == {op for op, _, output in supported(catalog, decisions) if output == "qint16"} & composites
    assert min(cosines.values()) >= 0.999


def test_every_operator_has_a_page_and_every_link_leads_to_one(catalog: Catalog) -> None:
    docs = ROOT / "generated" / "docs"
    pages = {page.stem for page in (docs / "ops").glob("*.md")}
    assert pages == set(catalog.ops)
    for name in ("support-matrix.md", "accuracy.md"):
        linked = {part.partition(".md)")[0] for part in (docs / name).read_text().split("](ops/")[1:]}
        assert linked <= pages
        assert linked
