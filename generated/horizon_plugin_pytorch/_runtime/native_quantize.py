# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_quantize.py
"""float32 to integers in one compiled pass, which also brings the channels of images last.

In: what enters an integer region. Out: the very integers of the march's kernel. How quotients are rounded is the march's C
text; that they saturate at the ends of the dtype and that NaN is 0 is said in quantize.h.
"""

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..kernels import load
from .dtype import QuantDType
from .exact import may_choose
from .layout import IMAGE_DIMS
from .native_build import library

_TYPES = {torch.int8: "int8_t", torch.int16: "int16_t"}
_MOST_CHANNELS = 16
_ARGUMENTS = (*[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, *[ctypes.c_float] * 3, ctypes.c_int)


def quantized(x: Tensor, scale: Tensor, dtype: QuantDType, march: str) -> Tensor | None:
    """The integers of a float32 tensor with one scale; None where there is no code for that.

    Images of few channels come out with the channels last, other tensors as they lie.
    """
    plain = may_choose(x) and x.dtype is torch.float32 and x.device.type == "cpu" and scale.numel() == 1
    run = _compiled(march, dtype.storage) if plain and dtype.storage in _TYPES else None
    if run is None or not x.numel():
        return None
    if x.dim() == IMAGE_DIMS and x.is_contiguous() and x.shape[1] <= _MOST_CHANNELS:
        made = torch.empty(x.shape, dtype=dtype.storage, memory_format=torch.channels_last)
        sizes = (x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
    elif x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last):
        made, sizes = torch.empty_like(x, dtype=dtype.storage), (1, 1, x.numel())
    else:
        return None
    ends = (float(scale), dtype.min, dtype.max)
    run(x.data_ptr(), made.data_ptr(), *sizes, *ends, torch.get_num_threads())
    return made


@functools.cache
def _compiled(march: str, storage: torch.dtype) -> Callable[..., None] | None:
    loop = Path(__file__).with_name("quantize.h").read_text(encoding="utf-8")
    header = "#include <math.h>\n#include <stdint.h>\n"
    built = library(f"{header}{load(march).FLOATS_C}typedef {_TYPES[storage]} element;\n{loop}")
    if built is None:
        return None
    run: Any = built.run
    run.argtypes, run.restype = _ARGUMENTS, None
    return run  # type: ignore[no-any-return]
