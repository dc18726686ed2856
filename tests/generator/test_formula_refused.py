"""The formula compiler: what it refuses, by which code, at which column, with which advice."""

import re
from pathlib import Path
from typing import Any

import pytest
from test_formula import compiled, kernel

import generator.formula
from generator.formula.parse import parse
from generator.formula.problems import CODES

X8: dict[str, Any] = {"tensors": {"x": "qint8"}, "result": "qint8"}
REAL: dict[str, Any] = {"tensors": {"x": "real"}, "result": "real"}
S: dict[str, Any] = {"scales": {"s": ""}}
PARSED = [
    ("F001", "x +"), ("F001", "a b"), ("F001", "(x"), ("F001", "x + \u00b5"), ("F001", "a\0"), ("F001", ""),
    ("F002", "1 + " * 130 + "1"), ("F002", "-" * 60 + "x"), ("F002", "1e999"), ("F002", str(2**63 + 1)),
    ("F003", "x // 2"), ("F003", "a if b else c"), ("F003", "[1]"), ("F003", "'text'"), ("F003", "True"), ("F003", "a < b < c"),
    ("F003", "lambda: 0"), ("F003", "f(*a)"), ("F003", "f(**a)"), ("F003", "x[0]"), ("F003", "f(x).y"), ("F003", "~x"),
    ("F003", "x and y"), ("F003", "1j"), ("F006", "f(a=1, a=2)"),
]  # fmt: skip
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("F004", {"compute": {"y": "z"}, **X8}),
    ("F004", {"compute": {"y": "saturate(x, qint8) & qint8.maximum"}, **X8}),
    ("F004", {"derive": {"n": "clip(x, 0, 1)"}, "compute": {"y": "x & n"}, **X8}),
    ("F005", {"compute": {"y": "saturation(x, qint8)"}, **X8}),
    ("F005", {"compute": {"y": "1 + flor(x)"}, **X8}),
    ("F006", {"compute": {"y": "clip(x, 0)"}, **X8}),
    ("F006", {**S, "derive": {"n": "clip(floor(s), 0)"}, "compute": {"y": "x & n"}, **X8}),
    ("F006", {**S, "derive": {"n": "floor()"}, "compute": {"y": "x & n"}, **X8}),
    ("F007", {**S, "compute": {"y": "x >> s"}, **X8}),
    ("F007", {"compute": {"y": "x / 2"}, **X8}),
    ("F007", {"compute": {"y": "min(x, 0.5)"}, **X8}),
    ("F007", {"compute": {"y": "select(x > 0.5, x, 0)"}, **X8}),
    ("F007", {"compute": {"y": "select((x > 0) > 0, x, 0)"}, **X8}),
    ("F007", {"compute": {"y": "-(x > 0)"}, **X8}),
    ("F007", {"compute": {"y": "x"}, **REAL, "result": "qint8"}),
    ("F007", {"compute": {"y": "saturate(x, 0)"}, **X8}),
    ("F007", {"compute": {"y": "real(x)"}, **REAL}),
    ("F008", {"compute": {"y": "saturate(x, march.middle)"}, **X8}),
    ("F009", {"compute": {"y": "shift_right(x, 1, pst)"}, **X8}),
    ("F009", {"compute": {"y": "shift_right(x, 1, even)"}, **X8}),
    ("F009", {"compute": {"y": "shift_right(x, 1, 5)"}, **X8}),
    ("F010", {"compute": {"x": "x"}, **X8}),
    ("F010", {"compute": {"class": "x"}, **X8}),
    ("F010", {"compute": {"clip": "x"}, **X8}),
    ("F010", {"compute": {"": "x"}, **X8}),
    ("F012", {**S, "derive": {"n": "s / 2"}, "compute": {"y": "x"}, **X8}),
    ("F013", {**S, "derive": {"n": "clip(floor(frexp(s)), 0, 1)"}, "compute": {"y": "x & n"}, **X8}),
    ("F013", {"compute": {"y, z": "x"}, **X8}),
    ("F015", {"compute": {"y": "x & other(x)"}, **X8}),
    ("F016", {"compute": {"y": "saturate(x, qint9)"}, **X8}),
    ("F016", {"compute": {"y": "x"}, "tensors": {"x": "qint9"}, "result": "qint8"}),
    ("F020", {**S, "derive": {"n": "floor(s)"}, "compute": {"y": "x & n"}, **X8}),
    ("F020", {**S, "derive": {"n": "floor(log2(s))"}, "compute": {"y": "x & n"}, **X8}),
    ("F021", {"compute": {"y": "saturate(x << 60, qint8)"}, **X8}),
    ("F021", {"compute": {"y": "saturate(-x, qint8)"}, "tensors": {"x": (-(2**63), 0)}, "result": "qint8"}),
    ("F021", {"compute": {"y": "saturate(abs(x), qint8)"}, "tensors": {"x": (-(2**63), 0)}, "result": "qint8"}),
    ("F021", {"compute": {"y": "min(x, 9223372036854775808)"}, **X8}),
    ("F021", {"compute": {"y": "x * 9223372036854775807"}, **REAL}),
    ("F022", {"compute": {"y": "x >> x"}, **X8}),
    ("F023", {"compute": {"y": "x >> 63"}, **X8}),
    ("F024", {"compute": {"y": "x + 1"}, **X8}),
    ("F024", {"compute": {"y": "floor(clip(x, 1, 5))"}, "tensors": {"x": "real"}, "result": (1, 5)}),
    ("F025", {"integers": {"n": (0, 3)}, "compute": {"y": "x * (1 / n)"}, **REAL}),
    ("F025", {"compute": {"y": "x / 0"}, **REAL}),
    ("F004", {"compute": {"y": "lookup(u, x + 128)"}, "tables": {"t": ("qint8", 256)}, **X8}),
    ("F007", {"compute": {"y": "t"}, "tables": {"t": ("qint8", 256)}, **X8}),
    ("F007", {"compute": {"y": "lookup(t, 3)"}, "tables": {"t": ("qint8", 256)}, **X8}),
    ("F007", {"compute": {"y": "fma(x, x, x)"}, **X8}),
    ("F016", {"compute": {"y": "lookup(t, x + 128)"}, "tables": {"t": ("qint9", 256)}, **X8}),
    ("F026", {"compute": {"y": "lookup(t, x + 129)"}, "tables": {"t": ("qint8", 256)}, **X8}),
    ("F026", {"compute": {"y": "lookup(t, x)"}, "tables": {"t": ("qint8", 256)}, **X8}),
    ("F026", {"compute": {"y": "lookup(t, x + 128)"}, "tables": {"t": ("qint8", 257)}, **X8}),
    ("F027", {"integers": {"n": (-3, 3)}, "compute": {"y": "x * sqrt(n)"}, **REAL}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text"), PARSED)
def test_what_is_no_formula_is_told_at_its_column(code: str, text: str) -> None:
    problems = parse(text, "key")
    assert isinstance(problems, tuple)
    assert {problem.code for problem in problems} == {code}
    assert all(p.where == "key" and 0 <= p.offset <= len(text) and p.message for p in problems)


@pytest.mark.parametrize(("code", "parts"), REFUSED)
def test_what_cannot_be_proved_is_refused_by_its_code(code: str, parts: dict[str, Any]) -> None:
    found = compiled(kernel(**parts), kernel("other", compute={"y": "x"}, **X8))
    assert isinstance(found, tuple)
    assert code in {problem.code for problem in found}
    assert all(problem.code in CODES and problem.message for problem in found)


def test_all_problems_of_a_formula_are_told_with_suggestions() -> None:
    found = compiled(kernel(compute={"y": "saturat(x, qint8) + shift_right(x, 1, pots)"}, **X8))
    assert isinstance(found, tuple)
    hints = {problem.code: problem.hint for problem in found}
    assert set(hints) == {"F005", "F009"}
    assert "saturate" in hints["F005"]
    assert "post" in hints["F009"]
    both = parse("[1] + (x // 2)", "key")
    assert isinstance(both, tuple)
    assert [(p.code, p.offset) for p in both] == [("F003", 0), ("F003", 7)]


def test_kernels_in_a_circle_are_told_by_their_chain() -> None:
    a, b = (kernel(i, compute={"y": f"{j}(x)"}, **X8) for i, j in (("a", "b"), ("b", "a")))
    found = compiled(a, b)
    assert isinstance(found, tuple)
    assert found[0].code == "F014"
    assert "a -> b -> a" in found[0].message


def test_every_code_that_the_compiler_uses_is_in_the_table() -> None:
    texts = [path.read_text() for path in Path(generator.formula.__file__).parent.glob("*.py")]
    used = {code for text in texts for code in re.findall(r'"(F\d{3})"', text)}
    assert used <= set(CODES)
