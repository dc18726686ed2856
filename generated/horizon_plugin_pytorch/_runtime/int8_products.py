# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/int8_products.py
"""Exact sums of products as products of 8-bit matrices, for graphs that a compiler makes code of.

In: an int8 weight [out, in / groups, h, w] with where its window moves, or [out, in]. Out: a function from int8 features to
int32 sums, of torch operators: the features of a window are gathered by slices, and `torch._int_mm`, which runs on the tensor
cores of a GPU, multiplies int8 and adds in int32. A window of each channel alone is summed tap by tap, which a compiler puts
into one pass with what follows. No float arithmetic is involved, whose algorithms on a GPU may round.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .dtype import QuantDType
from .int8_sums import Window
from .interval import INT32

_MULTIPLE = 8
_LEAST_ROWS = 32
"""What `torch._int_mm` demands on a GPU: multiples of 8, and more than 16 rows."""
_BYTE = 8


class _Products(threading.local):
    wanted = False


_PRODUCTS = _Products()


@contextmanager
def int8_products() -> Iterator[None]:
    """Record sums of products as products of 8-bit matrices, and what follows them in int32, where that is proved."""
    before, _PRODUCTS.wanted = _PRODUCTS.wanted, True
    try:
        yield
    finally:
        _PRODUCTS.wanted = before


def wants_products() -> bool:
    """Whether sums of products are to be products of 8-bit matrices."""
    return _PRODUCTS.wanted


@dataclass(frozen=True, slots=True)
class Int8Products:
    """A multiply-accumulate with a fixed weight; call it with int8 features.

    Attributes:
        matrix: int8 [in * h * w, out], filled up with zeros to multiples; of each channel alone int32 [h * w, out].
        outputs: how many columns count.
        size: (h, w); None where there is no window.
        window: where it moves; None likewise.
        proof: why int32 holds the sums.
    """

    matrix: Tensor
    outputs: int
    size: tuple[int, int] | None
    window: Window | None
    proof: str

    @classmethod
    def prove(cls, weight: Tensor, sums: Tensor, window: Window | None, dtype: QuantDType) -> "Int8Products | None":
        """For features of a dtype; None where there is no such form.

        Args:
            weight: int8 [out, in / groups, h, w] with a window, else [out, in].
            sums: of |weight|, int64 [out].
            window: where it moves.
            dtype: of the features.
        """
        largest = max(-dtype.min, dtype.max) * int(sums.max())
        if weight.dtype != torch.int8 or dtype.bits > _BYTE or largest > INT32.max:
            return None
        proof, out = f"int8 matrix: {largest} < 2**31", len(weight)
        if window is None:
            return cls(_filled_up(weight.t()), out, None, None, proof) if weight.dim() == 2 else None  # noqa: PLR2004 - [out, in]
        size = (weight.shape[2], weight.shape[3])
        rows = weight.permute(2, 3, 1, 0).reshape(-1, out)
        if window.groups == 1:
            return cls(_filled_up(rows), out, size, window, proof)
        alone = window.groups == out and weight.shape[1] == 1
        return cls(rows.to(torch.int32), out, size, window, proof) if alone else None

    def __call__(self, x: Tensor) -> Tensor:
        """int32 [N, out, H, W] of int8 [N, in, H, W], or [..., out] of [..., in]."""
        if self.window is None or self.size is None:
            return self._products(x)
        taps = _taps(x.permute(0, 2, 3, 1), self.size, self.window)
        if self.window.groups == 1:
            return self._products(torch.cat(taps, -1) if len(taps) > 1 else taps[0]).permute(0, 3, 1, 2)
        total = taps[0] * self.matrix[0]
        for tap, row in zip(taps[1:], self.matrix[1:], strict=True):
            total = total + tap * row
        return total.permute(0, 3, 1, 2)

    def _products(self, x: Tensor) -> Tensor:
        """int32 [..., out] of [..., in]."""
        rows = x.reshape(-1, x.shape[-1])
        count = rows.shape[0]
        missing = (0, self.matrix.shape[0] - rows.shape[1], 0, max(_LEAST_ROWS - count, 0))
        made = torch._int_mm(functional.pad(rows, missing) if any(missing) else rows.contiguous(), self.matrix)
        return made[:count, : self.outputs].reshape(*x.shape[:-1], self.outputs)


def _taps(x: Tensor, size: tuple[int, int], window: Window) -> list[Tensor]:
    """For each place within the window the features [N, H, W, C] under it, wherever the window is."""
    high, wide = window.padding
    x = functional.pad(x, (0, 0, wide, wide, high, high)) if high or wide else x
    reach = [dilation * (n - 1) for dilation, n in zip(window.dilation, size, strict=True)]
    ends = [x.shape[1 + i] - reach[i] for i in range(2)]
    starts = [[dilation * k for k in range(n)] for dilation, n in zip(window.dilation, size, strict=True)]
    down, right = window.stride
    return [x[:, i : i + ends[0] : down, j : j + ends[1] : right] for i in starts[0] for j in starts[1]]


def _filled_up(matrix: Tensor) -> Tensor:
    rows, columns = (-n % _MULTIPLE for n in matrix.shape)
    return functional.pad(matrix, (0, columns, 0, rows)).contiguous()
