# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_loop.py
"""Compiled loops over a kernel: one pass from its operands to its result.

In: a chain of kernels (each applied to the result of the one before), the types of operands and result, and which derived
integers run along the channels. Out: a function over memory. The kernels are the C functions of <march>.h, generated from the
formulas; here is only the loop around them.
"""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .native_build import library

_TYPES = {torch.float32: "float", torch.int32: "int32_t", torch.int16: "int16_t", torch.int8: "int8_t"}
_PIECE = 4096
"""Elements that a thread takes at a time where nothing runs along the channels."""
_LOOP = """
void run(int64_t total, int64_t step, int32_t threads, {arguments})
{{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t begin = 0; begin < total; begin += step) {{
        const int64_t count = total - begin < step ? total - begin : step;
        for (int64_t c = 0; c < count; ++c) {{
            out[begin + c] = ({result})({value});
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
        arguments = ", ".join([*operands, *params, *ends, f"{kind} *restrict out"])
        loop = _LOOP.format(arguments=arguments, result=kind, value=value)
        return "\n".join([_text(Path(__file__).with_name("elements.h")), _text(self.header), loop])


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def compiled(loop: Loop) -> Callable[..., None] | None:
    """(total, step, threads, addresses of operands and derived integers, ends, address of the result) -> None.

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
    run.argtypes += [*[ctypes.c_int32] * loop.ends, ctypes.c_void_p]
    run.restype = None
    return run


def header_of(kernels: ModuleType) -> Path:
    """The C functions beside the torch kernels of a march."""
    return Path(str(kernels.__file__)).with_suffix(".h")


@dataclass(frozen=True, slots=True)
class NativeKernel:
    """A compiled loop with its derived integers, int32; call it with dense rows.

    Attributes:
        loop: all but the types of the operands.
        params: contiguous int32.
        ends: of the dtypes of the first kernel, in order.
    """

    loop: Loop
    params: tuple[Tensor, ...]
    ends: tuple[int, ...]

    def __call__(self, rows: list[Tensor], out: Tensor) -> bool:
        """Fill `out`; False where no loop is to be had for these types."""
        kinds = tuple(row.dtype for row in rows)
        run = compiled(self.loop if kinds == self.loop.operands else _of_types(self.loop, kinds))
        if run is None:
            return False
        step = out.shape[-1] if any(self.loop.varying) else _PIECE
        addresses: list[Any] = [tensor.data_ptr() for tensor in (*rows, *self.params)]
        run(out.numel(), step, torch.get_num_threads(), *addresses, *self.ends, out.data_ptr())
        return True


@functools.cache
def _of_types(loop: Loop, kinds: tuple[torch.dtype, ...]) -> Loop:
    return Loop(loop.header, loop.kernels, kinds, loop.result, loop.varying, loop.ends)
