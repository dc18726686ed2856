# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/qat_modes.py
"""QAT with live normalizations: the base of the weighted QAT modules that keep theirs until conversion.

In: a fused container with a normalization, made under one of two QAT modes. Out: a QAT module that in training normalizes
by the batch and keeps statistics, and in evaluation computes what it will be converted to: the folded layer.

WithBN fake-quantizes the weight and normalizes the product. WithBNReverseFold fake-quantizes the folded weight, divides
the product by the factor of the folding and normalizes that, so that the weight's scale is the one of deployment.
"""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from .._marches import TRAITS
from ..qat_mode import QATMode, get_qat_mode
from .errors import ArgumentError
from .fake_quantize import FakeQuantize, fake_quantize_values
from .fold import fold_bias, fold_factor
from .fused_module import FusedModule
from .module_tree import adopt
from .observers import FixedScaleObserver
from .qat_module import QATWeighted, raw
from .qconfig import QConfig
from .recording import is_on
from .weights import as_stored, out_channels_first, per_channel


class QATWithNorm(QATWeighted):
    """A weighted QAT module that keeps its normalization.

    Attributes:
        bn: the normalization; its own mode says whether it uses the statistics of the batch, so freeze it by `bn.eval()`.
        reverse_fold: whether the weight is folded before it is fake-quantized.
    """

    _FOLDED: ClassVar[type[QATWeighted]]
    bn: Any
    weight_fake_quant: Any
    reverse_fold: bool

    @classmethod
    def _build(cls, mod: nn.Module, qconfig: QConfig, march: str) -> Self:
        assert isinstance(mod, FusedModule)
        reverse = get_qat_mode() == QATMode.WithBNReverseFold
        if reverse and not TRAITS[march].reverse_fold:
            raise ArgumentError(
                f"{march} has no QAT mode {QATMode.WithBNReverseFold!r}: call set_qat_mode with {QATMode.FuseBN!r} or "
                f"{QATMode.WithBN!r} before the model is prepared"
            )
        module = super()._build(mod, qconfig, march)
        module.bn = mod.bn
        module.reverse_fold = reverse
        return module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run forward; while the batch normalizes, no integers correspond, so exact QAT takes effect in evaluation."""
        return nn.Module.__call__(self, *args, **kwargs) if self.bn.training else super().__call__(*args, **kwargs)

    def fuse_norm(self, inplace: bool = False) -> QATWeighted:
        """The QAT module without normalization that this one is converted as.

        Args:
            inplace: turn this very object into it, instead of leaving it as it is.

        Returns:
            A module with the folded weight, its scale and the folded bias.
        """
        folded = self if inplace else object.__new__(self._FOLDED)
        weight, bias, scale = self._folded_weight().detach(), self._folded_bias().detach(), self._folded_scale()
        stored = as_stored(weight, self._LAYOUT, self._groups).contiguous()
        fake_quant = self._fixed_fake_quant(scale)
        if inplace:
            self.__class__ = self._FOLDED  # type: ignore[assignment]
        else:
            adopt(folded, self)
        del folded._modules["bn"]
        folded.weight = nn.Parameter(stored, self.weight.requires_grad)
        folded._parameters["bias"] = nn.Parameter(bias, self.weight.requires_grad)
        folded.weight_fake_quant = fake_quant
        return folded

    def _weighted(self, x: Tensor) -> Tensor:
        x = self._admit(x)
        if not self.bn.training:
            bias = self._folded_bias()
            bias = self.kernels.simulate_bias(self.shifted(bias)) if self.quantizes else bias
            return self._multiply(x, self._stored(self._deployed_weight()), bias)
        product = self._unfolded_product(x) if self.reverse_fold else self._product(x)
        return self.moved(self.bn(product))

    def _product(self, x: Tensor) -> Tensor:
        return self._multiply(x, self.fake_quantized_weight(), self.bias)

    def _unfolded_product(self, x: Tensor) -> Tensor:
        """The product with the folded weight, unfolded again."""
        factor = _without_zeros(fold_factor(self.bn))
        out = self._multiply(x, self._stored(self._observed(self._channels_first() * self._column(factor))), None)
        out = out / per_channel(factor, out.dim() - 2)
        return out if self.bias is None else out + per_channel(self.bias, out.dim() - 2)

    def _deployed_weight(self) -> Tensor:
        """The folded weight [out, ...] on the grid that conversion gives it."""
        if self.reverse_fold:
            return self._observed(self._folded_weight())
        self._observed(self._channels_first())  # calibration observes the weight as training does
        weight, fake_quant = self._folded_weight(), self.weight_fake_quant
        if not is_on(fake_quant.fake_quant_enabled):
            return weight
        return fake_quantize_values(
            weight, self._folded_scale(), fake_quant.activation_post_process.range, self.march, axis=0
        )

    def _folded_weight(self) -> Tensor:
        return self._channels_first() * self._column(fold_factor(self.bn))

    def _folded_bias(self) -> Tensor:
        return fold_bias(self.bias, self.bn, fold_factor(self.bn))

    def _folded_scale(self) -> Tensor:
        """The scale of the folded weight, float32 [out]."""
        weight = self._folded_weight().detach()
        scale: Tensor = self.weight_fake_quant.scale.detach().expand(weight.shape[0])
        if self.reverse_fold:
            return scale
        largest = weight.flatten(1).abs().amax(1)
        folded: Tensor = self.kernels.folded_scale(scale, fold_factor(self.bn).detach(), largest)
        return folded

    def _fixed_fake_quant(self, scale: Tensor) -> FakeQuantize:
        observer = self.weight_fake_quant.activation_post_process
        made = FakeQuantize(
            observer=FixedScaleObserver,
            channel_len=scale.numel(),
            scale=scale,
            dtype=observer.dtype,
            qscheme=torch.per_channel_symmetric,
            ch_axis=0,
        ).to(scale.device)
        made.march = self.march
        return made

    def _observed(self, channels_first: Tensor) -> Tensor:
        values: Tensor = raw(self.weight_fake_quant(channels_first))
        return values

    def _channels_first(self) -> Tensor:
        return out_channels_first(self.weight, self._LAYOUT, self._groups)

    def _stored(self, channels_first: Tensor) -> Tensor:
        return as_stored(channels_first, self._LAYOUT, self._groups)

    def _column(self, factor: Tensor) -> Tensor:
        """A factor an output channel, to multiply a weight [out, ...] with."""
        return per_channel(factor, self.weight.dim() - 1)


def _without_zeros(factor: Tensor) -> Tensor:
    """A channel whose gamma is 0 has nothing to divide by: its weight stays as it is, and gamma makes it 0 later."""
    return torch.where(factor == 0, torch.ones_like(factor), factor)
