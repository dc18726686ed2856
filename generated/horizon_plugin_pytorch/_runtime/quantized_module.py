# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantized_module.py
"""Bases of the generated quantized modules: integers in, integers out.

In: a calibrated or trained QAT module. Out: a module that holds integer weights, float32 scales and the kernels of its
march. The integers that follow from the scales (multipliers, shifts, biases) are derived once for each set of input scales:
by conversion, as far as the graph shows the scales, else when the module meets them for the first time. So a module that
is called with several scales, or whose stub was given another scale after conversion, is right too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..dtype import qint32
from ..kernels import load
from .dtype import QuantDType
from .exact import Accumulator, channel_sums
from .qat_module import QATModule, QATWeighted
from .qtensor import QTensor
from .support import dtype_name, require_cell
from .weights import WeightLayout, as_stored, out_channels_first, per_channel

_PRIVATE = frozenset({"_parameters", "_buffers", "_modules", "qconfig", "training", "scale", "dtype"})
_MOST_BINDINGS = 64  # more sets of scales than any call site of a model has: then scales are made anew at each call
_Key = tuple[str | int | tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Scaled:
    """What conversion knows of a tensor: its scale and dtype."""

    scale: Tensor
    dtype: QuantDType

    def q_scale(self) -> Tensor:
        """The scale, as of a QTensor."""
        return self.scale


Input = QTensor | Scaled


def _identity(x: Input | int) -> int | tuple[int, int]:
    """A scale as an object at a version; a number as itself."""
    return x if isinstance(x, int) else (id(x.q_scale()), x.q_scale()._version)


class QuantizedModule(nn.Module):
    """What every quantized module has: its operator, its march, the scale and dtype of its output.

    Buffers:
        scale: float32 output scale; absent when the output is an int32 accumulator.
    """

    _OP: ClassVar[str]
    _QAT_MODULES: ClassVar[tuple[type[nn.Module], ...]]
    march: str
    scale: Tensor | None
    dtype: QuantDType | None

    @classmethod
    def from_float(cls, mod: QATModule) -> Self:
        """Build from a QAT module: copy its settings, then its integers and its output scale."""
        if type(mod) not in cls._QAT_MODULES:
            expected = ", ".join(t.__name__ for t in cls._QAT_MODULES)
            msg = f"quantized.{cls.__name__}.from_float takes qat.{expected}, not {type(mod).__name__}"
            raise TypeError(msg)
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        for key, value in mod.__dict__.items():
            if key not in _PRIVATE and not key.endswith("_hooks"):
                module.__dict__.setdefault(key, value)
        module._forget()
        module._set_output(mod)
        module._set_up(mod)
        module.eval()
        return module

    def _set_output(self, mod: QATModule) -> None:
        fake_quant = getattr(mod, "activation_post_process", None)
        self.register_buffer("scale", None if fake_quant is None else output_scale(fake_quant))
        self.dtype = None if fake_quant is None else fake_quant.dtype

    def _set_up(self, mod: Any) -> None:
        """Take over what else the module needs; a generated class or a family's base says what."""

    @property
    def kernels(self) -> ModuleType:
        """The integer kernels of this module's march."""
        return load(self.march)

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Derive the integers for inputs whose scales are known; None stands for an unknown one.

        Returns:
            What is known of the output.
        """
        return None if self.scale is None or self.dtype is None else Scaled(self.scale, self.dtype)

    def bound(self, derive: Callable[..., Any], *inputs: Input | int) -> Any:
        """What the method `derive` gives for these inputs; derived once for each set of scales (and numbers).

        Scales are recognized as objects and by their version, so that no tensor is compared while the model runs.
        """
        key: _Key = (derive.__name__, *(_identity(x) for x in inputs))
        entry = self._bindings.get(key)
        if entry is None:
            tensors = [x for x in inputs if not isinstance(x, int)]
            self._check(*tensors)
            if len(self._bindings) >= _MOST_BINDINGS:
                self._bindings.clear()
            with torch.no_grad():
                entry = derive(*inputs), tuple(x.q_scale() for x in tensors)  # held, so that their ids stay theirs
            self._bindings[key] = entry
        return entry[0]

    def _check(self, *inputs: Input) -> None:
        """Raise NotImplementedError when the march does not support these dtypes."""
        require_cell(self._OP, self.march, str(inputs[0].dtype), self._result_dtype(inputs[0]), type(self).__name__)

    def _result_dtype(self, x: Input) -> str:
        return dtype_name(self.dtype)

    def _result(self, integers: Tensor) -> QTensor:
        assert self.scale is not None
        assert self.dtype is not None
        return QTensor(integers, self.scale, self.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moving the module derives its integers anew, where its buffers are then."""
        self._forget()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _forget(self) -> None:
        """Drop everything that follows from scales and weights and can be derived again."""
        self._bindings: dict[_Key, tuple[Any, tuple[Tensor, ...]]] = {}
        self._accumulators: dict[QuantDType, Accumulator] = {}

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Loaded weights and scales derive their integers anew."""
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles derive their integers anew: bindings know objects of this process."""
        return {**self.__dict__, "_bindings": {}, "_accumulators": {}}

    def extra_repr(self) -> str:
        """Scale and dtype of the output."""
        return "int32 output" if self.scale is None else f"scale={self.scale.tolist()}, dtype={self.dtype}"


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


