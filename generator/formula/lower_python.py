"""Formulas as exact Python numbers: the definition that tests compare the torch kernels with.

A real is a Python float that is rounded to float32 after every operation; integers are Python's and never overflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.formula.intervals import f32
from generator.formula.lower import ATOM, COMPARE, PRODUCT, SUM, Code, Lowering, is_literal
from generator.formula.model import Kind
from generator.formula.syntax import Binary, Call, Expr

if TYPE_CHECKING:
    from generator.formula.lines import Line

PYTHON_HELPERS = {
    "f32": '''\
def f32(v: float) -> float:
    """The float32 nearest to v; too large a v is infinite."""
    try:
        return float(struct.unpack("f", struct.pack("f", v))[0])
    except OverflowError:
        return math.copysign(math.inf, v)
''',
    "div": '''\
def div(a: float, b: float) -> float:
    """a / b rounded to float32; by zero it is infinite, 0 / 0 is NaN."""
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)
    return f32(a / b)
''',
    "to_int": '''\
def to_int(v: float, rounded: Callable[[float], int]) -> int:
    """v rounded; beyond 2**62 it saturates there, NaN is 0."""
    if math.isnan(v):
        return 0
    return rounded(min(max(v, -(2.0**62)), 2.0**62))
''',
    "exp2": '''\
def exp2(n: int) -> float:
    """2**n as float32."""
    return f32(math.ldexp(1.0, min(max(n, -1000), 1000)))
''',
    "log2": '''\
def log2(v: float) -> float:
    """The float32 nearest to the base-2 logarithm."""
    return f32(math.log2(v))
''',
    "half_away": '''\
def half_away(v: float) -> int:
    """Nearest integer, ties away from zero."""
    whole = math.trunc(v)
    return whole + (abs(v - whole) >= 0.5) * (1 if v > 0 else -1)
''',
    "wrap": '''\
def wrap(v: int, bits: int) -> int:
    """The low bits of v, sign-extended."""
    half = 1 << (bits - 1)
    return (v + half) % (2 * half) - half
''',
    "fma": '''\
def fma(a: float, b: float, c: float) -> float:
    """a * b + c in float64, rounded to float32 at the end."""
    return f32(a * b + c)
''',
    "search": '''\
def search(table: Sequence[int], v: int) -> int:
    """The index of the first entry of a rising table that is not less than v; the last index where all are less."""
    return min(bisect.bisect_left(table, v), len(table) - 1)
''',
    "clip": '''\
def clip(v: float, lo: float, hi: float) -> float:
    """v, or the bound that it passes."""
    return min(max(v, lo), hi)
''',
    "clip_int": '''\
def clip_int(v: int, lo: int, hi: int) -> int:
    """v, or the bound that it passes."""
    return min(max(v, lo), hi)
''',
}
"""Functions that generated reference code may call, by name."""


class PythonLowering(Lowering):
    """Writes expressions as plain Python."""

    def statement(self, line: Line, tensors: frozenset[str] = frozenset()) -> str:
        """One line of the generated function."""
        return f"{', '.join(line.targets)} = {self.lower(line.expr).text}"

    def _f32(self, text: str) -> Code:
        return self.helper("f32", Kind.REAL, text)

    def _as_real(self, expr: Expr) -> Code:
        """A number as float32; exact where a literal is."""
        code = self.lower(expr)
        if code.kind is Kind.REAL or (is_literal(expr) and self._is_exact(expr)):
            return code
        return self._f32(code.text)

    def _is_exact(self, expr: Expr) -> bool:
        """Whether a literal is a float32."""
        lo, hi = self.range(expr)
        return lo == hi == f32(hi)

    def _bound(self, expr: Expr, kind: Kind) -> Code:
        """A value next to others of a kind; next to reals it is float32 before it is compared."""
        code = self.lower(expr)
        small = 2**24
        if code.kind is Kind.INT and -small <= self.range(expr)[0] and self.range(expr)[1] <= small:
            return code
        return self._as_real(expr) if kind is Kind.REAL else code

    def binary(self, expr: Binary) -> Code:
        """An operator; a real result is rounded to float32."""
        if (folded := self.folded(expr)) is not None:
            return folded
        kind = self.kind(expr)
        if kind is Kind.REAL:
            left, right = self._as_real(expr.left), self._as_real(expr.right)
            if expr.op == "/":
                return self.helper("div", kind, left.text, right.text)
            precedence = PRODUCT if expr.op == "*" else SUM
            return self._f32(f"{left.within(precedence)} {expr.op} {right.within(precedence + 1)}")
        if kind is Kind.MASK and Kind.REAL in (self.kind(expr.left), self.kind(expr.right)):
            left, right = self._bound(expr.left, Kind.REAL), self._bound(expr.right, Kind.REAL)
            return Code(f"{left.within(ATOM)} {expr.op} {right.within(ATOM)}", COMPARE, kind)
        return self.joined(expr, kind)

    def call_clip(self, call: Call) -> Code:
        """Between bounds."""
        kind = self.kind(call)
        args = [self._bound(arg, kind).text for arg in call.args]
        return self.helper("clip" if kind in (Kind.REAL, Kind.HOST) else "clip_int", kind, *args)

    def _plain(self, function: str, call: Call) -> Code:
        kind = self.kind(call)
        return self.call(function, kind, *(self._bound(arg, kind).text for arg in call.args))

    def call_min(self, call: Call) -> Code:
        """The smaller one."""
        return self._plain("min", call)

    def call_max(self, call: Call) -> Code:
        """The larger one."""
        return self._plain("max", call)

    def call_abs(self, call: Call) -> Code:
        """Magnitude."""
        return self._plain("abs", call)

    def _rounding(self, call: Call, function: str) -> Code:
        return self.helper("to_int", Kind.INTEGER, self.lower(call.args[0]).text, function)

    def call_floor(self, call: Call) -> Code:
        """Toward -infinity."""
        return self._rounding(call, "math.floor")

    def call_ceil(self, call: Call) -> Code:
        """Toward +infinity."""
        return self._rounding(call, "math.ceil")

    def call_trunc(self, call: Call) -> Code:
        """Toward zero."""
        return self._rounding(call, "math.trunc")

    def call_round_half_even(self, call: Call) -> Code:
        """Nearest, ties to even."""
        return self._rounding(call, "round")

    def call_round_half_away(self, call: Call) -> Code:
        """Nearest, ties away from zero."""
        self.helpers.add("half_away")
        return self._rounding(call, "half_away")

    def call_frexp(self, call: Call) -> Code:
        """Mantissa and exponent."""
        return self.call("math.frexp", Kind.REAL, self._as_real(call.args[0]).text)

    def call_sqrt(self, call: Call) -> Code:
        """Square root."""
        return self._f32(f"math.sqrt({self._as_real(call.args[0]).text})")

    def call_select(self, call: Call) -> Code:
        """A conditional expression."""
        if (known := self.always(call.args[0])) is not None:
            return self.lower(call.args[1 if known else 2])
        kind = self.kind(call)
        condition, yes, no = self.lower(call.args[0]), *(self._bound(arg, kind) for arg in call.args[1:])
        if yes == no:
            return yes
        return Code(f"({yes.text} if {condition.text} else {no.text})", ATOM, self.kind(call))

    def call_shift_left(self, call: Call) -> Code:
        """Left shift; one by nothing is not written."""
        if self.range(call.args[1]) == (0, 0):
            return self.lower(call.args[0])
        return self.joined(Binary("<<", call.args[0], call.args[1], call.place), Kind.INTEGER)

    def call_saturate(self, call: Call) -> Code:
        """Clamp to a dtype or to a number of bits."""
        return self.helper("clip_int", Kind.INTEGER, self.lower(call.args[0]).text, *self.ends(call))

    def call_wrap(self, call: Call) -> Code:
        """Keep the low bits, sign-extended."""
        return self.helper("wrap", Kind.INTEGER, *(self.lower(arg).text for arg in call.args))

    def call_real(self, call: Call) -> Code:
        """An integer as float32."""
        return self._f32(self.lower(call.args[0]).text)

    def call_whole(self, call: Call) -> Code:
        """A rounding whose result stays real."""
        method = getattr(self, f"call_{call.function.removeprefix('_whole_')}")
        return self.call("float", Kind.REAL, method(call).text)
