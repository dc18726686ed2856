"""The syntax tree of a formula, and the two walks every pass needs: over its names, and replacing them.

The tree is what `parse` returns and what `inline` rewrites. It has no types yet; `elaborate` turns it into terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from generator.formula.problems import Place


@dataclass(frozen=True, slots=True)
class Num:
    """A literal."""

    value: int | float
    place: Place


@dataclass(frozen=True, slots=True)
class Name:
    """A name, dotted or not: `x`, `march.requantize.mid_bits`, `output.max`."""

    text: str
    place: Place

    @property
    def root(self) -> str:
        """The part before the first dot."""
        return self.text.partition(".")[0]

    @property
    def tail(self) -> str:
        """The part behind the first dot; empty for a plain name."""
        return self.text.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Negate:
    """Unary minus."""

    operand: Expr
    place: Place


@dataclass(frozen=True, slots=True)
class Binary:
    """An arithmetic, shift, `&` or comparison operator with its two operands."""

    op: str
    left: Expr
    right: Expr
    place: Place


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function of the language or of another kernel."""

    function: str
    args: tuple[Expr, ...]
    keywords: tuple[tuple[str, Expr], ...]
    place: Place


Expr = Num | Name | Negate | Binary | Call


WHOLE = {name: f"_whole_{name}" for name in ("floor", "ceil", "trunc", "round_half_even", "round_half_away")}
"""Rounding function -> the same with a result that stays float32; no formula can name it, `round_real` is made of it."""


def children(expr: Expr) -> tuple[Expr, ...]:
    """Give the direct sub-expressions, in the order written."""
    match expr:
        case Negate():
            return (expr.operand,)
        case Binary():
            return (expr.left, expr.right)
        case Call():
            return expr.args + tuple(value for _, value in expr.keywords)
        case _:
            return ()


def names(expr: Expr) -> Iterator[Name]:
    """Yield every name of the expression, repeated as often as it is written."""
    if isinstance(expr, Name):
        yield expr
    for child in children(expr):
        yield from names(child)


def kept_real(expr: Expr) -> Expr:
    """A rounding form whose result stays float32: every rounding function is replaced by its counterpart of `WHOLE`."""
    match expr:
        case Negate():
            return replace(expr, operand=kept_real(expr.operand))
        case Binary():
            return replace(expr, left=kept_real(expr.left), right=kept_real(expr.right))
        case Call():
            function = WHOLE.get(expr.function, expr.function)
            return replace(expr, function=function, args=tuple(kept_real(arg) for arg in expr.args))
        case _:
            return expr


def substitute(expr: Expr, bindings: Mapping[str, Expr]) -> Expr:
    """Replace names by their bindings; a dotted name keeps its tail (`output.max` with output -> qint8: `qint8.max`)."""
    match expr:
        case Name():
            bound = bindings.get(expr.root)
            if bound is None:
                return expr
            if expr.tail:
                return replace(expr, text=f"{bound.text}.{expr.tail}") if isinstance(bound, Name) else expr
            return replace(bound, place=expr.place)
        case Negate():
            return replace(expr, operand=substitute(expr.operand, bindings))
        case Binary():
            return replace(expr, left=substitute(expr.left, bindings), right=substitute(expr.right, bindings))
        case Call():
            args = tuple(substitute(arg, bindings) for arg in expr.args)
            return replace(expr, args=args, keywords=tuple((k, substitute(v, bindings)) for k, v in expr.keywords))
        case _:
            return expr
