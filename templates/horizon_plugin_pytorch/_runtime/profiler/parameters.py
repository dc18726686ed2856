# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/parameters.py
"""The parameters of a layer in any stage, as float values with the scale that they are stored with.

In: a float (or fused), QAT or quantized module. Out: its weight and bias.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..fused_module import FusedModule
from ..qat_module import QATWeighted
from ..quantized_weighted import QuantizedWeighted
from ..weights import as_stored, out_channels_first, per_channel


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """One parameter.

    Attributes:
        name: the attribute.
        data: float values; of a quantized weight those that the integers stand for.
        scale: one for each output channel; None: not quantized.
        ch_axis: the dimension of the channels in `channels_first`; -1 without a scale.
        dtype: the quantized dtype, or that of the tensor.
        channels_first: the values as [out, ...].
        stored: the integers of a converted model.
    """

    name: str
    data: Tensor
    scale: Tensor | None
    ch_axis: int
    dtype: str
    channels_first: Tensor
    stored: Tensor | None = None


def parameters_of(module: nn.Module) -> Iterator[Parameter]:
    """Weight and bias, as far as a layer has them."""
    layer: Any = module.base if isinstance(module, FusedModule) else module
    if (weight := weight_of(module)) is not None:
        yield weight
    bias = getattr(layer, "bias", None)
    if isinstance(bias, Tensor):
        yield Parameter("bias", bias.detach(), None, -1, str(bias.dtype), bias.detach())


def weight_of(module: nn.Module) -> Parameter | None:
    """The weight of a layer; None when it has none."""
    layer: Any = module.base if isinstance(module, FusedModule) else module
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    if isinstance(layer, QATWeighted):
        return _fake_quantized(layer)
    if isinstance(layer, QuantizedWeighted):
        return _integers(layer)
    return Parameter("weight", weight.detach(), None, -1, str(weight.dtype), _channels_first(layer, weight.detach()))


def _fake_quantized(layer: QATWeighted) -> Parameter:
    data = layer.fake_quantized_weight().detach()
    fake_quant: Any = layer.weight_fake_quant
    first = out_channels_first(data, layer._LAYOUT, layer._groups)
    return Parameter("weight", data, fake_quant.scale.detach(), fake_quant.ch_axis, str(fake_quant.dtype), first)


def _integers(layer: QuantizedWeighted) -> Parameter:
    groups = int(getattr(layer, "groups", 1))
    first = out_channels_first(layer.weight, layer._LAYOUT, groups)
    first = first * per_channel(layer.weight_scale, first.dim() - 1)
    data = as_stored(first, layer._LAYOUT, groups)
    dtype = f"q{str(layer.weight.dtype).removeprefix('torch.')}"
    return Parameter("weight", data, layer.weight_scale, 0, dtype, first, layer.weight)


def _channels_first(layer: Any, weight: Tensor) -> Tensor:
    """A float layer that is transposed stores [in, out / groups, ...]."""
    transposed = bool(getattr(layer, "transposed", False))
    return out_channels_first(weight, "in_out" if transposed else "out_in", int(getattr(layer, "groups", 1)))
