# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantized_window.py
"""Bases of quantized pools: the mean and the maximum of windows, as compiled loops where a compiler is at hand.

In: int8 or int16 images. Out: the integers that the generated classes define by torch functions. A mean is a convolution of
each channel by itself with weights 1 and the march's kernel behind the sums; a maximum has a loop of its own.
"""

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.utils import _pair

from .dtype import QuantDType
from .exact import exact_float, exact_window_sum, may_choose
from .int8_sums import Window
from .layout import IMAGE_DIMS
from .native_build import library
from .one_pass_conv import OnePassConv
from .qtensor import QTensor
from .quantized_module import QuantizedOwnOrInputScale, QuantizedPassThrough
from .tail import Chain, Tail

_TYPES = {torch.int8: "int8_t", torch.int16: "int16_t"}


class _Window(ctypes.Structure):
    """`struct window` of window_max.h."""

    _fields_ = tuple((name, ctypes.c_int64 * 2) for name in ("size", "stride", "padding", "dilation"))


class QuantizedWindowMean(QuantizedOwnOrInputScale):
    """The mean of each window: an exact sum, then the march's kernel."""

    kernel_size: Any
    stride: Any
    padding: Any
    ceil_mode: Any

    def _total(self, x: Tensor) -> Tensor:
        """Sums of windows, on float tensors; a generated class says how."""
        raise NotImplementedError

    def _mean(self, kernel: Callable[..., Tensor], p: Any, x: QTensor, dtype: QuantDType) -> Tensor:
        """The output's integers: `kernel` with the derived integers `p`, of exact sums."""
        high, wide = _pair(self.kernel_size)
        made = self._in_one_pass(kernel, p, x, dtype)
        if made is not None:
            return made
        return kernel(exact_window_sum(self._total, x.int_repr(), high * wide, x.dtype), p, output=dtype)

    def _in_one_pass(self, kernel: Callable[..., Tensor], p: Any, x: QTensor, dtype: QuantDType) -> Tensor | None:
        integers = x.int_repr()
        if not self.compiles or self.ceil_mode or integers.dim() != IMAGE_DIMS or not may_choose(integers):
            return None
        channels = integers.shape[1]
        known, conv = self._convs.get(channels, (None, None))
        if known is not p:
            conv = self._conv(kernel, p, x.dtype, dtype, channels)
            self._convs[channels] = p, conv
        return None if conv is None else conv(integers)

    def _conv(
        self, kernel: Callable[..., Tensor], p: Any, source: QuantDType, dtype: QuantDType, channels: int
    ) -> OnePassConv | None:
        """The convolution with weights 1; None where there is no code for it."""
        high, wide = _pair(self.kernel_size)
        stride = self.kernel_size if self.stride is None else self.stride
        window = Window(_pair(stride), _pair(self.padding), (1, 1), channels)
        ends = torch.tensor([source.min]) * high * wide, torch.tensor([source.max]) * high * wide
        tail = Tail.prove(Chain((kernel,)), p, (ends,), {"output": dtype})
        return OnePassConv.prove(torch.ones(channels, 1, high, wide, dtype=torch.int8), window, tail.program, 0)

    def _forget(self) -> None:
        super()._forget()
        self._convs: dict[int, tuple[Any, OnePassConv | None]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_convs": {}}


class QuantizedWindowMax(QuantizedPassThrough):
    """The largest integer of each window."""

    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any
    ceil_mode: Any

    def _select(self, x: Tensor) -> Tensor:
        """Maxima of windows, on float tensors; a generated class says how."""
        raise NotImplementedError

    def _largest(self, x: Tensor) -> Tensor:
        """The maxima of integers."""
        made = self._in_one_pass(x) if self.compiles and may_choose(x) else None
        return exact_float(self._select, x) if made is None else made

    def _in_one_pass(self, x: Tensor) -> Tensor | None:
        """The same compiled; None where there is no code for it."""
        if self.ceil_mode or x.dim() != IMAGE_DIMS or x.device.type != "cpu" or x.dtype not in _TYPES:
            return None
        stride = self.kernel_size if self.stride is None else self.stride
        size, stride, padding, dilation = map(_pair, (self.kernel_size, stride, self.padding, self.dilation))
        down, across = (
            (x.shape[2 + i] + 2 * padding[i] - dilation[i] * (size[i] - 1) - 1) // stride[i] + 1 for i in range(2)
        )
        run = _compiled(x.dtype) if min(*x.shape, down, across) > 0 else None
        if run is None:
            return None
        images, channels, high, wide = x.shape
        read = x.contiguous(memory_format=torch.channels_last)
        out = torch.empty((images, channels, down, across), dtype=x.dtype, memory_format=torch.channels_last)
        window = _Window(*((ctypes.c_int64 * 2)(*pair) for pair in (size, stride, padding, dilation)))
        shape = (images, high, wide, channels, down, across)
        run(ctypes.byref(window), *shape, read.data_ptr(), out.data_ptr(), torch.get_num_threads())
        return out


@functools.cache
def _compiled(kind: torch.dtype) -> Callable[..., None] | None:
    loop = Path(__file__).with_name("window_max.h").read_text(encoding="utf-8")
    built = library(f"#include <stdint.h>\ntypedef {_TYPES[kind]} element;\n{loop}")
    if built is None:
        return None
    run: Any = built.run
    run.argtypes = (ctypes.c_void_p, *[ctypes.c_int64] * 6, *[ctypes.c_void_p] * 2, ctypes.c_int)
    run.restype = None
    return run  # type: ignore[no-any-return]
