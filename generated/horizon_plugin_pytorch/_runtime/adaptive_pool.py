# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/adaptive_pool.py
"""Averages over windows that follow from the output size, of [N, C, H, W] and of [N, C, L].

In: an output size that divides the input's. Out: QAT and quantized modules that average as fixed windows do: the stride is
input // output, a window is input - (output - 1) * stride long (numerics 6.6), its sum is an exact integer.
"""

from typing import Any

from torch import Tensor

from .exact import exact_sum
from .layout import IMAGE_DIMS
from .native_sums import summed
from .qat_module import QATModule
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule

_WITHIN = (3, 5)  # the dimensions inside of a window, once windows are apart
_LONGEST = 256  # elements of a window along one dimension


def _windows(module: Any, x: Tensor, axes: int) -> tuple[int, int]:
    """(height, width) of the windows; along each dimension they are also the stride.

    Raises:
        ValueError: the output size does not divide the input's, or a window is too long.
    """
    if x.dim() != axes + 2:
        raise ValueError(f"{type(module).__name__}: takes {axes + 2} dimensions, not {list(x.shape)}")
    asked = module.output_size if isinstance(module.output_size, tuple | list) else (module.output_size,) * axes
    sizes = [_window(module, int(size), out) for size, out in zip(x.shape[2:], asked, strict=True)]
    height, width = [1] * (2 - axes) + sizes
    return height, width


def _window(module: Any, size: int, asked: int | None) -> int:
    out = size if asked is None else int(asked)
    if out < 1 or size % out:
        raise ValueError(
            f"{type(module).__name__}: output size {out} does not divide input size {size}, so windows differ in length; "
            f"use an output size that divides it, or resize the input"
        )
    if size // out > _LONGEST:
        raise ValueError(
            f"{type(module).__name__}: a window of {size // out} elements is longer than {_LONGEST}; pool in two steps"
        )
    return size // out


def _apart(x: Tensor, window: tuple[int, int]) -> Tensor:
    """Windows by themselves: [N, C, h, kh, w, kw]; as sizes divide, they do not overlap."""
    kh, kw = window
    rows = x.shape[2] // kh if x.dim() == IMAGE_DIMS else 1
    return x.reshape(*x.shape[:2], rows, kh, x.shape[-1] // kw, kw)


class QATEvenWindows(QATModule):
    """Averages of fake-quantized [N, C, H, W]."""

    _KERNEL: str
    output_size: Any
    _axes = 2

    def forward(self, input: Tensor) -> Tensor:
        """The mean of each window as the march divides."""
        values = self._admit(input)
        kh, kw = _windows(self, values, self._axes)
        total = _apart(values, (kh, kw)).sum(_WITHIN)
        means: Tensor = getattr(self.kernels, f"simulate_{self._KERNEL}")(total, kh=kh, kw=kw)
        return self._finish(means.flatten(2) if self._axes == 1 else means)


class QATEvenWindows1d(QATEvenWindows):
    """Averages of fake-quantized [N, C, L]."""

    _axes = 1


class QuantizedEvenWindows(QuantizedModule):
    """Averages of integers [N, C, H, W]."""

    _KERNEL: str
    output_size: Any
    _axes = 2

    def forward(self, input: QTensor) -> QTensor:
        """Integers in, integers out."""
        x = input.int_repr()
        window = _windows(self, x, self._axes)
        total = (summed if self.compiles else exact_sum)(_apart(x, window), _WITHIN, False)
        divided = getattr(self.compute, self._KERNEL)
        means = divided(total, self.bound(self._derive, input, *window), output=self.dtype)
        return self._result(means.flatten(2) if self._axes == 1 else means)

    def _derive(self, x: Input, kh: int, kw: int) -> Any:
        derive = getattr(self.kernels, f"derive_{self._KERNEL}")
        return derive(s_in=x.q_scale(), s_out=self.scale, kh=kh, kw=kw, output=self.dtype)


class QuantizedEvenWindows1d(QuantizedEvenWindows):
    """Averages of integers [N, C, L]."""

    _axes = 1
