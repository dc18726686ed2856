"""Formulas as C99 expressions and statements; where they stand in a file is the business of `views/c_header.py`.

Integers are int64_t, whose range was proved, so no signed operation overflows; shifts are helpers, for C leaves shifts of
negative integers undefined or to the compiler. Reals are float, one operation at a time in the written order; a product
passes `bpu_float`, so that no compiler fuses it with a sum. Of `clip(floor(m * 2**15 + 0.5), -32768, 32767)` is made::

    const int64_t mult = bpu_clip(bpu_to_int(floorf(bpu_float(m * 32768.0f) + 0.5f)), -32768, 32767);
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.formula.intervals import f32
from generator.formula.lines import used_names
from generator.formula.lower import ATOM, PRODUCT, SUM, UNARY, Code, Lowering, is_literal
from generator.formula.model import Kind
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num

if TYPE_CHECKING:
    from generator.formula.lines import Line
    from generator.formula.model import Proved
    from generator.formula.prove import Prover

TERNARY = 30
_INT = 2**31 - 1
_TYPES = {Kind.REAL: "float", Kind.HOST: "double", Kind.MASK: "int", Kind.FLAG: "int"}
_ROUNDED = {
    "floor": "floorf",
    "ceil": "ceilf",
    "trunc": "truncf",
    "round_half_even": "rintf",
    "round_half_away": "roundf",
}
_WORDS = frozenset(
    """
    auto break case char const continue default do double else enum extern float for goto if inline int
    long register restrict return short signed sizeof static struct switch typedef union unsigned void
    volatile while out
    """.split()  # noqa: SIM905 - as words, not as a column of literals
)


@dataclass(frozen=True, slots=True)
class CBody:
    """The two functions of a kernel as statements, the name of the result, and the names that each of them reads."""

    derive: tuple[str, ...]
    compute: tuple[str, ...]
    result: str
    derive_reads: frozenset[str]
    compute_reads: frozenset[str]


def lower_c(proved: Proved) -> CBody:
    """Lower a proved kernel."""
    params = frozenset(proved.params)
    derive, compute = CLowering(proved.provers, frozenset()), CLowering(proved.provers, params)
    lines = [*proved.derive, *proved.compute]
    read = frozenset(used_names(lines))
    return CBody(
        derive=tuple(derive.statement(line, read) for line in proved.derive),
        compute=tuple(compute.statement(line, read) for line in proved.compute),
        result=c_name(proved.compute[-1].targets[-1]),
        derive_reads=frozenset(derive.reads),
        compute_reads=frozenset(compute.reads),
    )


def c_name(name: str) -> str:
    """A formula's name as a C identifier: words of the language get an underscore."""
    return f"{name}_" if name in _WORDS else name


def c_type(kind: Kind) -> str:
    """The C type of a local value."""
    return _TYPES.get(kind, "int64_t")


