# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/span.py
"""Spans of integers that a kernel can be run on: the first, cheapest proof that a layer's own integers fit int32.

In: for each operand of a kernel the smallest and the largest integer, and the kernel's derived integers. Out: the smallest
and the largest integer that the kernel can meet. All channels count as one, so this is two numbers of Python where an
`Interval` is two tensors; what it can't prove, intervals of each channel may.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .interval import INT32

_Operation = Callable[[int, int], int]


@dataclass(slots=True)
class Met:
    """The smallest and the largest integer met so far, or 0."""

    low: int = 0
    high: int = 0

    @property
    def fits_int32(self) -> bool:
        """Whether int32 holds everything met."""
        return INT32.min <= self.low and self.high <= INT32.max


@dataclass(slots=True, eq=False)
class Span:
    """All integers from `low` to `high`; what follows from it shares what was `met`."""

    low: int
    high: int
    met: Met
    dtype: torch.dtype = torch.int32  # a kernel that asks computes as it would in int32

    def __post_init__(self) -> None:
        self.met.low, self.met.high = min(self.met.low, self.low), max(self.met.high, self.high)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What torch calls where an argument is a Span."""
        return _FUNCTIONS[func](*args, **(kwargs or {}))

    def to(self, dtype: torch.dtype) -> "Span":
        """Itself, for a cast changes no integer that fits."""
        if dtype.is_floating_point:
            raise TypeError("floats have no span")
        return self

    def _of(self, operation: _Operation, other: Any) -> "Span":
        """The result of an operation whose extremes lie at the ends of its operands."""
        found = [operation(a, b) for a in (self.low, self.high) for b in _ends(other)]
        return Span(min(found), max(found), self.met)

    def __add__(self, other: Any) -> "Span":
        return self._of(operator.add, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Span":
        return self._of(operator.sub, other)

    def __neg__(self) -> "Span":
        return self._of(operator.mul, -1)

    def __rsub__(self, other: Any) -> "Span":
        return self.__neg__()._of(operator.add, other)

    def __mul__(self, other: Any) -> "Span":
        return self._of(operator.mul, other)

    __rmul__ = __mul__

    def __lshift__(self, other: Any) -> "Span":
        return self._of(operator.lshift, other)

    def __rlshift__(self, other: int) -> "Span":
        return self._of(lambda count, value: value << count, other)

    def __rshift__(self, other: Any) -> "Span":
        return self._of(operator.rshift, other)

    def __and__(self, mask: int) -> "Span":
        """With a mask that is not negative."""
        return Span(0, mask, self.met)


def _ends(x: Any) -> tuple[int, ...]:
    if isinstance(x, Span):
        return x.low, x.high
    if not isinstance(x, int):
        raise TypeError(f"{type(x).__name__} has no span")
    return (x,)


def _clamp(x: Any, min: int | None = None, max: int | None = None) -> Span:
    ends = _ends(x)
    if min is not None:
        ends = tuple(end if end > min else min for end in ends)
    if max is not None:
        ends = tuple(end if end < max else max for end in ends)
    return Span(ends[0], ends[-1], x.met)


def _where(condition: Any, x: Any, y: Any) -> Span:
    ends = (*_ends(x), *_ends(y))
    met = next(one.met for one in (x, y, condition) if isinstance(one, Span))
    return Span(min(ends), max(ends), met)


_FUNCTIONS: dict[Callable[..., Any], Callable[..., Span]] = {torch.clamp: _clamp, torch.where: _where}


def met_on_spans(
    kernel: Callable[..., Any], params: Any, operands: tuple[tuple[Tensor, Tensor], ...], **dtypes: Any
) -> Met | None:
    """What a kernel meets for operands between given ends; None where it uses what spans have no rule for.

    Args:
        kernel: called with the operands, `params` and `dtypes`.
        params: a named tuple of derived integers.
        operands: the smallest and the largest integers of each.
        dtypes: dtype arguments of the kernel.
    """
    met = Met()
    stacked: Tensor = torch.stack(torch.broadcast_tensors(*params))  # type: ignore[no-untyped-call]
    lows, highs = stacked.reshape(len(params), -1).aminmax(dim=1)
    derived = [Span(low, high, met) for low, high in zip(lows.tolist(), highs.tolist(), strict=True)]
    given = [Span(int(low.min()), int(high.max()), met) for low, high in operands]
    try:
        kernel(*given, type(params)(*derived), **dtypes)
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
    return met
