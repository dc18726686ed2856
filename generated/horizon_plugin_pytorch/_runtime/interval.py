# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/interval.py
"""Intervals of integers that a kernel can be run on: the proof, at conversion, that a layer's own integers fit int32.

In: for each tensor operand of a kernel the smallest and the largest integer that it can hold, one for all or one for each
channel, and the kernel's derived integers. Out: the interval of everything that the kernel computes. The kernel itself is
run, on objects that answer to the torch functions which kernels are made of; so the proof is about the code that will run.
Each interval also knows the operation that made it, from which the narrow form of a kernel is written down (`in_place`).
"""

import operator
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

    def note(self, ends: Tensor) -> None:
        """Widen by the ends of an interval."""
        self._noted.append(ends)

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
    """All integers between two, elementwise; what follows from it shares its `reach`.

    `ends` are the smallest and the largest integers, int64 [2, ...], in one tensor, for most operations are the same for
    both. `made` is the operation that it is the result of, with its operands; None of an operand of the kernel.
    """

    ends: Tensor
    reach: Reach = field(default_factory=Reach)
    made: tuple[Any, ...] | None = None
    dtype: torch.dtype = torch.int32  # a kernel that asks computes as it would in int32

    def __post_init__(self) -> None:
        self.reach.note(self.ends)

    @classmethod
    def between(cls, low: Tensor, high: Tensor, reach: Reach) -> "Interval":
        """An operand of a kernel."""
        return cls(torch.stack(torch.broadcast_tensors(low, high)).to(torch.int64), reach)  # type: ignore[no-untyped-call]

    @property
    def low(self) -> Tensor:
        """The smallest integers."""
        return self.ends[0]

    @property
    def high(self) -> Tensor:
        """The largest integers."""
        return self.ends[1]

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

    def _with(self, other: Any) -> tuple[Tensor, Any]:
        """The ends, and those of an operand or a constant, with as many dimensions."""
        if isinstance(other, int):
            return self.ends, other
        value = other.ends if isinstance(other, Interval) else torch.as_tensor(other, dtype=torch.int64)[None]
        dims = max(self.ends.dim(), value.dim())
        return _lifted(self.ends, dims), _lifted(value, dims)

    def _extremes(self, made: tuple[Any, ...], function: Callable[[Tensor, Any], Tensor], other: Any) -> "Interval":
        """Of an operation whose extremes lie at the ends of its operands, at whichever."""
        ends, value = self._with(other)
        found = function(ends, value)
        if isinstance(other, Interval):
            found = torch.cat((found, function(ends, value.flip(0))))
        return Interval(torch.stack(found.aminmax(dim=0)), self.reach, made)

    def _shifted(self, name: str, function: Callable[[Tensor, Any], Tensor], other: Any) -> "Interval":
        """A shift by a constant keeps the order of the ends."""
        made = (name, self, other)
        if isinstance(other, Interval):
            return self._extremes(made, function, other)
        return Interval(function(*self._with(other)), self.reach, made)

    def __add__(self, other: Any) -> "Interval":
        ends, value = self._with(other)
        return Interval(ends + value, self.reach, ("add", self, other))

    __radd__ = __add__

    def __neg__(self) -> "Interval":
        return self * -1

    def __sub__(self, other: Any) -> "Interval":
        ends, value = self._with(other)
        value = value.flip(0) if isinstance(other, Interval) else value
        return Interval(ends - value, self.reach, ("sub", self, other))

    def __rsub__(self, other: Any) -> "Interval":
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> "Interval":
        return self._extremes(("mul", self, other), operator.mul, other)

    __rmul__ = __mul__

    def __lshift__(self, other: Any) -> "Interval":
        return self._shifted("lshift", operator.lshift, other)

    def __rshift__(self, other: Any) -> "Interval":
        return self._shifted("rshift", operator.rshift, other)

    def __and__(self, mask: int) -> "Interval":
        """With a mask that is not negative."""
        zero = torch.zeros_like(self.low)
        return Interval(torch.stack((zero, zero + mask)), self.reach, ("and", self, mask))


def _lifted(ends: Tensor, dims: int) -> Tensor:
    """Ends as a tensor with more dimensions, which broadcasts in the same way."""
    missing = dims - ends.dim()
    return ends.reshape(len(ends), *[1] * missing, *ends.shape[1:]) if missing else ends


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
    return Interval(x.ends.clamp(min, max), x.reach, ("clamp", x, min, max))


def _where(condition: Tensor, x: Any, y: Any) -> Interval:
    one, other = (x, y) if isinstance(x, Interval) else (y, x)
    ends, value = one._with(other)
    ends = _lifted(ends, max(ends.dim(), condition.dim() + 1))
    found = torch.where(condition, ends, value) if one is x else torch.where(condition, value, ends)
    return Interval(found, one.reach, ("where", condition, x, y))


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
    intervals = [Interval.between(low, high, reach) for low, high in operands]
    try:
        return intervals, kernel(*intervals, params, **dtypes)
    except (KeyError, TypeError, AttributeError):
        return None
