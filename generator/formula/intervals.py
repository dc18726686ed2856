"""Values of the proof: a kind and an interval, and what arithmetic does to them.

In: two values. Out: the kind and the interval of their sum, product, ... An end that nothing is known of is infinite. The
ends of a real are rounded to float32 as the value is: rounding is monotone, so the rounded ends still hold every value.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.formula.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

INT64 = (-(2**63), 2**63 - 1)
ROUNDED = 2**62
MAX_SHIFT = 62
EXACT = 2**53
"""Integers up to here become float32 by one rounding in every lowering."""


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression is: its kind and its interval (infinite where nothing is known)."""

    kind: Kind
    lo: float | int = -math.inf
    hi: float | int = math.inf

    @property
    def finite(self) -> bool:
        """Whether both ends are known."""
        return math.isfinite(self.lo) and math.isfinite(self.hi)

    def within(self, low: float, high: float) -> bool:
        """Whether both ends are in low .. high."""
        return low <= self.lo and self.hi <= high


REAL = Value(Kind.REAL)


def f32(v: float) -> float:
    """The float32 nearest to v; too large a v is infinite."""
    try:
        return float(struct.unpack("f", struct.pack("f", v))[0])
    except OverflowError:
        return math.copysign(math.inf, v)


def power_of_two(n: float) -> float:
    """2**n; infinite where float64 has no such number."""
    try:
        return math.ldexp(1.0, int(max(n, -1100)))
    except OverflowError:
        return math.inf


def real(lo: float, hi: float) -> Value:
    """A real between two ends; an end that is no number (inf - inf) is nothing known."""
    return Value(Kind.REAL, -math.inf if math.isnan(lo) else f32(lo), math.inf if math.isnan(hi) else f32(hi))


def joined(left: Kind, right: Kind) -> Kind:
    """The kind of arithmetic on two kinds."""
    for kind in (Kind.REAL, Kind.INTEGER, Kind.HOST):
        if kind in (left, right):
            if kind is Kind.INTEGER and Kind.HOST in (left, right):
                return Kind.REAL
            return kind
    return Kind.INT


def _product(a: float, b: float) -> float:
    return 0 if 0 in (a, b) else a * b


def corners(a: Value, b: Value) -> tuple[float, float]:
    """The interval of a product: its ends are products of ends."""
    ends = [_product(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    return min(ends), max(ends)


ARITHMETIC: dict[str, Callable[[Value, Value], tuple[float, float]]] = {
    "+": lambda a, b: (a.lo + b.lo, a.hi + b.hi),
    "-": lambda a, b: (a.lo - b.hi, a.hi - b.lo),
    "*": corners,
}
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip
