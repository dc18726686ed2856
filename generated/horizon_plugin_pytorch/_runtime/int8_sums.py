# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/int8_sums.py
"""Exact sums of products of a window by torch's 8-bit kernels, which multiply u8 by s8 and add in int32.

In: an int8 weight [out, in / groups, h, w] and where the window moves. Out: for int8 or int16 features the exact sums.
Features are taken byte by byte: the upper (or only) byte plus 128 with zero point 128, the lower byte of int16 as it is. The
result comes as float32, which holds every integer below 2^24; where a part's bound is larger, it is cut into groups of
input channels, whose sums are added as integers. Older instruction sets saturate sums of pairs in 16 bits: there, and where
a processor is told to use them, nothing of this is offered.
"""

import functools
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .dtype import QuantDType
from .exact import channel_sums

OFFSET = 128
"""What makes uint8 of int8."""
_TWIN = "_as_uint8"
_FLOAT32_EXACT = 1 << 24
_BYTE = 8
_MOST_CUTS = 8
_ISA_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_ISA_WITH_32_BIT_SUMS = ("VNNI", "BF16", "FP16", "AMX", "AVX10", "DEFAULT", "ALL")


@dataclass(frozen=True, slots=True)
class Window:
    """Where a window moves: as torch's convolutions take it."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


@dataclass(slots=True)
class _Part:
    """One call: some input channels of one byte of the features, and what its sums count.

    The kernel's own form of the weight is made at the first call, which takes longer than all proofs.
    """

    weight: Tensor
    window: Window
    first: int
    count: int
    shift: int
    zero_point: int
    _packed: Tensor | None = None

    @property
    def packed(self) -> Tensor:
        """The weight as the kernel reads it."""
        if self._packed is None:
            ones = torch.ones(len(self.weight))
            with torch.inference_mode(False):  # it outlives the caller's mode
                self._packed = _packed(self.weight, self.window, ones, self.zero_point)
        return self._packed


@dataclass(frozen=True, slots=True)
class Int8Sums:
    """A multiply-accumulate with a fixed weight.

    Attributes:
        proof: why it is exact.
    """

    parts: tuple[_Part, ...]
    window: Window
    ones: Tensor
    zeros: Tensor
    integer: torch.dtype
    proof: str

    @classmethod
    def prove(cls, weight: Tensor, sums: Tensor, window: Window, dtype: QuantDType) -> "Int8Sums | None":
        """For features of a dtype; None where this way is not open or not proved.

        Args:
            weight: int8 [out, in / groups, h, w].
            sums: of |weight|, int64 [out].
            window: where it moves.
            dtype: of the features.
        """
        if weight.device.type != "cpu" or weight.dtype != torch.int8 or dtype.bits not in (8, 16) or not available():
            return None
        channels = weight.shape[1]
        largest = OFFSET if dtype.bits == _BYTE else 2 * OFFSET - 1
        whole = part = int(sums.max())
        for cuts in _divisors(channels):
            part = whole if cuts == 1 else _largest_sum(weight, cuts)
            if largest * part < _FLOAT32_EXACT:
                break
        else:
            return None
        if cuts > 1 and window.groups > 1:
            return None
        total, bound = max(-dtype.min, dtype.max) * whole, largest * part
        ones, zeros = torch.ones(len(weight)), torch.zeros(len(weight), dtype=torch.int64)
        size = channels // cuts
        parts = tuple(
            _Part(weight[:, first : first + size], window, first, size, shift, zero)
            for shift, zero in (((0, OFFSET),) if dtype.bits == _BYTE else ((_BYTE, OFFSET), (0, 0)))
            for first in range(0, channels, size)
        )
        integer = torch.int32 if total < 1 << 31 else torch.int64
        text = f"int8: {largest} * {bound // largest} = {bound} < 2**24" + (
            f", {len(parts)} parts" if len(parts) > 1 else ""
        )
        return cls(parts, window, ones, zeros, integer, text)

    def __call__(self, x: Tensor) -> Tensor:
        """Exact sums of [N, C, H, W], channels last: float32 of one part, else integers."""
        x = self.prepared(x)
        if len(self.parts) == 1:
            return self._sums(self.parts[0], x)
        total = None
        for part in self.parts:
            sums = self._sums(part, x).to(self.integer)
            sums = sums << part.shift if part.shift else sums
            total = sums if total is None else total.add_(sums)
        assert total is not None
        return total

    @property
    def result(self) -> torch.dtype:
        """The type of the sums."""
        return torch.float32 if len(self.parts) == 1 else self.integer

    @staticmethod
    def prepared(x: Tensor) -> Tensor:
        """Features as they are read, which may be cut along the batch: int8 as uint8, channels last."""
        x = x.contiguous(memory_format=torch.channels_last)
        return _offset(x) if x.dtype == torch.int8 else x

    def _sums(self, part: _Part, x: Tensor) -> Tensor:
        x = x if part.count == x.shape[1] or self.window.groups > 1 else x[:, part.first : part.first + part.count]
        return _convolved(_byte(x, part), part, self.window, self.ones, self.zeros)


def _byte(x: Tensor, part: _Part) -> Tensor:
    """A byte of integers as uint8 with the part's zero point."""
    if x.dtype == torch.uint8:
        return x
    if part.shift:
        x = (x >> part.shift) + part.zero_point
    return x.to(torch.uint8)


