# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/weights.py
"""Weight layouts: per-channel statistics always see the output channel first.

In: a weight as its module stores it, [out, in / groups, ...] or [in, out / groups, ...]. Out: the same numbers in the
other layout. A transposed layer stores its input channels first, so its groups must be taken apart and put together.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn.modules import module as hooks

from .fake_quantize import FakeQuantize
from .kept_weights import kept_values
from .qtensor import QTensor

WeightLayout = Literal["out_in", "in_out"]


def out_channels_first(weight: Tensor, layout: WeightLayout, groups: int) -> Tensor:
    """[in, out / groups, ...] -> [out, in / groups, ...]; a weight of layout "out_in" is returned as it is."""
    return weight if layout == "out_in" else _exchange(weight, groups)


def as_stored(weight: Tensor, layout: WeightLayout, groups: int) -> Tensor:
    """The inverse of `out_channels_first`."""
    return weight if layout == "out_in" else _exchange(weight, groups)


def _exchange(weight: Tensor, groups: int) -> Tensor:
    """Exchange the first two dimensions within each group; its own inverse."""
    first, second, *rest = weight.shape
    grouped = weight.reshape(groups, first // groups, second, *rest)
    return grouped.transpose(1, 2).reshape(groups * second, first // groups, *rest)


def fake_quantized(fake_quant: nn.Module, weight: Tensor) -> Tensor:
    """What a fake quantizer makes of a weight, as a plain tensor; it is not called where nobody would notice."""
    if isinstance(fake_quant, FakeQuantize) and not _seen(fake_quant):
        return kept_values(fake_quant, weight)
    values: Tensor = fake_quant(weight)
    return values.dequantize() if isinstance(values, QTensor) else values


def _seen(fake_quant: FakeQuantize) -> bool:
    """Whether its class or a hook does something of its own when it is called."""
    hooked = fake_quant._forward_hooks or fake_quant._forward_pre_hooks
    everywhere = hooks._global_forward_hooks or hooks._global_forward_pre_hooks
    return bool(hooked or everywhere or type(fake_quant) is not FakeQuantize)


def per_channel(vector: Tensor, trailing: int) -> Tensor:
    """A vector [C] as [C, 1, ...] with `trailing` ones, so that it broadcasts against [N, C, ...]."""
    return vector.reshape(-1, *([1] * trailing))
