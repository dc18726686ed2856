# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/affine_grid.py
"""Grids of (x, y) that matrices make of the regular places of samples, as warping reads them.

In: matrices [N, 2, 3]. Out: float, QAT and quantized modules that give [N, h, w, 2]. The grid has a fixed scale of 16 bits;
both scales, and how products are summed, the march's kernels say.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..dtype import qint16
from .errors import ArgumentError
from .exact import exact_product
from .fake_quantize import FakeQuantize
from .observers import FixedScaleObserver
from .qat_module import QATModule
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule

_SIZES = (2, 4)
_COORDINATES = 3  # x, y and 1


class AffineGrid(nn.Module):
    """torch's function that makes grids of matrices, as a module.

    Args:
        size: (h, w) of the grid, or of the output [N, C, h, w] that it is for.
        align_corners: whether -1 and 1 are the centers of the corner elements, or their outer edges.

    Raises:
        ArgumentError: neither two nor four sizes.
    """

    _OP: str
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, size: Sequence[int], align_corners: bool | None = None) -> None:
        super().__init__()
        if len(size) not in _SIZES:
            raise ArgumentError(f"size must be (h, w) or [N, C, h, w], not {list(size)}")
        self.size = (int(size[-2]), int(size[-1]))
        self.align_corners = align_corners

    def forward(self, theta: Tensor) -> Tensor:
        """[N, 2, 3] to [N, h, w, 2]."""
        return self._function(theta, [theta.shape[0], 1, *self.size], bool(self.align_corners))

    def extra_repr(self) -> str:
        """What was asked for."""
        return f"size={self.size}, align_corners={self.align_corners}"


class QATAffineGrid(QATModule):
    """The grid of fake-quantized matrices, at its fixed scale."""

    size: tuple[int, int]
    align_corners: bool | None
    _function: ClassVar[Callable[..., Tensor]]

    def _set_up(self) -> None:
        scale = self.kernels.affine_grid_scale(torch.tensor(1.0))
        self.activation_post_process = FakeQuantize(observer=FixedScaleObserver, scale=scale, dtype=qint16)

    def forward(self, theta: Tensor) -> Tensor:
        """[N, 2, 3] to [N, h, w, 2]."""
        values = self._admit(theta)
        grid = self._function(values, [values.shape[0], 1, *self.size], bool(self.align_corners))
        return self._finish(grid)


class QuantizedAffineGrid(QuantizedModule):
    """Sums of products of integers: places of 16 bits times matrices of 8 or 16."""

    size: tuple[int, int]
    align_corners: bool | None

    def forward(self, theta: QTensor) -> QTensor:
        """int8 or int16 [N, 2, 3] to int16 [N, h, w, 2]."""
        base, degrading, finishing = self.bound(self._derive, theta)
        matrices = self.compute.requantize(theta.int_repr(), degrading, output=theta.dtype)
        sums = exact_product(torch.matmul, base, matrices.transpose(1, 2), _COORDINATES)
        grid = self.compute.matmul(sums, finishing, output=self.dtype)
        return self._result(grid.reshape(-1, *self.size, 2))

    def _derive(self, theta: Input) -> tuple[Tensor, Any, Any]:
        """The places [h * w, 3], and what the kernels need to degrade matrices and to finish sums."""
        k, scale = self.kernels, theta.q_scale()
        s_base = k.base_grid_scale(torch.ones_like(scale))
        base = k.quantize_activation(self._places(scale.device), s_base, output=qint16)
        base = k.requantize(base, self._degrading(s_base, qint16), output=qint16)
        s_product = k.product_scale(scale, s_y=s_base, input=theta.dtype, other=qint16, n=_COORDINATES)
        finishing = k.derive_matmul(s_in=s_product, s_out=self.scale, output=self.dtype)
        return base, self._degrading(scale, theta.dtype), finishing

    def _degrading(self, scale: Tensor, dtype: Any) -> Any:
        s_out = self.kernels.matmul_scale(scale, input=dtype, n=_COORDINATES)
        return self.kernels.derive_requantize(s_in=scale, s_out=s_out, input=dtype, output=dtype)

    def _places(self, device: torch.device) -> Tensor:
        """(x, y, 1) of every sample: float32 [h * w, 3]."""
        y, x = (_line(size, bool(self.align_corners), device) for size in self.size)
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        return torch.stack((columns, rows, torch.ones_like(rows)), dim=-1).reshape(-1, _COORDINATES)


def _line(size: int, aligned: bool, device: torch.device) -> Tensor:
    """Places along a dimension, -1..1; a single one is the middle."""
    if size == 1:
        return torch.zeros(1, device=device)
    line = torch.linspace(-1, 1, size, device=device)
    return line if aligned else line * ((size - 1) / size)
