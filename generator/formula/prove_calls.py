"""The functions of the language over intervals: what each gives for what it is given.

In: the prover, the call and the values of its arguments. Out: a value, or a problem noted with the prover.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from generator.formula.intervals import INT64, MAX_SHIFT, ROUNDED, Value, corners, joined, real
from generator.formula.model import Kind
from generator.formula.problems import did_you_mean
from generator.formula.syntax import WHOLE, Binary, Call, Name, Num

if TYPE_CHECKING:
    from collections.abc import Callable

    from generator.formula.prove import Prover


def _common(p: Prover, call: Call, v: list[Value]) -> Kind | None:
    """The kind of a function whose arguments are alternatives for its value; None where they do not go together."""
    for value in v:
        if not value.kind.is_number:
            p.report("F007", call, f"{call.function} needs numbers, not {value.kind}")
            return None
    kind = v[0].kind
    for value in v[1:]:
        kind = joined(kind, value.kind)
    if kind is Kind.REAL and any(value.kind is Kind.INTEGER for value in v):
        p.report("F007", call, f"{call.function} mixes an integer with real numbers", "write real(v)")
        return None
    return kind


def _limited(
    bounds: Callable[[list[Value]], tuple[float, float]],
) -> Callable[[Prover, Call, list[Value]], Value]:
    """A function that gives one of its arguments."""

    def handler(p: Prover, call: Call, v: list[Value]) -> Value:
        kind = _common(p, call, v)
        if kind is None:
            return Value(Kind.INTEGER, 0, 1)
        if kind is Kind.REAL:
            v = [p.as_real(call, value) for value in v]
        elif kind is Kind.INTEGER:
            v = [p.held(call, value, kind) for value in v]
        return Value(kind, *bounds(v))

    return handler


def _clip(v: list[Value]) -> tuple[float, float]:
    value, low, high = v
    return min(max(value.lo, low.lo), high.lo), min(max(value.hi, low.hi), high.hi)


def _min(v: list[Value]) -> tuple[float, float]:
    return min(v[0].lo, v[1].lo), min(v[0].hi, v[1].hi)


def _max(v: list[Value]) -> tuple[float, float]:
    return max(v[0].lo, v[1].lo), max(v[0].hi, v[1].hi)


def _abs(p: Prover, call: Call, v: list[Value]) -> Value:
    if not v[0].kind.is_number:
        return p.report("F007", call, f"abs needs a number, not {v[0].kind}")
    ends = (abs(v[0].lo), abs(v[0].hi))
    return p.held(call, Value(v[0].kind, 0 if v[0].lo <= 0 <= v[0].hi else min(ends), max(ends)))


def _to_integer(
    down: Callable[[float], int], up: Callable[[float], int]
) -> Callable[[Prover, Call, list[Value]], Value]:
    """A rounding function, by safe bounds of its ends; a real may be NaN, of which 0 is made."""

    def handler(p: Prover, call: Call, v: list[Value]) -> Value:
        if v[0].kind not in (Kind.REAL, Kind.HOST):
            return p.report("F007", call, f"{call.function} rounds a real number, not {v[0].kind}")
        lo = down(v[0].lo) if math.isfinite(v[0].lo) else -ROUNDED
        hi = up(v[0].hi) if math.isfinite(v[0].hi) else ROUNDED
        if v[0].kind is Kind.HOST:
            return Value(Kind.INT, lo, hi)
        return Value(Kind.INTEGER, min(max(lo, -ROUNDED), 0), max(min(hi, ROUNDED), 0))

    return handler


def _half_away(p: Prover, call: Call, v: list[Value]) -> Value:
    if v[0].kind is Kind.HOST:
        return p.report("F007", call, "round_half_away rounds tensors, not host floats", "write floor(v + 0.5)")
    return _to_integer(math.floor, math.ceil)(p, call, v)


def _whole(p: Prover, call: Call, v: list[Value]) -> Value:
    if v[0].kind is not Kind.REAL:
        return p.report("F007", call, f"a rounding that stays real takes a real number, not {v[0].kind}")
    ends = (math.floor(v[0].lo) if math.isfinite(v[0].lo) else v[0].lo,
            math.ceil(v[0].hi) if math.isfinite(v[0].hi) else v[0].hi)  # fmt: skip
    return real(*ends)


def _frexp(p: Prover, call: Call, v: list[Value]) -> Value:
    p.report("F013", call, "frexp has two results: write `mantissa, exponent: frexp(v)`")
    return Value(Kind.REAL, -1.0, 1.0)


def _log2(p: Prover, call: Call, v: list[Value]) -> Value:
    if v[0].kind is not Kind.REAL:
        return p.report("F007", call, f"log2 takes a real number, not {v[0].kind}")
    lo = math.log2(v[0].lo) if 0 < v[0].lo < math.inf else -math.inf
    return real(lo, math.log2(v[0].hi) if 0 < v[0].hi < math.inf else math.inf)


def _sqrt(p: Prover, call: Call, v: list[Value]) -> Value:
    if not v[0].kind.is_number:
        return p.report("F007", call, f"sqrt takes a number, not {v[0].kind}")
    argument = p.as_real(call, v[0])
    if not v[0].kind.is_tensor and argument.lo < 0:
        return p.report("F027", call, f"sqrt of a number that may be {argument.lo}", "limit it to 0 or more")
    return real(math.sqrt(max(argument.lo, 0)), math.sqrt(max(argument.hi, 0)))


def _select(p: Prover, call: Call, v: list[Value]) -> Value:
    condition, yes, no = v
    if condition.kind not in (Kind.MASK, Kind.FLAG):
        return p.report("F007", call, f"select needs a condition, not {condition.kind}")
    if condition.lo == condition.hi:
        return yes if condition.lo else no
    kind = _common(p, call, [yes, no])
    if kind is None:
        return Value(Kind.INTEGER, 0, 1)
    if kind is Kind.REAL:
        yes, no = p.as_real(call, yes), p.as_real(call, no)
    elif kind is Kind.INTEGER:
        yes, no = p.held(call, yes, kind), p.held(call, no, kind)
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
    return Value(v[0].kind, min(max(v[0].lo, lo), hi), max(min(v[0].hi, hi), lo))


def _target_range(p: Prover, call: Call) -> tuple[int, int]:
    target = call.args[1]
    if isinstance(target, Num) and isinstance(target.value, int):
        if not 2 <= target.value <= 64:  # noqa: PLR2004 - what int64 can hold
            p.report("F007", call, f"saturate needs a number of bits between 2 and 64, not {target.value}")
            return 0, 1
        return -(2 ** (target.value - 1)), 2 ** (target.value - 1) - 1
    name = target.text if isinstance(target, Name) else str(target.value) if isinstance(target, Num) else "this"
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
    if v[0].kind not in (Kind.INTEGER, Kind.INT):
        return p.report("F007", call, f"only integers are wrapped, not {v[0].kind}")
    if v[0].hi + half > INT64[1]:
        return p.report("F021", call, f"overflow: the value may reach {v[0].lo} .. {v[0].hi} before it is wrapped")
    if -half <= v[0].lo and v[0].hi < half:
        return v[0]
    return Value(v[0].kind, -half, half - 1)


def _real(p: Prover, call: Call, v: list[Value]) -> Value:
    if v[0].kind is not Kind.INTEGER:
        return p.report("F007", call, f"real() converts an integer tensor, not {v[0].kind}")
    return p.as_real(call, v[0])


def _fma(p: Prover, call: Call, v: list[Value]) -> Value:
    for value in v:
        if value.kind is not Kind.REAL:
            return p.report("F007", call, f"fma takes real numbers, not {value.kind}", "write real(v)")
    low, high = corners(v[0], v[1])
    return real(low + v[2].lo, high + v[2].hi)


def _table(p: Prover, call: Call) -> tuple[Value, int] | None:
    """(value of an entry, number of entries) of the table that a call names."""
    name = call.args[0]
    if isinstance(name, Name) and name.text in p.tables:
        return p.tables[name.text]
    written = name.text if isinstance(name, Name) else "this"
    p.report("F004", call, f"{written!r} is no table of the kernel", did_you_mean(written, p.tables))
    return None


def _lookup(p: Prover, call: Call, v: list[Value]) -> Value:
    if (table := _table(p, call)) is None:
        return Value(Kind.INTEGER, 0, 1)
    entry, size = table
    if v[0].kind is not Kind.INTEGER:
        return p.report("F007", call, f"an index is an integer tensor, not {v[0].kind}")
    if not v[0].within(0, size - 1):
        what = f"the index may be {v[0].lo} .. {v[0].hi}, but the table has entries 0 .. {size - 1}"
        return p.report("F026", call, what, "clip the index")
    name = call.args[0].text  # type: ignore[union-attr]  # _table has seen that it is a name
    p.last_read[name] = max(p.last_read.get(name, 0), v[0].hi)
    return entry


def _search(p: Prover, call: Call, v: list[Value]) -> Value:
    if (table := _table(p, call)) is None:
        return Value(Kind.INTEGER, 0, 1)
    if v[0].kind is not Kind.INTEGER:
        return p.report("F007", call, f"search looks for an integer, not {v[0].kind}")
    return Value(Kind.INTEGER, 0, table[1] - 1)


HANDLERS: dict[str, Callable[[Prover, Call, list[Value]], Value]] = {
    "clip": _limited(_clip), "min": _limited(_min), "max": _limited(_max), "abs": _abs, "frexp": _frexp, "log2": _log2, "sqrt": _sqrt,
    "floor": _to_integer(math.floor, math.floor), "ceil": _to_integer(math.ceil, math.ceil), "trunc": _to_integer(math.trunc, math.trunc),
    "round_half_away": _half_away, "round_half_even": _to_integer(math.floor, math.ceil),
    "select": _select, "exp2": _exp2, "shift_left": _shift_left, "saturate": _saturate, "wrap": _wrap, "real": _real,
    "lookup": _lookup, "search": _search, "fma": _fma,
    **dict.fromkeys(WHOLE.values(), _whole),
}  # fmt: skip
