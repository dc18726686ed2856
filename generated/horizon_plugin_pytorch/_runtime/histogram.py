# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/histogram.py
"""How many values of a tensor lie in each of some bins of one width: what observers search in instead of the tensor.

In: finite float32 values. Out: int64 counts. Which bin a value is in is decided in float64, in the same way by compiled
code (histogram.h), which takes a few times as long as copying the tensor, and by torch operations, which take ten times as long as that.
"""

import ctypes
import functools
import math
from pathlib import Path

import torch
from torch import Tensor

from .native_build import library
from .one_pass import is_dense, is_plain
from .passes import compiled_code_is_off


def counts_of(x: Tensor, lowest: float, width: float, bins: int, *, magnitudes: bool = False) -> Tensor:
    """How many values lie in each bin; values below the first bin count in it, and those beyond the last in that.

    Args:
        x: float32, finite, any shape.
        lowest: where the first bin starts.
        width: of a bin, positive.
        bins: how many, less than 2^31.
        magnitudes: count |x|.

    Returns:
        int64 [bins].
    """
    counted = _compiled(x, lowest, width, bins, magnitudes=magnitudes)
    if counted is not None:
        return counted
    values = (x.abs() if magnitudes else x).to(torch.float64).flatten()
    return torch.bincount(((values - lowest) / width).clamp_(0, bins - 1).to(torch.int64), minlength=bins)


def _compiled(x: Tensor, lowest: float, width: float, bins: int, *, magnitudes: bool) -> Tensor | None:
    if not is_plain(x) or x.dtype is not torch.float32 or not is_dense(x) or compiled_code_is_off():
        return None
    built = library(_text())
    if built is None:
        return None
    counts = torch.zeros(bins, dtype=torch.int64)
    place = [ctypes.c_double(number) for number in (lowest, math.inf, width)]
    elements = (ctypes.c_void_p(x.data_ptr()), ctypes.c_int64(x.numel()), int(magnitudes))
    into = (ctypes.c_int64(bins), ctypes.c_void_p(counts.data_ptr()), torch.get_num_threads())
    return counts if built.count(*elements, *place, *into) else None


@functools.cache
def _text() -> str:
    return Path(__file__).with_name("histogram.h").read_text(encoding="utf-8")
