"""Formulas as a reader writes them, for the docs: `t ≪ n`, `⌊x⌋`, `sat(v, output)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.formula.lower import AND, ATOM, PRECEDENCE, SHIFT, UNARY
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num

if TYPE_CHECKING:
    from generator.formula.lines import Line

_SYMBOLS = {"*": "·", "<<": "≪", ">>": "≫", "<=": "≤", ">=": "≥", "!=": "≠", "**": "^"}
_BRACKETS = {"floor": "⌊{}⌋", "ceil": "⌈{}⌉", "abs": "|{}|"}


def readable(line: Line) -> str:
    """One formula: `mult = clip(⌊m · 2^15 + 0.5⌋, -32768, 32767)`."""
    return f"{', '.join(line.targets)} = {_text(line.expr)[0]}"


def _text(expr: Expr) -> tuple[str, int]:
    match expr:
        case Num():
            return str(expr.value), ATOM
        case Name():
            return expr.text, ATOM
        case Negate():
            return f"-{_within(expr.operand, UNARY)}", UNARY
        case Binary():
            precedence = PRECEDENCE[expr.op]
            symbol = _SYMBOLS.get(expr.op, expr.op)
            space = "" if expr.op == "**" else " "
            tight = ATOM if precedence in (SHIFT, AND) else precedence
            left, right = _within(expr.left, tight), _within(expr.right, max(tight, precedence + 1))
            return f"{left}{space}{symbol}{space}{right}", precedence
        case Call():
            inner = ", ".join(_text(arg)[0] for arg in expr.args)
            function = expr.function.removeprefix("_whole_")
            if function in _BRACKETS:
                return _BRACKETS[function].format(inner), ATOM
            if expr.function == "shift_left":
                return _text(Binary("<<", expr.args[0], expr.args[1], expr.place))
            return f"{function}({inner})", ATOM


def _within(expr: Expr, precedence: int) -> str:
    text, own = _text(expr)
    return text if own >= precedence else f"({text})"