class CLowering(Lowering):
    """Writes expressions as C; `reads` are the names that were written, for a branch that is never taken reads nothing."""

    def __init__(self, provers: tuple[Prover, ...], params: frozenset[str]) -> None:
        super().__init__(provers, params)
        self.reads: set[str] = set()

    def statement(self, line: Line, read: frozenset[str]) -> str:
        """One or two definitions; a name that nothing reads is not defined."""
        if len(line.targets) == 1:
            return f"const {c_type(self.kind(line.expr))} {c_name(line.targets[0])} = {self.lower(line.expr).text};"
        assert isinstance(line.expr, Call)  # the proof admits two targets for frexp only
        argument = self._as_real(line.expr.args[0]).text
        mantissa, exponent = line.targets
        parts = []
        if mantissa in read:
            parts.append(f"const float {c_name(mantissa)} = bpu_mantissa({argument});")
        if exponent in read:
            parts.append(f"const int64_t {c_name(exponent)} = bpu_exponent({argument});")
        return "\n".join(parts)

    def number(self, value: float) -> Code:
        """A literal."""
        kind = Kind.INT if isinstance(value, int) else Kind.HOST
        text = repr(value) if kind is Kind.HOST or abs(value) <= _INT else f"INT64_C({value})"
        return Code(text, ATOM if value >= 0 else UNARY, kind)

    def name(self, name: Name) -> Code:
        """A variable, a parameter, or a field of a dtype."""
        self.reads.add(name.root)
        if name.tail:
            root = name.root in self.prover.dtypes
            text = str(int(self.prover.value(name).lo)) if root else f"{c_name(name.root)}.{name.tail}"
            return Code(text, ATOM, Kind.INT)
        text = f"p->{c_name(name.text)}" if name.text in self.params else c_name(name.text)
        return Code(text, ATOM, self.kind(name))

    def binary(self, expr: Binary) -> Code:
        """An operator; the operands are brought to the kind of the result."""
        if (folded := self.constant(expr)) is not None:
            return folded
        kind = self.kind(expr)
        if expr.op == "**":
            return self._power(expr, kind)
        if expr.op in ("<<", ">>"):
            return self._shift(expr)
        if kind not in (Kind.REAL, Kind.HOST):
            return self._compared(expr, kind)
        left, right = self._as(expr.left, kind), self._as(expr.right, kind)
        precedence = PRODUCT if expr.op in "*/" else SUM
        text = f"{left.within(precedence)} {expr.op} {right.within(precedence + 1)}"
        if expr.op == "*" and kind is Kind.REAL:
            return self.call("bpu_float", kind, text)
        return Code(text, precedence, kind)

    def _compared(self, expr: Binary, kind: Kind) -> Code:
        """Integer arithmetic, and comparisons."""
        if kind in (Kind.MASK, Kind.FLAG) and Kind.REAL in (self.kind(expr.left), self.kind(expr.right)):
            left, right = self._as_real(expr.left), self._as_real(expr.right)
            return Code(f"{left.within(ATOM)} {expr.op} {right.within(ATOM)}", TERNARY, kind)
        joined = self.joined(expr, kind)
        return Code(joined.text, TERNARY, kind) if kind in (Kind.MASK, Kind.FLAG) else joined

    def _power(self, expr: Binary, kind: Kind) -> Code:
        exponent = self.lower(expr.right)
        if kind is Kind.INT:
            return self.call("bpu_shift_left", kind, "1", exponent.text)
        return self.call("bpu_exp2" if kind is Kind.REAL else "ldexp", kind, *self._exponent(exponent.text, kind))

    def _exponent(self, text: str, kind: Kind) -> tuple[str, ...]:
        return (text,) if kind is Kind.REAL else ("1.0", f"(int)({text})")

    def _shift(self, expr: Binary) -> Code:
        function = "bpu_shift_left" if expr.op == "<<" else "bpu_shift_right"
        return self.call(function, self.kind(expr), self.lower(expr.left).text, self.lower(expr.right).text)

    def _as(self, expr: Expr, kind: Kind) -> Code:
        """An operand as another kind."""
        if kind is Kind.REAL:
            return self._as_real(expr)
        if kind is not Kind.HOST:
            return self.lower(expr)
        code = self.lower(expr)
        if isinstance(expr, Num):
            return Code(repr(float(expr.value)), code.precedence, Kind.HOST)
        return code if code.kind is Kind.HOST else Code(f"(double){code.within(ATOM)}", UNARY, Kind.HOST)

    def _as_real(self, expr: Expr) -> Code:
        """An operand as float, by one rounding."""
        if is_literal(expr):
            value = f32(float(self.range(expr)[0]))
            return Code(f"{value!r}f", ATOM if value >= 0 else UNARY, Kind.REAL)
        code = self.lower(expr)
        return code if code.kind is Kind.REAL else Code(f"(float){code.within(ATOM)}", UNARY, Kind.REAL)

    def _chosen(self, function: str, call: Call) -> Code:
        """A function that gives one of its arguments: for integers, for floats with an f, for doubles with a d."""
        kind = self.kind(call)
        suffix = {Kind.REAL: "f", Kind.HOST: "d"}.get(kind, "")
        return self.call(f"bpu_{function}{suffix}", kind, *(self._as(arg, kind).text for arg in call.args))

    def call_clip(self, call: Call) -> Code:
        """Between bounds."""
        return self._chosen("clip", call)

    def call_min(self, call: Call) -> Code:
        """The smaller one."""
        return self._chosen("min", call)

    def call_max(self, call: Call) -> Code:
        """The larger one."""
        return self._chosen("max", call)

    def call_abs(self, call: Call) -> Code:
        """Magnitude."""
        code = self.lower(call.args[0])
        function = {Kind.REAL: "fabsf", Kind.HOST: "fabs"}.get(code.kind, "bpu_abs")
        return self.call(function, code.kind, code.text)

    def _rounding(self, call: Call) -> Code:
        """Rounded to an integer; floats beyond 2**62 saturate there, NaN is 0."""
        code = self.lower(call.args[0])
        function = _ROUNDED[call.function]
        if code.kind is Kind.HOST:
            return Code(f"(int64_t){function.removesuffix('f')}({code.text})", UNARY, Kind.INT)
        return self.call("bpu_to_int", Kind.INTEGER, f"{function}({code.text})")

    call_floor = call_ceil = call_trunc = call_round_half_even = call_round_half_away = _rounding

    def call_whole(self, call: Call) -> Code:
        """A rounding that stays float."""
        function = _ROUNDED[call.function.removeprefix("_whole_")]
        return self.call(function, Kind.REAL, self.lower(call.args[0]).text)

    def call_log2(self, call: Call) -> Code:
        """Base-2 logarithm."""
        return self.call("bpu_log2", Kind.REAL, self._as_real(call.args[0]).text)

    def call_sqrt(self, call: Call) -> Code:
        """Square root."""
        return self.call("sqrtf", Kind.REAL, self._as_real(call.args[0]).text)

    def call_exp2(self, call: Call) -> Code:
        """2**n."""
        return self.call("bpu_exp2", Kind.REAL, self.lower(call.args[0]).text)

    def call_select(self, call: Call) -> Code:
        """A conditional expression."""
        if (known := self.always(call.args[0])) is not None:
            return self.lower(call.args[1 if known else 2])
        kind = self.kind(call)
        condition = self.lower(call.args[0])
        yes, no = (self._as(arg, kind) for arg in call.args[1:])
        inner = TERNARY + 1
        return Code(f"{condition.within(inner)} ? {yes.within(inner)} : {no.within(inner)}", TERNARY - 1, kind)

    def call_shift_left(self, call: Call) -> Code:
        """Left shift."""
        return self._shift(Binary("<<", call.args[0], call.args[1], call.place))

    def call_saturate(self, call: Call) -> Code:
        """Clamp to a dtype or to a number of bits."""
        return self.call("bpu_clip", self.kind(call), self.lower(call.args[0]).text, *self.ends(call))

    def call_wrap(self, call: Call) -> Code:
        """Keep the low bits, sign-extended."""
        half = 2 ** (int(self.range(call.args[1])[0]) - 1)
        value = self.lower(call.args[0])
        lo, hi = self.range(call.args[0])
        if -half <= lo and hi < half:
            return value
        low, mask = self.number(half).text, self.number(2 * half - 1).text
        return Code(f"(({value.within(SUM)} + {low}) & {mask}) - {low}", SUM, self.kind(call))

    def call_real(self, call: Call) -> Code:
        """Integers as float."""
        return self._as_real(call.args[0])

    def call_lookup(self, call: Call) -> Code:
        """An entry of a table."""
        table, index = call.args
        assert isinstance(table, Name)
        return Code(f"{c_name(table.text)}[{self.lower(index).text}]", ATOM, Kind.INTEGER)

    def call_search(self, call: Call) -> Code:
        """The place of a value in a rising table."""
        table, value = call.args
        assert isinstance(table, Name)
        _, size = self.prover.tables[table.text]
        return self.call("bpu_search", Kind.INTEGER, c_name(table.text), str(size), self.lower(value).text)

    def call_fma(self, call: Call) -> Code:
        """A product plus a number, rounded to float at the end only."""
        return self.call("bpu_fma", Kind.REAL, *(self._as_real(arg).text for arg in call.args))

    def lower(self, expr: Expr) -> Code:
        """The code of an expression; `- -x` would read as a decrement."""
        if isinstance(expr, Negate):
            inner = super().lower(expr.operand)
            return Code(f"-{inner.within(UNARY + 1)}", UNARY, inner.kind)
        return super().lower(expr)