class QuantizedPassThrough(QuantizedModule):
    """A quantized module whose output keeps the scale and dtype of its input."""

    def _set_output(self, mod: QATModule) -> None:
        """No scale of its own."""
        self.scale = None
        self.dtype = None

    def _result_dtype(self, x: Input) -> str:
        return str(x.dtype)

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Nothing to derive; the output is what the input is."""
        return inputs[0]

    def _like(self, x: QTensor, integers: Tensor) -> QTensor:
        return QTensor(integers, x.q_scale(), x.dtype, x.q_per_channel_axis())


class QuantizedOwnOrInputScale(QuantizedModule):
    """A quantized module whose output scale is its own, or the input's on the marches in `_INPUT_SCALE_MARCHES`."""

    _INPUT_SCALE_MARCHES: ClassVar[frozenset[str]] = frozenset()

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Derive the integers of the division."""
        if inputs[0] is None:
            return super().bind()
        self.bound(self._derive, inputs[0])
        return Scaled(*self._output(inputs[0]))

    def _derive(self, x: Input) -> Any:
        """The kernel's integers for an input; a generated class says which kernel."""
        raise NotImplementedError

    def _output(self, x: Input) -> tuple[Tensor, QuantDType]:
        """(scale, dtype) of the output for an input."""
        if self.march in self._INPUT_SCALE_MARCHES:
            return x.q_scale(), x.dtype
        assert self.scale is not None, "prepare gave this module an activation quantizer"
        assert self.dtype is not None
        return self.scale, self.dtype

    def _result_dtype(self, x: Input) -> str:
        return str(x.dtype) if self.march in self._INPUT_SCALE_MARCHES else dtype_name(self.dtype)


def output_scale(fake_quant: Any) -> Tensor:
    """A copy of the scale that a fake quantizer ended with, float32."""
    scale: Tensor = fake_quant.scale
    return scale.detach().clone().to(torch.float32)


def quantized_weight(kernels: ModuleType, weight: Tensor, fake_quant: Any) -> Tensor:
    """The integers of a weight [out, ...], rounded as its fake quantizer rounds: per channel, or as one tensor."""
    if fake_quant.ch_axis < 0:
        integers: Tensor = kernels.quantize_activation(weight, fake_quant.scale, output=fake_quant.dtype)
        return integers
    scale = per_channel(fake_quant.scale, weight.dim() - 1)
    integers = kernels.quantize_weight(weight, scale, output=fake_quant.dtype)
    return integers  # noqa: RET504 - kernels are typed as a module, so the name carries the type
