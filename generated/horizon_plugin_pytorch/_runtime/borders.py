# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/borders.py
"""Where values begin to be saturated: exact float32 borders, so that one comparison does for dividing, rounding and comparing.

In: how a march rounds, the integers of a dtype, a scale. Out: the neighbours of what is not saturated. Division by a positive
scale and rounding keep the order of floats, so on either side there is one such neighbour. A quotient of two float32 is
computed in float64 and rounded, which gives the float32 quotient: 53 bits are more than twice 24 and two.
"""

import functools
import struct
from collections.abc import Callable
from ctypes import c_float
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from .recording import unrecorded

_EXACT_BITS = 24  # integers of no more bits are exact in float32
_LEAST = 0.25  # of a quotient; below, neighbours of what is divided may have the same quotient
_Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Borders:
    """Of a rounding and a range of integers.

    Attributes:
        rounding: of quotients.
        bounds: the smallest and the largest integer.
        quotients: the largest quotient that is rounded to less, and the smallest that is rounded to more.
    """

    rounding: Callable[[Tensor], Tensor]
    bounds: tuple[int, int]
    quotients: _Ends

    @classmethod
    @functools.cache
    def of(cls, rounding: Callable[[Tensor], Tensor], bounds: tuple[int, int]) -> "Self | None":
        """None where the integers are not exact in float32, or quotients so small that borders are not looked for."""
        low, high = bounds
        if max(-low, high).bit_length() > _EXACT_BITS:
            return None
        with torch.inference_mode(False), torch.no_grad(), unrecorded():
            below = _last(float(low), low - 2.0, lambda v: _rounded(rounding, v) < low)
            above = _last(float(high), high + 2.0, lambda v: _rounded(rounding, v) > high)
        return None if min(-below, above) < _LEAST else cls(rounding, bounds, (below, above))

    def values(self, scale: float, ends: _Ends) -> _Ends:
        """The largest value below, and the smallest above, of what neither saturates with a scale nor is clamped to `ends`."""
        below, above = self.quotients
        return max(ends[0], -_first(-below, scale)), min(ends[1], _first(above, scale))

    def integers(self, scale: float, ends: _Ends) -> tuple[int, int]:
        """The smallest and the largest integer of values that are clamped to `ends`."""
        low, high = (self._integer(_float32(end / scale)) for end in ends)
        return low, high

    def _integer(self, quotient: float) -> int:
        if quotient <= self.quotients[0]:
            return self.bounds[0]
        return self.bounds[1] if quotient >= self.quotients[1] else int(_rounded(self.rounding, quotient))


@functools.lru_cache(maxsize=1024)
def _rounded(rounding: Callable[[Tensor], Tensor], quotient: float) -> float:
    return rounding(torch.tensor([quotient])).item()


def _last(inside: float, outside: float, is_outside: Callable[[float], bool]) -> float:
    """The float32 that is outside and next to what is inside."""
    while (middle := _float32((inside + outside) / 2)) not in {inside, outside}:
        inside, outside = (inside, middle) if is_outside(middle) else (middle, outside)
    return outside


def _first(quotient: float, scale: float) -> float:
    """The smallest float32 whose quotient by a scale is at least a positive one."""
    x = _float32(quotient * scale)
    while _float32(x / scale) >= quotient:
        x = _next(x, -1)
    while _float32(x / scale) < quotient:
        x = _next(x, 1)
    return x


def _next(x: float, step: int) -> float:
    """The neighbour of a positive float32, or of infinity."""
    (bits,) = struct.unpack("<I", struct.pack("<f", x))
    (found,) = struct.unpack("<f", struct.pack("<I", bits + step))
    return float(found)


def _float32(x: float) -> float:
    return c_float(x).value
