# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/shares.py
"""Exponentials of int8 features as float shares of their sum.

In: a QTensor and a dimension. Out: float32 shares of the sum along it: a table of exponentials is made from the input's
scale, and each element's entry is divided by their sum. There is no output scale, so there is nothing to observe.
"""

from types import ModuleType

import torch
from torch import Tensor, nn

from .exact_qat import straight_through
from .qat_module import QATPassThrough
from .qtensor import QTensor
from .quantized_module import Input, QuantizedPassThrough, Scaled

_ENTRIES = 256
_RESULT = "float32"


def exponentials(kernels: ModuleType, scale: Tensor) -> Tensor:
    """The table of a scale: int32 [256], of differences -255 .. 0 to the largest element; made on the CPU."""
    differences = torch.arange(1 - _ENTRIES, 1, dtype=torch.int32)
    points = kernels.share_point(differences, scale.detach().cpu())
    table: Tensor = kernels.share_entry(torch.exp(points)).to(torch.int32)
    return table.to(scale.device)


def shares(kernels: ModuleType, x: Tensor, table: Tensor, dim: int) -> Tensor:
    """int8 elements to float32 of their shape."""
    picked = kernels.share_lookup(x, x.amax(dim, keepdim=True), table)
    total = picked.sum(dim, keepdim=True, dtype=torch.int32)
    out: Tensor = kernels.share_of_sum(picked, total)
    return out


def _of_values(x: Tensor, dim: int) -> Tensor:
    exponential = torch.exp(x - x.amax(dim, keepdim=True))
    return exponential / exponential.sum(dim, keepdim=True)


class Shares(nn.Module):
    """Exponentials over their sum along a dimension.

    Args:
        dim: the dimension whose elements sum to 1.
    """

    _OP: str

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Shares, of the input's shape."""
        return _of_values(x, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class QATShares(QATPassThrough):
    """The same with the values of the integers and the gradient of the float computation; the result is a plain tensor."""

    dim: int

    def forward(self, x: Tensor) -> Tensor:
        """Shares, of the input's shape, float32."""
        computed = _of_values(self._admit(x), self.dim)
        if not isinstance(x, QTensor) or not self.quantizes:
            return computed
        with torch.no_grad():
            values = shares(self.kernels, x.int_repr(), exponentials(self.kernels, x.q_scale()), self.dim)
        return straight_through(computed, values)

    def _result_dtype(self, x: QTensor) -> str:
        return _RESULT


class QuantizedShares(QuantizedPassThrough):
    """The same on integers."""

    dim: int

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Make the table; nothing is known of a float result."""
        if inputs[0] is not None:
            self.bound(self._derive, inputs[0])
        return None

    def _derive(self, x: Input) -> Tensor:
        return exponentials(self.kernels, x.q_scale())

    def forward(self, x: QTensor) -> Tensor:
        """int8 to float32 shares of the same shape."""
        return shares(self.compute, x.int_repr(), self.bound(self._derive, x), self.dim)

    def _result_dtype(self, x: Input) -> str:
        return _RESULT
