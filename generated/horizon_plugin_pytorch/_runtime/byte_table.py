# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/byte_table.py
"""Any function of int8 integers to int8 integers as 256 entries: what its definition gives for each of them.

In: the function. Out: `ByteTable`, which looks them up in one pass. Nothing is to be proved: the definition was asked for all.
"""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .exact import by_definition
from .native_build import library
from .one_pass import is_dense


@dataclass(frozen=True, slots=True)
class ByteTable:
    """A table of the results for -128 .. 127; call it with int8 integers on the CPU.

    Attributes:
        run: the compiled loop.
        entries: int8 [256].
    """

    run: Callable[..., None]
    entries: Tensor

    @classmethod
    def of(cls, function: Callable[[Tensor], Tensor]) -> "ByteTable | None":
        """None where nothing can be compiled."""
        run = _compiled()
        if run is None:
            return None
        with by_definition(), torch.inference_mode(False):  # it outlives the caller's mode
            return cls(run, function(torch.arange(-128, 128).to(torch.int8)).contiguous())

    def __call__(self, x: Tensor) -> Tensor:
        """int8, of the shape of `x`, and as it lies in memory."""
        x = x if is_dense(x) else x.contiguous()
        y = torch.empty_like(x)
        self.run(self.entries.data_ptr(), x.data_ptr(), y.data_ptr(), x.numel(), torch.get_num_threads())
        return y


@functools.cache
def _compiled() -> Callable[..., None] | None:
    built = library(Path(__file__).with_name("byte_table.h").read_text(encoding="utf-8"))
    if built is None:
        return None
    run: Any = built.run
    run.argtypes, run.restype = (*[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_int), None
    return run  # type: ignore[no-any-return]
