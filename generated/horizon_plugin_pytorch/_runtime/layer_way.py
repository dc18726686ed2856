# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/layer_way.py
"""A layer with a weight as one function of plain integers: sums of products and requantization, chosen once for its scales.

In: the proved ways to the sums and through the kernel. Out: `Way`, which looks nothing up and checks no scale: what a module
calls for its operands, and what a flat run (`flat_run`) calls without the module.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .exact import Accumulator
from .in_place import Program
from .int8_sums import Int8Sums
from .layout import IMAGE_DIMS
from .native_tail import NativeKernel
from .one_pass_conv import OnePassConv
from .one_pass_forms import OnePassRows, OnePassSpread
from .tail import Tail

_CACHED = 1 << 18
"""Sums, float32, that stay in a core's cache."""


@dataclass(frozen=True, slots=True)
class Way:
    """A layer for given scales; call it inside of a proved region, with the integers of its operands.

    Attributes:
        params: the derived integers that it was made for.
        tail: through the kernel.
        whole: all of the layer in one pass; None where there is no code for that.
        sums: to the sums of products, in 8 bits; None where that is not proved.
        accumulator: otherwise.
        axis: the dimension of the channels, from the end.
        sizes: how many sums an image of a size has, of the sizes that were met.
    """

    params: Any
    tail: Tail
    whole: OnePassConv | OnePassRows | OnePassSpread | None
    sums: Callable[[], Int8Sums | None]
    accumulator: Callable[[], Accumulator]
    axis: int
    sizes: dict[torch.Size, int] = field(default_factory=dict)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        """The layer's integers; of a batch with many sums some images at a time, so that these stay in the cache."""
        if self.whole is not None and (made := self.whole(x, *others)) is not None:
            return made
        sums, size = self.sums(), self.sizes.get(x.shape[1:], 0)
        if sums is None or size * x.shape[0] <= _CACHED:
            return self._at_once(x, *others)
        loop = self.tail.loop((sums.result, *[y.dtype for y in others]), self.axis, x.dim())
        if loop is None or any(y.shape[0] != x.shape[0] for y in others):
            return self._at_once(x, *others)
        return in_slices(sums, loop, max(1, _CACHED // size), self.axis, x, *others)

    def _at_once(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.tail(self.sums_of(x), *others, axis=self.axis)

    def sums_of(self, x: Tensor) -> Tensor:
        """The sums of products, as integers or as floats that are integers."""
        fast = self.sums()
        if fast is None:
            if x.dim() == IMAGE_DIMS:
                x = x.contiguous(memory_format=torch.channels_last)
            return self.accumulator().floats(x)
        sums = fast(x)
        self.sizes[x.shape[1:]] = sums.numel() // max(x.shape[0], 1)
        return sums


def in_slices(sums: Int8Sums, loop: NativeKernel | Program, step: int, axis: int, x: Tensor, *others: Tensor) -> Tensor:
    """The requantized sums of a batch, `step` images at a time."""
    read = sums.prepared(x)
    results: list[Tensor] = []
    for begin in range(0, len(x), step):
        part = slice(begin, begin + step)
        operands = (sums(read[part]), *(other[part] for other in others))
        if not results:
            results = loop.empty((len(x), *operands[0].shape[1:]), axis)
        loop.fill([result[part] for result in results], operands, axis)
    return loop.finished(results)
