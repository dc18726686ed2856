"""Formulas as LaTeX: braces and environments are balanced, and Markdown finds nothing in them to take for its own."""

import re
from pathlib import Path

import pytest

from generator.formula.lines import Line
from generator.formula.lower_latex import latex
from generator.formula.parse import parse
from generator.formula.problems import Place

PAGES = sorted((Path(__file__).parent.parent.parent / "generated/docs/formulas").glob("*.md"))
NOWHERE = Place("", 0)


def _latex(targets: str, text: str) -> str:
    expr = parse(text, "")
    assert not isinstance(expr, tuple)
    return latex(Line(tuple(targets.split(", ")), expr, NOWHERE, own=True))


@pytest.mark.parametrize(
    ("targets", "formula", "typeset"),
    [
        ("mult", "floor(m * 2**15 + 0.5)", r"\mathrm{mult} = \lfloor m \cdot 2^{15} + 0.5 \rfloor"),
        ("r", "s_in / s_out", r"r = \frac{s_{\mathrm{in}}}{s_{\mathrm{out}}}"),
        ("_, e", "frexp(r)", r"\cdot, e = \mathrm{frexp} (r)"),
        ("y", "saturate((x + 1) >> n, output)", r"y = \mathrm{sat}_{\mathrm{output}} ((x + 1) \gg n)"),
        ("t", "wrap(x, 32)", r"t = \mathrm{wrap}_{32} (x)"),
        ("y", "(a - (b - c)) * -d", r"y = (a - (b - c)) \cdot -d"),
        (
            "k",
            "select(a < b, 1, -1)",
            r"k = \begin{cases} 1 & \text{if } a \lt b \cr -1 & \text{otherwise} \end{cases}",
        ),
        ("z", "((x << 1) >> n) & 1", r"z = ((x \ll 1) \gg n) \mathbin{\mathrm{and}} 1"),
    ],
)
def test_a_formula_is_typeset(targets: str, formula: str, typeset: str) -> None:
    assert _latex(targets, formula) == typeset


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_formula_of_a_page_is_well_formed(page: Path) -> None:
    formulas = re.findall(r"^\$\$(.*)\$\$$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert formulas
    for text in formulas:
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin{cases}") == text.count(r"\end{cases}")
        assert not re.search(r"\\[^A-Za-z]", text)  # a backslash before punctuation is Markdown's
        assert "$" not in text
        assert "<" not in text


def test_every_kernel_family_has_a_page() -> None:
    specs = PAGES[0].parent.parent.parent.parent / "specs/kernels"
    assert [page.stem for page in PAGES] == sorted(path.stem for path in specs.glob("*.yaml"))
