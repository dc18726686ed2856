# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantized_weighted.py
"""Base of quantized modules with a weight: an exact integer accumulation, then the march's kernel for each channel.

In: a QAT module with a fake-quantized weight. Out: a module that holds the weight's integers and one scale a channel.
"""

from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..dtype import qint32
from .dtype import QuantDType
from .exact import Accumulator, channel_sums
from .qat_module import QATWeighted
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule, Scaled
from .recording import deriving
from .weights import WeightLayout, as_stored, out_channels_first, per_channel


class QuantizedWeighted(QuantizedModule):
    """An int8 weight, an exact accumulator, and a requantization per output channel.

    Buffers:
        weight: int8, in the layout its float module stores.
        weight_scale: float32 [out_channels].
        bias: float32 [out_channels]; zeros when the float module has none.
    """

    _LAYOUT: ClassVar[WeightLayout] = "out_in"
    _TRAILING: ClassVar[int]
    _swap_inputs: bool = False
    weight: Tensor
    weight_scale: Tensor
    bias: Tensor

    def _set_up(self, mod: QATWeighted) -> None:
        weight = out_channels_first(mod.weight.detach(), self._LAYOUT, mod._groups)
        fake_quant: Any = mod.weight_fake_quant
        integers = quantized_weight(self.kernels, weight, fake_quant)
        self._set_weight(integers, fake_quant.scale, mod.bias, mod._groups)

    def _set_weight(self, channels_first: Tensor, scale: Tensor, bias: Tensor | None, groups: int) -> None:
        """Register integers [out, in / groups, ...], one scale an output channel, and the float bias."""
        channels = channels_first.shape[0]
        self.register_buffer("weight", as_stored(channels_first, self._LAYOUT, groups).contiguous())
        self.register_buffer("weight_scale", scale.detach().clone().expand(channels).contiguous())
        self.register_buffer("bias", torch.zeros(channels) if bias is None else bias.detach().clone())

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        """The multiply-accumulate on float tensors; a generated class says which."""
        raise NotImplementedError

    def accumulate(self, x: QTensor) -> Tensor:
        """The exact integer sum of products, int32 or int64 by proof."""
        return self._accumulator(x.dtype)(x.int_repr())

    def _accumulator(self, dtype: QuantDType) -> Accumulator:
        accumulator = self._accumulators.get(dtype)
        if accumulator is None:
            with deriving(self):
                accumulator = Accumulator.prove(self._multiply, self.weight, self._channel_sums, dtype)
            self._accumulators[dtype] = accumulator
        return accumulator

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Derive multipliers, shifts and biases, and prove the accumulation."""
        known = [x for x in inputs if x is not None]
        if len(known) != len(inputs) or not known:
            return super().bind()
        x, *others = reversed(known) if self._swap_inputs else known
        self.bound(self._derive_add if others else self._derive, x, *others)
        self._accumulator(x.dtype)
        return Scaled(self.bound(self._derive_scale, x), qint32) if self.dtype is None else super().bind()

    def _derive(self, x: Input) -> Any:
        """The kernel's integers for an input; a generated class says which kernel."""
        raise NotImplementedError

    def _derive_add(self, x: Input, e: Input) -> Any:
        """The same with a second operand."""
        raise NotImplementedError

    def _channel_sums(self, weight: Tensor) -> Tensor:
        return channel_sums(out_channels_first(weight, self._LAYOUT, int(getattr(self, "groups", 1))))

    @property
    def proofs(self) -> tuple[str, ...]:
        """Why each float accumulation so far was exact."""
        return tuple(accumulator.proof for accumulator in self._accumulators.values())

    @property
    def channel_scale(self) -> Tensor:
        """The weight scale, broadcastable against the accumulator."""
        return per_channel(self.weight_scale, self._TRAILING)

    @property
    def channel_bias(self) -> Tensor:
        """The float bias, broadcastable against the accumulator."""
        return per_channel(self.bias, self._TRAILING)

    def _finish(self, integers: Tensor, x: QTensor) -> QTensor:
        """Attach the scale of the output: the own one, or for an accumulator one per output channel."""
        if self.dtype is not None:
            return self._result(integers)
        scale = self.bound(self._derive_scale, x)
        return QTensor(integers, scale, qint32, per_channel_axis=integers.dim() - 1 - self._TRAILING)

    def _derive_scale(self, x: Input) -> Tensor:
        scale: Tensor = self.kernels.weighted_scale(x.q_scale(), self.weight_scale)
        return scale

    def _operands(self, x1: QTensor, x2: QTensor) -> tuple[QTensor, QTensor]:
        """(input of the layer, second operand of the add)."""
        return (x2, x1) if self._swap_inputs else (x1, x2)

    def add(self, x1: QTensor, x2: QTensor) -> QTensor:
        """The same as calling the module, so that code written for FloatFunctional keeps working."""
        result: QTensor = self(x1, x2)
        return result


def quantized_weight(kernels: ModuleType, weight: Tensor, fake_quant: Any) -> Tensor:
    """The integers of a weight [out, ...], rounded as its fake quantizer rounds: per channel, or as one tensor."""
    if fake_quant.ch_axis < 0:
        integers: Tensor = kernels.quantize_activation(weight, fake_quant.scale, output=fake_quant.dtype)
        return integers
    scale = per_channel(fake_quant.scale, weight.dim() - 1)
    integers = kernels.quantize_weight(weight, scale, output=fake_quant.dtype)
    return integers  # noqa: RET504 - kernels are typed as a module, so the name carries the type
