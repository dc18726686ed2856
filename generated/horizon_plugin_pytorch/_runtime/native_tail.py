# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_tail.py
"""A compiled loop behind sums of products: operands of one shape, derived integers along the channels.

In: the kernels behind the sums and their derived integers. Out: `NativeKernel`, which fills memory, also piece by piece.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .int8_sums import remember
from .native_loop import DIMS, Loop, Read, compiled

_OF_IMAGES = -3


@dataclass(frozen=True, slots=True)
class NativeKernel:
    """A compiled loop with its derived integers; for operands of one shape.

    Attributes:
        loop: for the types in which operands are expected.
        params: contiguous int32, [1] or [channels].
        ends: of the dtypes of the first kernel, in order.
        runs: the loops for the types of operands that were met.
    """

    loop: Loop
    params: tuple[Tensor, ...]
    ends: tuple[int, ...]
    runs: dict[tuple[torch.dtype, ...], Callable[..., None] | None] = field(default_factory=dict, repr=False)

    def takes(self, kinds: tuple[torch.dtype, ...], axis: int, dims: int) -> bool:
        """Whether there is a loop for operands of these types, with the channels at the end or where those of images are."""
        image = axis == _OF_IMAGES and dims == 1 - _OF_IMAGES
        return (axis == -1 or image) and self._run(kinds) is not None

    def empty(self, shape: tuple[int, ...], axis: int) -> list[Tensor]:
        """Memory for the result, and for its twin where the loop writes one."""
        kinds = (self.loop.result, *([torch.uint8] if self.loop.twins else []))
        return [torch.empty(shape, dtype=kind, memory_format=_layout(axis)) for kind in kinds]

    def fill(self, results: list[Tensor], operands: tuple[Tensor, ...], axis: int) -> None:
        """Compute into memory that lies as `empty` gives it, or a part of it along the first dimension."""
        run = self._run(tuple([x.dtype for x in operands]))
        assert run is not None, "takes() was asked"
        layout, result = _layout(axis), results[0]
        dense = [x.contiguous(memory_format=layout) for x in operands]
        varies, total = any(read.steps for read in self.loop.reads[len(dense) :]), result.numel()
        row = result.shape[axis] if varies else total
        sizes = (ctypes.c_int64 * DIMS)(1, 1, total // max(row, 1), row)
        steps = (0, 0, row) * len(dense) + (0, 0, 0) * len(self.params)
        strides = (ctypes.c_int64 * len(steps))(*steps)
        addresses = [x.data_ptr() for x in (*dense, *self.params)]
        run(sizes, strides, torch.get_num_threads(), *addresses, *self.ends, *[x.data_ptr() for x in results])

    def finished(self, results: list[Tensor]) -> Tensor:
        """The result, which knows its twin."""
        if self.loop.twins:
            remember(*results)
        return results[0]

    def _run(self, kinds: tuple[torch.dtype, ...]) -> Callable[..., None] | None:
        if kinds not in self.runs:
            reads = (*(Read(kind, True) for kind in kinds), *self.loop.reads[len(kinds) :])
            self.runs[kinds] = compiled(replace(self.loop, reads=reads))
        return self.runs[kinds]


def _layout(axis: int) -> torch.memory_format:
    return torch.contiguous_format if axis == -1 else torch.channels_last
