# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_sums.py
"""Sums of integers over dimensions in one compiled pass, without a copy of them as wider integers.

In: int8 or int16 on the CPU. Out: the sums of torch, int64. The summed dimensions must lie beside each other in memory.
"""

import ctypes
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .exact import exact_sum, may_choose
from .native_build import library
from .native_loop import TYPES
from .one_pass import is_dense

_NARROW = (torch.int8, torch.int16)


def summed(x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """As `exact_sum`, compiled where there is code for the tensor; a scalar is left to torch."""
    dims = tuple(sorted(d % x.dim() for d in dims))
    groups = _groups(x, dims) if x.is_cpu and x.dtype in _NARROW and may_choose(x) and x.numel() else None
    run = None if groups is None else _compiled(x.dtype)
    if groups is None or run is None:
        return exact_sum(x, dims, keepdim)
    order, sizes = groups
    kept = [d for d in order if d not in dims]
    y = torch.empty([x.shape[d] for d in kept], dtype=torch.int64)
    run(x.data_ptr(), y.data_ptr(), *sizes, torch.get_num_threads())
    y = y.permute(sorted(range(len(kept)), key=kept.__getitem__))
    for d in dims if keepdim else ():
        y = y.unsqueeze(d)
    return y


def _groups(x: Tensor, dims: tuple[int, ...]) -> tuple[list[int], tuple[int, int, int]] | None:
    """The dimensions as they lie in memory; the sizes around and within those that are summed. None where these are apart."""
    order = sorted(range(x.dim()), key=lambda d: (x.shape[d] > 1, -x.stride()[d]))
    long = [d for d in order if x.shape[d] > 1]
    places = [place for place, d in enumerate(long) if d in dims]
    if not is_dense(x) or not places or len(places) <= places[-1] - places[0]:
        return None
    first, last = places[0], places[-1] + 1
    sizes = [x.shape[d] for d in long]
    return order, (math.prod(sizes[:first]), math.prod(sizes[first:last]), math.prod(sizes[last:]))


@functools.cache
def _compiled(kind: torch.dtype) -> Callable[..., None] | None:
    loop = Path(__file__).with_name("sums.h").read_text(encoding="utf-8")
    built = library(f"#include <stdint.h>\ntypedef {TYPES[kind]} element;\n{loop}")
    if built is None:
        return None
    run: Any = built.run
    run.argtypes, run.restype = (*[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, ctypes.c_int), None
    return run  # type: ignore[no-any-return]
