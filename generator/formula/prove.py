"""The interval proof: what every sub-expression of a kernel can be, for one choice of dtypes.

In: a flat kernel and the ranges of its operands. Out: kind and interval of every name, and a problem wherever a value may
leave what holds it, a shift count may be negative, or a real number is used as an integer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generator.formula.model import Kind
from generator.formula.problems import Problem, did_you_mean, problem
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from generator.formula.flatten import Line
    from generator.formula.model import Dtype

INT64 = (-(2**63), 2**63 - 1)
ROUNDED = 2**62
MAX_SHIFT = 62


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


REAL = Value(Kind.REAL)


@dataclass(slots=True)
class Prover:
    """Evaluates lines over intervals, in order."""

    dtypes: Mapping[str, Dtype]
    types: Mapping[str, str]
    values: dict[str, Value]
    phase: str = "derive"
    problems: list[Problem] = field(default_factory=list)

    def line(self, line: Line) -> None:
        """Evaluate one line and remember its targets."""
        value = self.value(line.expr)
        if isinstance(line.expr, Call) and line.expr.function == "frexp":
            if len(line.targets) != 2:  # noqa: PLR2004 - mantissa and exponent
                self.report("F013", line.expr, "frexp has two results: mantissa, exponent")
                return
            self._set(line.targets[0], Value(Kind.REAL, -1.0, 1.0), line)
            self._set(line.targets[1], Value(Kind.INTEGER, -148, 128), line)
        elif len(line.targets) != 1:
            self.report("F013", line.expr, f"one value cannot be {len(line.targets)} names")
        else:
            self._set(line.targets[0], value, line)

    def _set(self, name: str, value: Value, line: Line) -> None:
        if name != "_":
            if name in self.values:
                self.report("F010", line.expr, f"{name!r} is defined twice")
            self.values[name] = value

    def report(self, code: str, expr: Expr, message: str, hint: str = "") -> Value:
        """Note a problem; the value stands for anything, so that one fault is not told twice."""
        self.problems.append(problem(code, expr.place, message, hint))
        return Value(Kind.INTEGER, 0, 1)

    def value(self, expr: Expr) -> Value:
        """The value of an expression."""
        match expr:
            case Num():
                return Value(Kind.INT if isinstance(expr.value, int) else Kind.HOST, expr.value, expr.value)
            case Name():
                return self._name(expr)
            case Negate():
                inner = self.value(expr.operand)
                return Value(inner.kind, -inner.hi, -inner.lo)
            case Binary():
                return self._binary(expr)
            case Call():
                return self._call(expr)

    def _name(self, name: Name) -> Value:
        if name.tail:
            dtype = self.dtypes.get(self.types.get(name.root, name.root))
            if dtype is None:
                return self.report("F004", name, f"unknown name {name.text!r}", did_you_mean(name.root, {*self.types, *self.dtypes, "march"}))
            known = {"bits": dtype.bits, "min": dtype.min, "max": dtype.max, "fraction_bits": dtype.bits - 1}
            if name.tail not in known:
                return self.report("F004", name, f"a dtype has no field {name.tail!r}", did_you_mean(name.tail, known))
            return Value(Kind.INT, known[name.tail], known[name.tail])
        if name.text not in self.values:
            return self.report("F004", name, f"unknown name {name.text!r}", did_you_mean(name.text, self.values))
        return self.values[name.text]

    def _binary(self, expr: Binary) -> Value:
        left, right = self.value(expr.left), self.value(expr.right)
        if expr.op in ("<", "<=", ">", ">=", "==", "!="):
            return self._comparison(expr.op, left, right)
        for side in (left, right):
            if not side.kind.is_number:
                return self.report("F007", expr, f"{expr.op} needs numbers, not {side.kind}")
        if expr.op in ("<<", ">>", "&"):
            return self._bits(expr, left, right)
        if expr.op == "**":
            return self._power(expr, left, right)
        kind = _joined(left.kind, right.kind)
        if expr.op == "/":
            return self._division(expr, left, right)
        result = _ARITHMETIC[expr.op](left, right)
        return self._held(expr, Value(kind, *result))

    def _comparison(self, op: str, left: Value, right: Value) -> Value:
        tensor = left.kind.is_tensor or right.kind.is_tensor
        if not tensor and left.lo == left.hi and right.lo == right.hi:
            truth = int(_COMPARE[op](left.lo, right.lo))
            return Value(Kind.FLAG, truth, truth)
        return Value(Kind.MASK if tensor else Kind.FLAG, 0, 1)

    def _division(self, expr: Binary, left: Value, right: Value) -> Value:
        if Kind.INTEGER in (left.kind, right.kind) and self.phase == "compute" and Kind.REAL not in (left.kind, right.kind):
            return self.report("F007", expr, "integers are not divided: shift, or round a real quotient")
        real = left.kind.is_tensor or right.kind.is_tensor
        if right.lo <= 0 <= right.hi and right.finite and not real:
            return self.report("F025", expr, "division by zero is possible")
        if left.finite and right.finite and not right.lo <= 0 <= right.hi:
            ends = [a / b for a in (left.lo, left.hi) for b in (right.lo, right.hi)]
            return Value(Kind.REAL if real else Kind.HOST, min(ends), max(ends))
        return REAL

    def _power(self, expr: Binary, base: Value, exponent: Value) -> Value:
        if not (base.lo == base.hi == 2 and base.kind is Kind.INT) or exponent.kind not in (Kind.INT, Kind.INTEGER):  # noqa: PLR2004
            return self.report("F007", expr, "** is 2 to an integer power", "write 2**n")
        if exponent.kind is Kind.INT and exponent.lo >= 0:
            return Value(Kind.INT, 2 ** int(exponent.lo), 2 ** int(min(exponent.hi, 4096)))
        lo, hi = max(exponent.lo, -1100), min(exponent.hi, 1100)
        ends = (math.ldexp(1.0, int(lo)), math.inf if hi > 1000 else math.ldexp(1.0, int(hi)))  # noqa: PLR2004
        return Value(Kind.HOST if exponent.kind is Kind.INT else Kind.REAL, *ends)

    def _bits(self, expr: Binary, left: Value, right: Value) -> Value:
        for side in (left, right):
            if side.kind not in (Kind.INT, Kind.INTEGER):
                return self.report("F007", expr, f"{expr.op} needs integers, not {side.kind}")
        if expr.op == "&":
            mask = right if right.lo >= 0 else left
            return Value(_joined(left.kind, right.kind), 0, mask.hi) if mask.lo >= 0 else Value(Kind.INTEGER, *INT64)
        return self._shift(expr, expr.op, left, right)

    def _shift(self, expr: Expr, op: str, left: Value, count: Value) -> Value:
        if count.kind not in (Kind.INT, Kind.INTEGER):
            return self.report("F007", expr, f"a shift count is an integer, not {count.kind}")
        if left.kind not in (Kind.INT, Kind.INTEGER):
            return self.report("F007", expr, f"only integers are shifted, not {left.kind}")
        if count.lo < 0:
            return self.report("F022", expr, f"the shift count may be {count.lo}", "clip it to 0 or more")
        if count.hi > MAX_SHIFT:
            return self.report("F023", expr, f"the shift count may be {count.hi}", f"clip it to {MAX_SHIFT} or less")
        corners = [(int(a), int(n)) for a in (left.lo, left.hi) for n in (count.lo, count.hi)]
        ends = [a << n if op == "<<" else a >> n for a, n in corners]
        return self._held(expr, Value(_joined(left.kind, count.kind), min(ends), max(ends)))

    def _held(self, expr: Expr, value: Value) -> Value:
        """An integer must fit what computes it."""
        if value.kind is Kind.INTEGER and not (INT64[0] <= value.lo and value.hi <= INT64[1]):
            return self.report("F021", expr, f"overflow: the value may reach {value.lo} .. {value.hi}, but int64 holds 64 bits", "clip, saturate or wrap an operand")
        return value

    def _call(self, call: Call) -> Value:
        values = [self.value(arg) for arg in call.args] if call.function not in ("saturate",) else [self.value(call.args[0])]
        handler = _HANDLERS.get(call.function)
        if handler is None:
            return self.report("F005", call, f"unknown function {call.function!r}")
        return handler(self, call, values)


def _joined(left: Kind, right: Kind) -> Kind:
    """The kind of arithmetic on two kinds."""
    for kind in (Kind.REAL, Kind.INTEGER, Kind.HOST):
        if kind in (left, right):
            if kind is Kind.INTEGER and Kind.HOST in (left, right):
                return Kind.REAL
            return kind
    return Kind.INT


def _product(a: float, b: float) -> float:
    return 0 if 0 in (a, b) else a * b


_ARITHMETIC: dict[str, Callable[[Value, Value], tuple[float, float]]] = {
    "+": lambda a, b: (a.lo + b.lo, a.hi + b.hi),
    "-": lambda a, b: (a.lo - b.hi, a.hi - b.lo),
    "*": lambda a, b: _corners(a, b),
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


def _corners(a: Value, b: Value) -> tuple[float, float]:
    ends = [_product(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    return min(ends), max(ends)


def _clip(p: Prover, call: Call, v: list[Value]) -> Value:
    value, low, high = v
    kind = value.kind if value.kind in (Kind.REAL, Kind.INTEGER) else _joined(_joined(value.kind, low.kind), high.kind)
    return Value(kind, min(max(value.lo, low.lo), high.hi), max(min(value.hi, high.hi), low.lo))


def _min(p: Prover, call: Call, v: list[Value]) -> Value:
    return Value(_joined(v[0].kind, v[1].kind), min(v[0].lo, v[1].lo), min(v[0].hi, v[1].hi))


def _max(p: Prover, call: Call, v: list[Value]) -> Value:
    return Value(_joined(v[0].kind, v[1].kind), max(v[0].lo, v[1].lo), max(v[0].hi, v[1].hi))


def _abs(p: Prover, call: Call, v: list[Value]) -> Value:
    ends = (abs(v[0].lo), abs(v[0].hi))
    return Value(v[0].kind, 0 if v[0].lo <= 0 <= v[0].hi else min(ends), max(ends))


def _to_integer(round_: Callable[[float], int]) -> Callable[[Prover, Call, list[Value]], Value]:
    def handler(p: Prover, call: Call, v: list[Value]) -> Value:
        if v[0].kind not in (Kind.REAL, Kind.HOST):
            return p.report("F007", call, f"{call.function} rounds a real number, not {v[0].kind}")
        lo = round_(v[0].lo) if math.isfinite(v[0].lo) else -ROUNDED
        hi = round_(v[0].hi) if math.isfinite(v[0].hi) else ROUNDED
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
    kind = _joined(yes.kind, no.kind)
    if condition.kind is Kind.MASK and kind in (Kind.INT, Kind.HOST):
        kind = Kind.INTEGER if kind is Kind.INT else Kind.REAL
    return Value(kind, min(yes.lo, no.lo), max(yes.hi, no.hi))


def _exp2(p: Prover, call: Call, v: list[Value]) -> Value:
    return p.value(Binary("**", Num(2, call.place), call.args[0], call.place))


def _shift_left(p: Prover, call: Call, v: list[Value]) -> Value:
    return p._shift(call, "<<", v[0], v[1])


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
        p.report("F016", call, f"{name!r} is no dtype, no type parameter and no number of bits", did_you_mean(name, {*p.types, *p.dtypes}))
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


_HANDLERS: dict[str, Callable[[Prover, Call, list[Value]], Value]] = {
    "clip": _clip, "min": _min, "max": _max, "abs": _abs, "frexp": _frexp, "log2": _log2, "sqrt": _sqrt,
    "floor": _to_integer(math.floor), "ceil": _to_integer(math.ceil), "trunc": _to_integer(math.trunc),
    "round_half_away": _to_integer(round), "round_half_even": _to_integer(round),
    "select": _select, "exp2": _exp2, "shift_left": _shift_left, "saturate": _saturate, "wrap": _wrap, "real": _real,
    "_keep_real": _keep_real,
}  # fmt: skip