def _offset(x: Tensor) -> Tensor:
    """int8 as uint8 with zero point 128; what was made of `x` before, if `x` is as it was then."""
    twin, version = getattr(x, _TWIN, (None, 0))
    if twin is not None and version == x._version:
        found: Tensor = twin
        return found
    made = (x ^ -OFFSET).view(torch.uint8)
    remember(x, made)
    return made


def remember(x: Tensor, twin: Tensor) -> None:
    """Keep with int8 integers the same plus 128, as uint8."""
    if not x.is_inference():  # those do not tell when they are written to
        setattr(x, _TWIN, (twin, x._version))


def _convolved(x: Tensor, part: _Part, window: Window, ones: Tensor, zeros: Tensor) -> Tensor:
    where = (list(window.stride), list(window.padding), list(window.dilation), window.groups)
    scaled = (x, 1.0, part.zero_point, part.packed, ones, zeros, None)
    out: Tensor = torch.ops.onednn.qconv_pointwise(*scaled, *where, 1.0, 0, torch.float32, "none", [], "")
    return out


def _packed(weight: Tensor, window: Window, ones: Tensor, zero_point: int) -> Tensor:
    where = (list(window.stride), list(window.padding), list(window.dilation), window.groups)
    packed: Tensor = torch.ops.onednn.qconv_prepack(weight.contiguous(), ones, 1.0, zero_point, *where, None)
    return packed


def _largest_sum(weight: Tensor, cuts: int) -> int:
    """The largest sum of |weight| over what one part of an output adds up."""
    return int(channel_sums(weight.reshape(len(weight) * cuts, -1)).max())


def _divisors(channels: int) -> list[int]:
    return [n for n in range(1, min(channels, _MOST_CUTS) + 1) if channels % n == 0]


@functools.cache
def available() -> bool:
    """Whether 8-bit kernels add in 32 bits here: the processor can, nothing forbids it, and a trial shows it."""
    limits = [os.environ[name].upper() for name in _ISA_VARIABLES if name in os.environ]
    if not all(any(word in limit for word in _ISA_WITH_32_BIT_SUMS) for limit in limits):
        return False
    supported: Any = getattr(torch.cpu, "_is_vnni_supported", None)
    if supported is None or not supported() or not hasattr(torch.ops.onednn, "qconv_pointwise"):
        return False
    return all(
        _adds_in_32_bits(channels, size, groups) for channels, size, groups in ((64, 1, 1), (64, 3, 1), (64, 3, 64))
    )


def _adds_in_32_bits(channels: int, size: int, groups: int) -> bool:
    """Whether the largest products of all arrive whole."""
    weight = torch.full((64, channels // groups, size, size), 127, dtype=torch.int8)
    ones, window = torch.ones(64), Window((1, 1), (0, 0), (1, 1), groups)
    part = _Part(weight, window, 0, channels, 0, OFFSET)
    x = torch.full((1, channels, 8, 8), 127, dtype=torch.int8).contiguous(memory_format=torch.channels_last)
    sums = _convolved(_offset(x), part, window, ones, torch.zeros(64, dtype=torch.int64))
    return bool((sums == 127 * 127 * weight[0].numel()).all())
