# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_loop.py
"""Compiled loops over a kernel: one pass from its operands to its result.

In: a chain of kernels (each applied to the result of the one before), the types of operands and result, and which derived
integers run along the channels. Out: a function over memory. The kernels are the C functions of <march>.h, generated from the
formulas; here is only the loop around them. That no result overlaps an operand is said at the inner loop, for what is said of
pointers does not reach the bodies that threads run.
"""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from .int8_sums import OFFSET, remember
from .native_build import library

_TYPES = {torch.float32: "float", torch.int32: "int32_t", torch.int16: "int16_t", torch.int8: "int8_t"}
_OF_IMAGES = -3
_PIECE = 4096
"""Elements that a thread takes at a time where nothing runs along the channels."""
_LOOP = """
void run(int64_t total, int64_t step, int32_t threads, {arguments})
{{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t begin = 0; begin < total; begin += step) {{
        const int64_t count = total - begin < step ? total - begin : step;
#pragma omp simd
        for (int64_t c = 0; c < count; ++c) {{
            const int32_t y = {value};
            out[begin + c] = ({result})y;{twin}
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Loop:
    """What a loop is compiled for.

    Attributes:
        header: the march's C functions.
        kernels: names; the first takes the operands, each further one the result so far.
        operands: types of the operands.
        result: type of the result.
        varying: of each derived integer, whether it runs along the channels.
        ends: how many ends of dtypes the first kernel takes.
    """

    header: Path
    kernels: tuple[str, ...]
    operands: tuple[torch.dtype, ...]
    result: torch.dtype
    varying: tuple[bool, ...]
    ends: int

    @property
    def twins(self) -> bool:
        """Whether it also writes what the next sums of products read: int8 results plus 128."""
        return self.result == torch.int8

    def source(self) -> str:
        """The C file."""
        operands = [f"const {_TYPES[kind]} *restrict x{i}" for i, kind in enumerate(self.operands)]
        params = [f"const int32_t *restrict p{i}" for i in range(len(self.varying))]
        ends = [f"int32_t end{i}" for i in range(self.ends)]
        read = [f"(int32_t)x{i}[begin + c]" for i in range(len(self.operands))]
        read += [f"p{i}[{'c' if varies else '0'}]" for i, varies in enumerate(self.varying)]
        read += [f"end{i}" for i in range(self.ends)]
        value = f"{self.kernels[0]}({', '.join(read)})"
        for name in self.kernels[1:]:
            value = f"{name}({value})"
        kind = _TYPES[self.result]
        results = [f"{kind} *restrict out", *(["uint8_t *restrict twin"] if self.twins else [])]
        arguments = ", ".join([*operands, *params, *ends, *results])
        twin = f"\n            twin[begin + c] = (uint8_t)(y + {OFFSET});" if self.twins else ""
        loop = _LOOP.format(arguments=arguments, result=kind, value=value, twin=twin)
        return "\n".join([_text(Path(__file__).with_name("elements.h")), _text(self.header), loop])


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def compiled(loop: Loop) -> Callable[..., None] | None:
    """(total, step, threads, addresses of operands and derived integers, ends, addresses of the results) -> None.

    None where the march has no C functions, one of the kernels is not among them, or nothing can be compiled here.
    """
    known = {*loop.operands, loop.result} <= set(_TYPES)
    if not known or not loop.header.exists() or not all(f" {name}(" in _text(loop.header) for name in loop.kernels):
        return None
    built = library(loop.source())
    if built is None:
        return None
    run = built.run
    pointers = len(loop.operands) + len(loop.varying)
    run.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_int32, *[ctypes.c_void_p] * pointers]
    run.argtypes += [*[ctypes.c_int32] * loop.ends, *[ctypes.c_void_p] * (1 + loop.twins)]
    run.restype = None
    return run


def header_of(kernels: ModuleType) -> Path:
    """The C functions beside the torch kernels of a march."""
    return Path(str(kernels.__file__)).with_suffix(".h")


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
        step = result.shape[axis] if any(self.loop.varying) else _PIECE
        addresses = [x.data_ptr() for x in (*dense, *self.params)]
        run(result.numel(), step, torch.get_num_threads(), *addresses, *self.ends, *[x.data_ptr() for x in results])

    def finished(self, results: list[Tensor]) -> Tensor:
        """The result, which knows its twin."""
        if self.loop.twins:
            remember(*results)
        return results[0]

    def _run(self, kinds: tuple[torch.dtype, ...]) -> Callable[..., None] | None:
        if kinds not in self.runs:
            self.runs[kinds] = compiled(self.loop if kinds == self.loop.operands else _of_types(self.loop, kinds))
        return self.runs[kinds]


def _layout(axis: int) -> torch.memory_format:
    return torch.contiguous_format if axis == -1 else torch.channels_last


@functools.cache
def _of_types(loop: Loop, kinds: tuple[torch.dtype, ...]) -> Loop:
    return Loop(loop.header, loop.kernels, kinds, loop.result, loop.varying, loop.ends)
