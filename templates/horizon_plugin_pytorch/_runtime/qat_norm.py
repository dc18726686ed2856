# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/qat_norm.py
"""Bases of standalone normalization: an affine map per channel, whose weight is an integer with a scale of its own.

In: running statistics, gamma and beta. Out: y = weight * x + bias with weight = gamma / sqrt(var + eps) on its integer
grid. In training the statistics are those of the batch, as in the float module.
"""

from typing import Any

import torch
from torch import Tensor

from ..dtype import qint8
from .bias_shift import HasBiasShift
from .qat_module import QATModule
from .quantized_weighted import QuantizedWeighted
from .weights import per_channel


class QATNorm(HasBiasShift, QATModule):
    """QAT form; a generated class says how the weight's scale follows from the weight."""

    _ROUNDED_AS = "weighted"
    weight: Any  # these are the float class's, a Tensor or None each
    bias: Any
    running_mean: Any
    running_var: Any
    eps: float

    def _set_up(self) -> None:
        if self.running_mean is None or self.running_var is None:
            msg = f"{type(self).__name__}: track_running_stats must be True, for integers need fixed statistics"
            raise ValueError(msg)
        super()._set_up()
        self._make_shift(self.running_mean.numel())

    def _scale_weight(self, weight: Tensor) -> Tensor:
        raise NotImplementedError

    def affine_map(self) -> tuple[Tensor, Tensor]:
        """(weight, bias) of the affine map that the running statistics make, float32 [C]."""
        weight: Tensor = torch.rsqrt(self.running_var + self.eps)
        if self.weight is not None:
            weight = weight * self.weight
        bias = -self.running_mean * weight
        return weight, bias if self.bias is None else bias + self.bias

    def integer_weight(self) -> tuple[Tensor, Tensor]:
        """(int8 weight, float32 scale), one of each a channel."""
        weight = self.affine_map()[0].detach()
        scale = self._scale_weight(weight)
        return self.kernels.quantize_weight(weight, scale, output=qint8), scale

    def forward(self, input: Tensor) -> Tensor:
        """Batch statistics in training; the integer grid's affine map otherwise, where the model quantizes."""
        x = self._admit(input)
        if self.training or not self.quantizes:
            normalized: Tensor = super().forward(x)
            return self._finish(self.moved(normalized))
        integers, scale = self.integer_weight()
        weight, bias = integers * scale, self.kernels.simulate_bias(self.shifted(self.affine_map()[1]))
        return self._finish(x * per_channel(weight, x.dim() - 2) + per_channel(bias, x.dim() - 2))


class QuantizedNorm(QuantizedWeighted):
    """Integer form: one integer weight a channel."""

    def _set_up(self, mod: Any) -> None:
        integers, scale = mod.integer_weight()
        self._set_weight(integers.reshape(-1, 1), scale, mod.shifted(mod.affine_map()[1]), groups=1)

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        return x * per_channel(weight.flatten(), self._TRAILING)
