# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/interval.py
"""Intervals of integers that a kernel can be run on: the proof, at conversion, that a layer's own integers fit int32.

In: for each tensor operand of a kernel the smallest and the largest integer that it can hold, one for all or one for each
channel, and the kernel's derived integers. Out: the interval of everything that the kernel computes. The kernel itself is
run, on objects that answer to the torch functions which kernels are made of; so the proof is about the code that will run.
Each interval also knows the operation that made it, from which the narrow form of a kernel is written down (`in_place`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

INT32 = torch.iinfo(torch.int32)
_Ends = tuple[Tensor, Tensor]


class Reach:
    """The smallest and the largest integer met so far."""

    def __init__(self) -> None:
        self._noted: list[Tensor] = []
        self._low, self._high = 0, 0

    def note(self, low: Tensor, high: Tensor) -> None:
        """Widen by an interval."""
        self._noted += (low, high)

    @property
    def low(self) -> int:
        """The smallest integer, or 0."""
        self._look()
        return self._low

    @property
    def high(self) -> int:
        """The largest integer, or 0."""
        self._look()
        return self._high

    @property
    def fits_int32(self) -> bool:
        """Whether int32 holds everything met."""
        return INT32.min <= self.low and self.high <= INT32.max

    def _look(self) -> None:
        """Take in what was noted; at once, for each look at a tensor takes longer than computing it."""
        if self._noted:
            met = torch.cat([tensor.reshape(-1) for tensor in self._noted])
            low, high = met.aminmax()
            self._low, self._high = min(self._low, int(low)), max(self._high, int(high))
            self._noted.clear()


@dataclass(slots=True, eq=False)
class Interval:
    """All integers from `low` to `high`, elementwise (int64); what follows from it shares its `reach`.

    `made` is the operation that it is the result of, with its operands; None of an operand of the kernel.
    """

    low: Tensor
    high: Tensor
    reach: Reach = field(default_factory=Reach)
    made: tuple[Any, ...] | None = None
    dtype: torch.dtype = torch.int32  # a kernel that asks computes as it would in int32

    def __post_init__(self) -> None:
        self.reach.note(self.low, self.high)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What torch calls where an argument is an Interval."""
        return _FUNCTIONS[func](*args, **(kwargs or {}))

    def to(self, dtype: torch.dtype) -> Any:
        """Itself, for a cast changes no integer that fits; as floats, of which nothing is known."""
        return Real() if dtype.is_floating_point else self

    def _ends(self, other: Any) -> tuple[Any, Any]:
        if isinstance(other, Interval):
            return other.low, other.high
        value = other if isinstance(other, int) else torch.as_tensor(other, dtype=torch.int64)
        return value, value

    def _distinct(self, other: Any) -> tuple[Any, ...]:
        """The ends of an operand; one of a constant."""
        low, high = self._ends(other)
        return (low,) if low is high else (low, high)

    def _made(self, made: tuple[Any, ...], *candidates: Tensor) -> "Interval":
        stacked = torch.broadcast_tensors(*candidates)  # type: ignore[no-untyped-call]
        low, high = stacked[0], stacked[0]
        for candidate in stacked[1:]:
            low, high = torch.minimum(low, candidate), torch.maximum(high, candidate)
        return Interval(low, high, self.reach, made)

    def __add__(self, other: Any) -> "Interval":
        low, high = self._ends(other)
        return Interval(self.low + low, self.high + high, self.reach, ("add", self, other))

    __radd__ = __add__

    def __neg__(self) -> "Interval":
        return self * -1

    def __sub__(self, other: Any) -> "Interval":
        low, high = self._ends(other)
        return Interval(self.low - high, self.high - low, self.reach, ("sub", self, other))

    def __rsub__(self, other: Any) -> "Interval":
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> "Interval":
        others = self._distinct(other)
        products = (a * b for a in (self.low, self.high) for b in others)
        return self._made(("mul", self, other), *products)

    __rmul__ = __mul__

    def __lshift__(self, other: Any) -> "Interval":
        others = self._distinct(other)
        return self._made(("lshift", self, other), *(a << b for a in (self.low, self.high) for b in others))

    def __rshift__(self, other: Any) -> "Interval":
        others = self._distinct(other)
        return self._made(("rshift", self, other), *(a >> b for a in (self.low, self.high) for b in others))

    def __and__(self, mask: int) -> "Interval":
        """With a mask that is not negative."""
        zero = torch.zeros_like(self.low)
        return Interval(zero, zero + mask, self.reach, ("and", self, mask))


class Real:
    """Floats: what is computed of them is not an integer any more."""

    @classmethod
    def __torch_function__(cls, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: object = None) -> "Real":
        """A tensor on the left of an operator."""
        return _FLOATS[func]

    def _another(self, other: Any) -> "Real":
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _another


def _clamp(x: Any, min: Any = None, max: Any = None) -> Interval:
    low, high = x.low, x.high
    if min is not None:
        low, high = low.clamp(min=min), high.clamp(min=min)
    if max is not None:
        low, high = low.clamp(max=max), high.clamp(max=max)
    return Interval(low, high, x.reach, ("clamp", x, min, max))


def _where(condition: Tensor, x: Any, y: Any) -> Interval:
    one = x if isinstance(x, Interval) else y
    (x_low, x_high), (y_low, y_high) = one._ends(x), one._ends(y)
    low, high = torch.where(condition, x_low, y_low), torch.where(condition, x_high, y_high)
    return Interval(low, high, one.reach, ("where", condition, x, y))


_FUNCTIONS: dict[Callable[..., Any], Callable[..., Interval]] = {
    torch.clamp: _clamp,
    torch.where: _where,
    # A tensor on the left of an operator asks for these.
    Tensor.__add__: lambda a, b: b + a,
    Tensor.add: lambda a, b: b + a,
    Tensor.__mul__: lambda a, b: b * a,
    Tensor.mul: lambda a, b: b * a,
    Tensor.__sub__: lambda a, b: b.__rsub__(a),
    Tensor.sub: lambda a, b: b.__rsub__(a),
}

_FLOATS = dict.fromkeys((Tensor.__add__, Tensor.__mul__, Tensor.__sub__, Tensor.__truediv__), Real())


def run_on_intervals(kernel: Callable[..., Any], params: object, operands: tuple[_Ends, ...], **dtypes: Any) -> Any:
    """What a kernel computes for operands between given ends; None where it uses what intervals have no rule for.

    Returns:
        The operands' intervals and the result's, which share their `reach`; None: not known.
    """
    reach = Reach()
    intervals = [Interval(low.to(torch.int64), high.to(torch.int64), reach) for low, high in operands]
    try:
        return intervals, kernel(*intervals, params, **dtypes)
    except (KeyError, TypeError, AttributeError):
        return None
