"""The interval proof: what every sub-expression of a kernel can be, for one choice of dtypes.

In: a flat kernel and the ranges of its operands. Out: kind and interval of every name, and a problem wherever a value may
leave what holds it, a shift count may be negative, or a real number is used as an integer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generator.formula.intervals import (
    ARITHMETIC,
    COMPARE,
    EXACT,
    INT64,
    MAX_SHIFT,
    REAL,
    Value,
    f32,
    joined,
    power_of_two,
    real,
)
from generator.formula.model import Kind
from generator.formula.problems import Problem, did_you_mean, problem
from generator.formula.prove_calls import HANDLERS
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num

if TYPE_CHECKING:
    from collections.abc import Mapping

    from generator.formula.lines import Line
    from generator.formula.model import Dtype


_MAX_EXPONENT = 128


def _largest_exponent(v: Value) -> int:
    """The largest exponent that frexp gives for a value as float32; 0 of zero."""
    if not (v.kind.is_number and v.finite):
        return _MAX_EXPONENT
    return max(0, math.frexp(max(abs(f32(v.lo)), abs(f32(v.hi))))[1])


@dataclass(slots=True)
class Prover:
    """Evaluates lines over intervals, in order."""

    dtypes: Mapping[str, Dtype]
    types: Mapping[str, str]
    values: dict[str, Value]
    tables: Mapping[str, tuple[Value, int]] = field(default_factory=dict)
    phase: str = "derive"
    last_read: dict[str, float] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, line: Line) -> None:
        """Evaluate one line and remember its targets."""
        if isinstance(line.expr, Call) and line.expr.function == "frexp" and len(line.targets) == 2:  # noqa: PLR2004
            argument = self.value(line.expr.args[0])
            if not argument.kind.is_number:
                self.report("F007", line.expr, f"frexp takes a number, not {argument.kind}")
            self._set(line.targets[0], Value(Kind.REAL, -1.0, 1.0), line)
            self._set(line.targets[1], Value(Kind.INTEGER, -148, _largest_exponent(argument)), line)
            return
        value = self.value(line.expr)
        if len(line.targets) == 1:
            self._set(line.targets[0], value, line)
        else:
            self.report("F013", line.expr, f"one value cannot be {len(line.targets)} names")

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
                if not inner.kind.is_number:
                    return self.report("F007", expr, f"- needs a number, not {inner.kind}")
                return self.held(expr, Value(inner.kind, -inner.hi, -inner.lo))
            case Binary():
                return self._binary(expr)
            case Call():
                return self._call(expr)

    def _name(self, name: Name) -> Value:
        if name.tail:
            dtype = self.dtypes.get(self.types.get(name.root, name.root))
            if dtype is None:
                return self.report(
                    "F004",
                    name,
                    f"unknown name {name.text!r}",
                    did_you_mean(name.root, {*self.types, *self.dtypes, "march"}),
                )
            known = {"bits": dtype.bits, "min": dtype.min, "max": dtype.max, "fraction_bits": dtype.bits - 1}
            if name.tail not in known:
                return self.report("F004", name, f"a dtype has no field {name.tail!r}", did_you_mean(name.tail, known))
            return Value(Kind.INT, known[name.tail], known[name.tail])
        if name.text in self.tables:
            return self.report("F007", name, f"{name.text!r} is a table", f"write lookup({name.text}, index)")
        if name.text not in self.values:
            return self.report("F004", name, f"unknown name {name.text!r}", did_you_mean(name.text, self.values))
        return self.values[name.text]

    def _binary(self, expr: Binary) -> Value:
        left, right = self.value(expr.left), self.value(expr.right)
        if expr.op in ("<", "<=", ">", ">=", "==", "!="):
            return self._comparison(expr, left, right)
        for side in (left, right):
            if not side.kind.is_number:
                return self.report("F007", expr, f"{expr.op} needs numbers, not {side.kind}")
        if expr.op in ("<<", ">>", "&"):
            return self._bits(expr, left, right)
        if expr.op == "**":
            return self._power(expr, left, right)
        if expr.op == "/":
            return self._division(expr, left, right)
        kind = joined(left.kind, right.kind)
        if kind is Kind.REAL:
            return real(*ARITHMETIC[expr.op](self.as_real(expr, left), self.as_real(expr, right)))
        if kind is Kind.INTEGER:
            left, right = self.held(expr, left, kind), self.held(expr, right, kind)
        return self.held(expr, Value(kind, *ARITHMETIC[expr.op](left, right)))

    def as_real(self, expr: Expr, value: Value) -> Value:
        """A value as float32; every lowering must round it the same way."""
        if value.kind is not Kind.REAL and not value.within(-EXACT, EXACT) and value.finite:
            what = f"{value.lo} .. {value.hi} is too wide for a float32 operation"
            self.report("F021", expr, f"overflow: {what}", "limit it to 2**53")
            return REAL
        return real(value.lo, value.hi)

    def _comparison(self, expr: Binary, left: Value, right: Value) -> Value:
        tensor = left.kind.is_tensor or right.kind.is_tensor
        kind = joined(left.kind, right.kind)
        if not (left.kind.is_number and right.kind.is_number):
            self.report("F007", expr, f"{expr.op} compares numbers, not conditions", "nest select()")
            return Value(Kind.MASK, 0, 1)
        if kind is Kind.REAL and Kind.INTEGER in (left.kind, right.kind):
            self.report("F007", expr, f"{expr.op} compares an integer with a real number", "write real(v)")
            return Value(Kind.MASK, 0, 1)
        if kind is Kind.INTEGER:
            left, right = self.held(expr, left, kind), self.held(expr, right, kind)
        if not tensor and left.lo == left.hi and right.lo == right.hi:
            truth = int(COMPARE[expr.op](left.lo, right.lo))
            return Value(Kind.FLAG, truth, truth)
        return Value(Kind.MASK if tensor else Kind.FLAG, 0, 1)

    def _division(self, expr: Binary, left: Value, right: Value) -> Value:
        if (
            Kind.INTEGER in (left.kind, right.kind)
            and self.phase == "compute"
            and Kind.REAL not in (left.kind, right.kind)
        ):
            return self.report("F007", expr, "integers are not divided: shift, or round a real quotient")
        tensor = left.kind.is_tensor or right.kind.is_tensor
        if right.lo <= 0 <= right.hi and not right.kind.is_tensor:
            return self.report("F025", expr, "division by zero is possible")
        if tensor:
            left, right = self.as_real(expr, left), self.as_real(expr, right)
        if left.finite and right.finite and not right.lo <= 0 <= right.hi:
            ends = [a / b for a in (left.lo, left.hi) for b in (right.lo, right.hi)]
            return real(min(ends), max(ends)) if tensor else Value(Kind.HOST, min(ends), max(ends))
        return REAL if tensor else Value(Kind.HOST)

    def _power(self, expr: Binary, base: Value, exponent: Value) -> Value:
        if not (base.lo == base.hi == 2 and base.kind is Kind.INT) or exponent.kind not in (Kind.INT, Kind.INTEGER):  # noqa: PLR2004
            return self.report("F007", expr, "** is 2 to an integer power", "write 2**n")
        if exponent.kind is Kind.INT and exponent.lo >= 0:
            return Value(Kind.INT, 2 ** int(min(exponent.lo, 4096)), 2 ** int(min(exponent.hi, 4096)))
        lo, hi = power_of_two(exponent.lo), power_of_two(exponent.hi)
        return Value(Kind.HOST, lo, hi) if exponent.kind is Kind.INT else real(lo, hi)

    def _bits(self, expr: Binary, left: Value, right: Value) -> Value:
        for side in (left, right):
            if side.kind not in (Kind.INT, Kind.INTEGER):
                return self.report("F007", expr, f"{expr.op} needs integers, not {side.kind}")
        if expr.op == "&":
            kind = joined(left.kind, right.kind)
            left, right = self.held(expr, left, kind), self.held(expr, right, kind)
            mask = right if right.lo >= 0 else left
            return Value(kind, 0, mask.hi) if mask.lo >= 0 else Value(kind, *INT64)
        return self.shift(expr, expr.op, left, right)

    def shift(self, expr: Expr, op: str, left: Value, count: Value) -> Value:
        """The value of a shift; `expr` is where a problem is told."""
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
        kind = joined(left.kind, count.kind)
        self.held(expr, left, kind)
        return self.held(expr, Value(kind, min(ends), max(ends)))

    def held(self, expr: Expr, value: Value, kind: Kind | None = None) -> Value:
        """An integer must fit what computes it: int64, also for a host integer that meets an integer tensor."""
        if (kind or value.kind) in (Kind.INTEGER, Kind.INT) and not value.within(*INT64):
            return self.report(
                "F021",
                expr,
                f"overflow: the value may reach {value.lo} .. {value.hi}, but int64 holds 64 bits",
                "clip, saturate or wrap an operand",
            )
        return value

    def _call(self, call: Call) -> Value:
        unread = {"saturate": call.args[1:], "lookup": call.args[:1], "search": call.args[:1]}.get(call.function, ())
        values = [self.value(arg) for arg in call.args if arg not in unread]
        handler = HANDLERS.get(call.function)
        if handler is None:
            return self.report("F005", call, f"unknown function {call.function!r}")
        return handler(self, call, values)


class Proof(Prover):
    """What a prover found, for lowerings, which ask for every sub-expression: each is worked out once."""

    def __init__(self, prover: Prover) -> None:
        """Take over what a prover knows after its last line."""
        super().__init__(prover.dtypes, prover.types, prover.values, prover.tables, prover.phase)
        self._known: dict[int, tuple[Expr, Value]] = {}

    def value(self, expr: Expr) -> Value:
        """The value of an expression, which is held so that no other one takes its id."""
        if id(expr) not in self._known:
            self._known[id(expr)] = expr, super().value(expr)
        return self._known[id(expr)][1]
