"""The functions of the language over intervals: what each gives for what it is given.

In: the prover, the call and the values of its arguments. Out: a value, or a problem noted with the prover.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from generator.formula.intervals import INT64, MAX_SHIFT, REAL, ROUNDED, Value, joined
from generator.formula.model import Kind
from generator.formula.problems import did_you_mean
from generator.formula.syntax import Binary, Call, Name, Num

if TYPE_CHECKING:
    from collections.abc import Callable

    from generator.formula.prove import Prover


def _clip(p: Prover, call: Call, v: list[Value]) -> Value:
    value, low, high = v
    kind = value.kind if value.kind in (Kind.REAL, Kind.INTEGER) else joined(joined(value.kind, low.kind), high.kind)
    return Value(kind, min(max(value.lo, low.lo), high.hi), max(min(value.hi, high.hi), low.lo))


def _min(p: Prover, call: Call, v: list[Value]) -> Value:
    return Value(joined(v[0].kind, v[1].kind), min(v[0].lo, v[1].lo), min(v[0].hi, v[1].hi))


def _max(p: Prover, call: Call, v: list[Value]) -> Value:
    return Value(joined(v[0].kind, v[1].kind), max(v[0].lo, v[1].lo), max(v[0].hi, v[1].hi))


def _abs(p: Prover, call: Call, v: list[Value]) -> Value:
    ends = (abs(v[0].lo), abs(v[0].hi))
    return Value(v[0].kind, 0 if v[0].lo <= 0 <= v[0].hi else min(ends), max(ends))


def _to_integer(
    down: Callable[[float], int], up: Callable[[float], int]
) -> Callable[[Prover, Call, list[Value]], Value]:
    """A rounding function, by safe bounds of its ends."""

    def handler(p: Prover, call: Call, v: list[Value]) -> Value:
        if v[0].kind not in (Kind.REAL, Kind.HOST):
            return p.report("F007", call, f"{call.function} rounds a real number, not {v[0].kind}")
        lo = down(v[0].lo) if math.isfinite(v[0].lo) else -ROUNDED
        hi = up(v[0].hi) if math.isfinite(v[0].hi) else ROUNDED
        kind = Kind.INT if v[0].kind is Kind.HOST else Kind.INTEGER
        return Value(kind, max(lo, -ROUNDED), min(hi, ROUNDED))

    return handler


def _frexp(p: Prover, call: Call, v: list[Value]) -> Value:
    return REAL if v[0].kind.is_number else p.report("F007", call, f"frexp takes a number, not {v[0].kind}")


def _log2(p: Prover, call: Call, v: list[Value]) -> Value:
    if v[0].kind is not Kind.REAL:
        return p.report("F007", call, f"log2 takes a real number, not {v[0].kind}")
    return Value(Kind.REAL, -149.0, 128.0)


def _sqrt(p: Prover, call: Call, v: list[Value]) -> Value:
    return Value(Kind.REAL, 0.0, math.inf)


def _select(p: Prover, call: Call, v: list[Value]) -> Value:
    condition, yes, no = v
    if condition.kind not in (Kind.MASK, Kind.FLAG):
        return p.report("F007", call, f"select needs a condition, not {condition.kind}")
    if condition.lo == condition.hi:
        return yes if condition.lo else no
    kind = joined(yes.kind, no.kind)
    if condition.kind is Kind.MASK and kind in (Kind.INT, Kind.HOST):
        kind = Kind.INTEGER if kind is Kind.INT else Kind.REAL
    return Value(kind, min(yes.lo, no.lo), max(yes.hi, no.hi))


def _exp2(p: Prover, call: Call, v: list[Value]) -> Value:
    return p.value(Binary("**", Num(2, call.place), call.args[0], call.place))


def _shift_left(p: Prover, call: Call, v: list[Value]) -> Value:
    return p.shift(call, "<<", v[0], v[1])


def _saturate(p: Prover, call: Call, v: list[Value]) -> Value:
    lo, hi = _target_range(p, call)
    if v[0].kind not in (Kind.INTEGER, Kind.INT):
        return p.report("F007", call, f"only integers are saturated, not {v[0].kind}")
    return Value(Kind.INTEGER, min(max(v[0].lo, lo), hi), max(min(v[0].hi, hi), lo))


def _target_range(p: Prover, call: Call) -> tuple[int, int]:
    target = call.args[1]
    if isinstance(target, Num) and isinstance(target.value, int):
        return -(2 ** (target.value - 1)), 2 ** (target.value - 1) - 1
    name = target.text if isinstance(target, Name) else ""
    dtype = p.dtypes.get(p.types.get(name, name))
    if dtype is None:
        p.report(
            "F016",
            call,
            f"{name!r} is no dtype, no type parameter and no number of bits",
            did_you_mean(name, {*p.types, *p.dtypes}),
        )
        return 0, 1
    return dtype.min, dtype.max


def _wrap(p: Prover, call: Call, v: list[Value]) -> Value:
    bits = v[1]
    if bits.kind is not Kind.INT or bits.lo != bits.hi or not 1 < bits.lo <= MAX_SHIFT:
        return p.report("F007", call, "wrap needs a number of bits between 2 and 62")
    half = 2 ** (int(bits.lo) - 1)
    if v[0].hi + half > INT64[1]:
        return p.report("F021", call, f"overflow: the value may reach {v[0].lo} .. {v[0].hi} before it is wrapped")
    if -half <= v[0].lo and v[0].hi < half:
        return v[0]
    return Value(Kind.INTEGER, -half, half - 1)


def _real(p: Prover, call: Call, v: list[Value]) -> Value:
    return Value(Kind.REAL, v[0].lo, v[0].hi)


def _keep_real(p: Prover, call: Call, v: list[Value]) -> Value:
    return REAL


HANDLERS: dict[str, Callable[[Prover, Call, list[Value]], Value]] = {
    "clip": _clip, "min": _min, "max": _max, "abs": _abs, "frexp": _frexp, "log2": _log2, "sqrt": _sqrt,
    "floor": _to_integer(math.floor, math.floor), "ceil": _to_integer(math.ceil, math.ceil), "trunc": _to_integer(math.trunc, math.trunc),
    "round_half_away": _to_integer(math.floor, math.ceil), "round_half_even": _to_integer(math.floor, math.ceil),
    "select": _select, "exp2": _exp2, "shift_left": _shift_left, "saturate": _saturate, "wrap": _wrap, "real": _real,
    "_keep_real": _keep_real,
}  # fmt: skip
