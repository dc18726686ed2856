# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/weights.py
"""Weight layouts: per-channel statistics always see the output channel first.

In: a weight as its module stores it, [out, in / groups, ...] or [in, out / groups, ...]. Out: the same numbers in the
other layout. A transposed layer stores its input channels first, so its groups must be taken apart and put together.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn.modules import module as hooks

from .fake_quantize import FakeQuantize
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
    called = not isinstance(fake_quant, FakeQuantize) or type(fake_quant).forward is not FakeQuantize.forward
    if called or fake_quant._forward_hooks or fake_quant._forward_pre_hooks or _everywhere():
        values: Tensor = fake_quant(weight)
        return values.dequantize() if isinstance(values, QTensor) else values
    return fake_quant.values(weight)


def _everywhere() -> bool:
    """Whether torch has hooks for all modules."""
    return bool(hooks._global_forward_hooks or hooks._global_forward_pre_hooks)


def per_channel(vector: Tensor, trailing: int) -> Tensor:
    """A vector [C] as [C, 1, ...] with `trailing` ones, so that it broadcasts against [N, C, ...]."""
    return vector.reshape(-1, *([1] * trailing))
