"""Formulas as straight-line torch code.

Reals are float32 tensors, one operation at a time in the written order; integers are int64 tensors, whose range was proved,
or of the type of the parameters, where the caller proved that it is wide enough.
Example of what is made of `clip(floor(m * 2**15 + 0.5), -32768, 32767)`::

    mult = torch.clamp(to_int(torch.floor(m * 32768 + 0.5)), -32768, 32767)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from generator.formula.intervals import joined
from generator.formula.lower import ATOM, PRODUCT, SUM, UNARY, Code, Lowering
from generator.formula.model import Kind
from generator.formula.syntax import Binary, Call, Expr, Negate, Num

if TYPE_CHECKING:
    from generator.formula.lines import Line

TORCH_HELPERS = {
    "to_int": '''\
def to_int(v: Tensor) -> Tensor:
    """A rounded float32 as int64; beyond 2**62 it saturates there, NaN is 0."""
    return torch.nan_to_num(v, nan=0.0).clamp(-(2.0**62), 2.0**62).to(torch.int64)
''',
    "exp2": '''\
def exp2(n: Tensor) -> Tensor:
    """2**n as float32, exact; n is an integer."""
    n = torch.clamp(n, -252, 252)
    half = n >> 1
    return _power(half) * _power(n - half)
''',
    "_power": '''\
def _power(n: Tensor) -> Tensor:
    """2**n for -126 <= n <= 127, by writing the exponent of a float32."""
    return ((n + 127) << 23).to(torch.int32).view(torch.float32)
''',
    "frexp": '''\
def frexp(v: Tensor) -> tuple[Tensor, Tensor]:
    """v = m * 2**e with 1/2 <= |m| < 1; 0 gives (0, 0)."""
    mantissa, exponent = torch.frexp(v)
    return mantissa, exponent.to(torch.int64)
''',
    "log2": '''\
def log2(v: Tensor) -> Tensor:
    """The float32 nearest to the base-2 logarithm."""
    return torch.log2(v.to(torch.float64)).to(torch.float32)
''',
    "round_half_away": '''\
def round_half_away(v: Tensor) -> Tensor:
    """Nearest integer, ties away from zero."""
    whole = torch.trunc(v)
    return whole + torch.sign(v) * (torch.abs(v - whole) >= 0.5)
''',
    "divide": '''\
def divide(a: float, b: Tensor) -> Tensor:
    """a / b by one float32 division; the operator / of a number and a tensor multiplies by a rounded reciprocal."""
    return b.new_full((), a) / b
''',
    "fma": '''\
def fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """a * b + c in float64, rounded to float32 at the end."""
    return (a.to(torch.float64) * b.to(torch.float64) + c.to(torch.float64)).to(torch.float32)
''',
    "search": '''\
def search(table: Tensor, v: Tensor) -> Tensor:
    """The index of the first entry of a rising table that is not less than v; the last index where all are less."""
    return torch.searchsorted(table, v.contiguous()).clamp(max=table.numel() - 1)
''',
    "wrap": '''\
def wrap(v: Tensor, bits: int) -> Tensor:
    """The low bits of v, sign-extended; where the caller proved that v fits int32, it is that already."""
    if v.dtype == torch.int32 and bits >= 32:
        return v
    half = 1 << (bits - 1)
    return ((v + half) & (2 * half - 1)) - half
''',
    "real": '''\
def real(v: float) -> Tensor:
    """A host number as float32."""
    return torch.tensor(v, dtype=torch.float32)
''',
}
"""Functions that generated torch code may call, by name."""


_ROUNDED = {"floor": "torch.floor", "ceil": "torch.ceil", "trunc": "torch.trunc", "round_half_even": "torch.round"}
_BOUND = {"min": "max", "max": "min"}  # the smaller of v and a number is v clamped from above


def _is_power_of_two(expr: Expr) -> bool:
    """Whether a literal is +-2**n, so that its product with a reciprocal is the quotient."""
    value = expr.operand if isinstance(expr, Negate) else expr
    return isinstance(value, Num) and abs(math.frexp(value.value)[0]) == 0.5  # noqa: PLR2004


class TorchLowering(Lowering):
    """Writes expressions as torch code."""

    def statement(self, line: Line, tensors: frozenset[str] = frozenset()) -> str:
        """One line of the generated function; a host value becomes a tensor where its name is in `tensors`."""
        code = self.lower(line.expr)
        text = code.text
        if code.kind in (Kind.INT, Kind.HOST, Kind.FLAG) and tensors & set(line.targets):
            text = f"torch.as_tensor({text})"
        return f"{', '.join(line.targets)} = {text}"

    def binary(self, expr: Binary) -> Code:
        """An operator; 2**n of a tensor is a helper, integers that meet reals are cast."""
        if (folded := self.folded(expr)) is not None:
            return folded
        kind = self.kind(expr)
        if kind is Kind.REAL and expr.op in ("+", "-", "*", "/"):
            precedence = PRODUCT if expr.op in "*/" else SUM
            left, right = self._as_real(expr.left), self._as_real(expr.right)
            if expr.op == "/" and not left.kind.is_tensor and not _is_power_of_two(expr.left):
                return self.helper("divide", kind, left.text, right.text)
            return Code(f"{left.within(precedence)} {expr.op} {right.within(precedence + 1)}", precedence, kind)
        return self.joined(expr, kind)

    def _as_real(self, expr: Expr) -> Code:
        code = self.lower(expr)
        return Code(f"{code.within(ATOM)}.to(torch.float32)", ATOM, Kind.REAL) if code.kind is Kind.INTEGER else code

    def _real_tensor(self, expr: Expr) -> str:
        code = self._as_real(expr)
        if code.kind in (Kind.INT, Kind.HOST):
            return self.helper("real", Kind.REAL, code.text).text
        return code.text

    def call_clip(self, call: Call) -> Code:
        """Constant bounds in one clamp, tensor bounds by minimum and maximum."""
        value, low, high = (self.lower(arg) for arg in call.args)
        kind = self.kind(call)
        if low.kind.is_tensor or high.kind.is_tensor or not value.kind.is_tensor:
            return self._bounded("min", self._bounded("max", value, low, kind), high, kind)
        return self.call("torch.clamp", kind, value.text, low.text, high.text)

    def _bounded(self, which: str, left: Code, right: Code, kind: Kind) -> Code:
        if not left.kind.is_tensor and not right.kind.is_tensor:
            return self.call(which, joined(left.kind, right.kind), left.text, right.text)
        if left.kind.is_tensor and right.kind.is_tensor:
            return self.call(f"torch.{which}imum", kind, left.text, right.text)
        tensor, number = (left, right) if left.kind.is_tensor else (right, left)
        return self.call("torch.clamp", kind, tensor.text, f"{_BOUND[which]}={number.text}")

    def call_min(self, call: Call) -> Code:
        """The smaller one."""
        return self._bounded("min", self.lower(call.args[0]), self.lower(call.args[1]), self.kind(call))

    def call_max(self, call: Call) -> Code:
        """The larger one."""
        return self._bounded("max", self.lower(call.args[0]), self.lower(call.args[1]), self.kind(call))

    def call_abs(self, call: Call) -> Code:
        """Magnitude."""
        code = self.lower(call.args[0])
        return self.call("torch.abs" if code.kind.is_tensor else "abs", code.kind, code.text)

    def _rounding(self, call: Call, host: str) -> Code:
        """Rounded to an integer: a tensor by the real form, a host float by Python."""
        code = self.lower(call.args[0])
        if code.kind is Kind.HOST:
            return Code(host.format(code.within(UNARY)), UNARY if host.startswith("-") else ATOM, Kind.INT)
        return self.helper("to_int", Kind.INTEGER, self._whole(call, code).text)

    def _whole(self, call: Call, code: Code) -> Code:
        """Rounded, but still float32."""
        function = call.function.removeprefix("_whole_")
        if function == "round_half_away":
            return self.helper(function, Kind.REAL, code.text)
        return self.call(_ROUNDED[function], Kind.REAL, code.text)

    def call_floor(self, call: Call) -> Code:
        """Toward -infinity."""
        return self._rounding(call, "int({} // 1)")

    def call_ceil(self, call: Call) -> Code:
        """Toward +infinity."""
        return self._rounding(call, "-int(-{} // 1)")

    def call_trunc(self, call: Call) -> Code:
        """Toward zero."""
        code = self.lower(call.args[0])
        return self.call("int", Kind.INT, code.text) if code.kind is Kind.HOST else self._rounding(call, "")

    def call_round_half_even(self, call: Call) -> Code:
        """Nearest, ties to even."""
        code = self.lower(call.args[0])
        return self.call("round", Kind.INT, code.text) if code.kind is Kind.HOST else self._rounding(call, "")

    def call_round_half_away(self, call: Call) -> Code:
        """Nearest, ties away from zero; the proof admits tensors only."""
        return self._rounding(call, "")

    def call_whole(self, call: Call) -> Code:
        """A rounding that stays float32; what is rounded is overwritten, for this is the work of fake quantization."""
        whole = self._whole(call, self._overwritten(call.args[0]))
        in_place = whole.text.startswith("torch.")
        return Code(whole.text.replace("(", "_(", 1), whole.precedence, whole.kind) if in_place else whole

    def _overwritten(self, expr: Expr) -> Code:
        """A tensor, or a sum of a tensor and a number in the memory of the tensor."""
        code = self.lower(expr)
        if not (isinstance(expr, Binary) and expr.op == "+" and isinstance(expr.right, Num)):
            return code
        return Code(f"{self._as_real(expr.left).within(ATOM)}.add_({self.lower(expr.right).text})", ATOM, code.kind)

    def call_frexp(self, call: Call) -> Code:
        """Mantissa and exponent."""
        return self.helper("frexp", Kind.REAL, self._real_tensor(call.args[0]))

    def call_sqrt(self, call: Call) -> Code:
        """Square root."""
        return self.call("torch.sqrt", Kind.REAL, self._real_tensor(call.args[0]))

    def call_select(self, call: Call) -> Code:
        """A host condition is Python's own; a tensor condition picks elements."""
        if (known := self.always(call.args[0])) is not None:
            return self.lower(call.args[1 if known else 2])
        condition, yes, no = (self.lower(arg) for arg in call.args)
        kind = self.kind(call)
        if yes == no and yes.kind == kind:
            return yes
        if self.kind(call.args[0]) is Kind.MASK:
            return self.call("torch.where", kind, condition.text, yes.text, no.text)
        text = f"({yes.text} if {condition.text} else {no.text})"
        if kind.is_tensor and not (yes.kind.is_tensor and no.kind.is_tensor):
            text = f"torch.as_tensor({text[1:-1]})"
        return Code(text, ATOM, kind)

    def call_shift_left(self, call: Call) -> Code:
        """Left shift; one by nothing is not written."""
        if self.range(call.args[1]) == (0, 0):
            return self.lower(call.args[0])
        return self.joined(Binary("<<", call.args[0], call.args[1], call.place), self.kind(call))

    def call_saturate(self, call: Call) -> Code:
        """Clamp to a dtype or to a number of bits."""
        value, kind, (low, high) = self.lower(call.args[0]), self.kind(call), self.ends(call)
        if not value.kind.is_tensor:
            return self.call("min", kind, self.call("max", kind, value.text, low).text, high)
        return self.call("torch.clamp", kind, value.text, low, high)

    def call_wrap(self, call: Call) -> Code:
        """Keep the low bits, sign-extended."""
        half = 2 ** (int(self.range(call.args[1])[0]) - 1)
        value = self.lower(call.args[0])
        lo, hi = self.range(call.args[0])
        if -half <= lo and hi < half:
            return value
        return self.helper("wrap", self.kind(call), value.text, str(half.bit_length()))

    def call_real(self, call: Call) -> Code:
        """Integers as float32."""
        return Code(f"{self.lower(call.args[0]).within(ATOM)}.to(torch.float32)", ATOM, Kind.REAL)
