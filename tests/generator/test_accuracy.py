"""`accuracy` and the ratchet: what is printed, what is written, and that numbers only fall."""

from pathlib import Path

import pytest
from trees import cli

from generator.cli import accuracy
from generator.link import Catalog
from generator.pipeline import understand
from generator.ratchet import worst_steps

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    known = understand(ROOT).knowledge
    assert known is not None
    return known.catalog


def every_row(catalog: Catalog) -> accuracy.Steps:
    measured = catalog.ratchet.spec.worst_steps
    rows = {op: {march: dict(worst_steps(catalog, op, march)) for march in catalog.marches} for op in measured}
    return {op: {march: row for march, row in by_march.items() if row} for op, by_march in rows.items()}


def test_measuring_the_same_again_writes_the_same_file(catalog: Catalog) -> None:
    written = (ROOT / "specs" / accuracy.FILE).read_text()
    assert accuracy._text(catalog, every_row(catalog)) == written


def test_a_march_has_the_numbers_of_its_parent(catalog: Catalog) -> None:
    assert worst_steps(catalog, "conv2d", "bayes-e") == worst_steps(catalog, "conv2d", "bayes") != {}


def test_the_command_prints_a_line_an_operator_and_march_and_the_totals() -> None:
    *rows, totals = cli(ROOT, "accuracy").out.splitlines()
    (conv,) = [row for row in rows if row.split()[:2] == ["conv2d", "bernoulli2"]]
    assert conv.split("worst steps ")[1].startswith("qint8 ")
    assert totals.endswith("tests of QAT against integers.")


def test_a_number_that_rose_is_told_and_not_written(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = understand(ROOT).knowledge
    assert known is not None
    worse = every_row(catalog)
    before = worse["conv2d"]["bernoulli2"]["qint8"]
    worse["conv2d"]["bernoulli2"]["qint8"] = before + 5
    monkeypatch.setattr(accuracy, "measure", lambda _: worse)
    (tmp_path / "specs").mkdir()
    assert accuracy._measure(known, tmp_path) == 1
    assert f"conv2d on bernoulli2, qint8: {before + 5} steps, was {before}" in capsys.readouterr().out
    assert (tmp_path / "specs" / accuracy.FILE).read_text() == (ROOT / "specs" / accuracy.FILE).read_text()


def test_int8_is_one_step_from_qat_but_for_int16_tables_of_steep_functions(catalog: Catalog) -> None:
    far = {
        op for op, by_march in every_row(catalog).items() for march, row in by_march.items() if row.get("qint8", 0) > 1
    }
    assert far == {"log", "reciprocal"}  # int16 in, int8 out: six tables of 64 do not resolve their steep ends


def test_every_operator_has_a_page_and_every_link_leads_to_one(catalog: Catalog) -> None:
    docs = ROOT / "generated" / "docs"
    pages = {page.stem for page in (docs / "ops").glob("*.md")}
    assert pages == set(catalog.ops)
    for name in ("support-matrix.md", "accuracy.md"):
        linked = {part.partition(".md)")[0] for part in (docs / name).read_text().split("](ops/")[1:]}
        assert linked <= pages
        assert linked
