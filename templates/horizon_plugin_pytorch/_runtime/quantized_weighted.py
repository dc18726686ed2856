# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantized_weighted.py
"""Base of quantized modules with a weight: an exact integer accumulation, then the march's kernel for each channel.

In: a QAT module with a fake-quantized weight. Out: a module that holds the weight's integers and one scale a channel.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn.modules.utils import _pair

from ..dtype import qint32
from .dtype import QuantDType
from .exact import Accumulator, as_integers, channel_sums, may_choose, proved_region
from .int8_products import Int8Products, wants_products
from .int8_sums import Int8Sums, Window
from .layer_way import Way
from .one_pass import magnitudes
from .one_pass_conv import OnePassConv
from .one_pass_forms import OnePassRows, OnePassSpread, Spread, of_groups
from .qat_modes import QATWithNorm
from .qat_module import QATModule, QATWeighted
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule, Scaled
from .recording import deriving
from .straight_through import quantized_values
from .tail import Chain, Tail, whole_range
from .weak_method import weakly
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
    _FUSED: ClassVar[tuple[str, ...]] = ()  # kernels behind the requantization
    _WINDOW: ClassVar[tuple[str, str, str, str] | None] = None  # of a window on an image: the names of where it moves
    _SPREAD: ClassVar[tuple[str, ...] | None] = None  # of a transposed one, likewise
    _DIRECT: ClassVar[bool] = False  # whether calling the module is no more than its way
    _swap_inputs: bool = False
    weight: Tensor
    weight_scale: Tensor
    bias: Tensor
    _sums: Tensor | None

    @classmethod
    def from_float(cls, mod: QATModule) -> Self:
        """Build from a QAT module; a normalization that it kept is folded first."""
        return super().from_float(mod.fuse_norm() if isinstance(mod, QATWithNorm) else mod)

    def _set_up(self, mod: QATWeighted) -> None:
        weight = out_channels_first(mod.weight.detach(), self._LAYOUT, mod._groups)
        fake_quant: Any = mod.weight_fake_quant
        integers = quantized_weight(self.march, weight, fake_quant)
        self._set_weight(integers, fake_quant.scale, mod.shifted(mod.bias), mod._groups)

    def _set_weight(self, channels_first: Tensor, scale: Tensor, bias: Tensor | None, groups: int) -> None:
        """Register integers [out, in / groups, ...], one scale an output channel, and the float bias."""
        channels = channels_first.shape[0]
        self.register_buffer("weight", as_stored(channels_first, self._LAYOUT, groups).contiguous())
        self.register_buffer("weight_scale", scale.detach().clone().expand(channels).contiguous())
        self.register_buffer("bias", torch.zeros(channels) if bias is None else bias.detach().clone())

    def set_bias(self, bias: Tensor) -> None:
        """Take another float bias [out_channels] and derive the integers anew."""
        self.bias = bias
        self._forget()

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        """The multiply-accumulate on float tensors; a generated class says which."""
        raise NotImplementedError

    def accumulate(self, x: QTensor) -> Tensor:
        """The exact integer sum of products, int32 or int64 by proof."""
        products: Int8Products | None = self.bound(self._derive_products, x) if wants_products() else None
        if products is not None:
            return products(x.int_repr())
        fast = self._int8_sums(x.dtype) if may_choose(x.int_repr()) else None
        if fast is None:
            return self._accumulator(x.dtype)(x.int_repr())
        with proved_region("cpu"):
            sums = fast(x.int_repr())
        return as_integers(sums, torch.int32) if sums.is_floating_point() else sums

    def _requantized(self, p: Any, x: QTensor, *others: QTensor) -> Tensor:
        """The output's integers from the sums of products and further operands, the cheapest exact way."""
        integers, operands = x.int_repr(), tuple([other.int_repr() for other in others])
        if not may_choose(integers):
            p = self.bound(self._derive_narrow, x, *others) if wants_products() else p
            return self._chain(others)(self.accumulate(x), *operands, p, **self._dtypes)
        way = self.way(p, x, *others)
        with proved_region(integers.device.type):
            return way(integers, *operands)

    def way(self, p: Any, x: Input, *others: Input) -> Way:
        """From operands of these scales to the output, with the integers `p` that `bound` gave for them."""
        found = self._ways.get(id(p))
        if found is None or found.params is not p:
            tail = self._tail(p, x, *others)
            sums, accumulator = partial(weakly(self._int8_sums), x.dtype), partial(weakly(self._accumulator), x.dtype)
            found = Way(p, tail, self._one_pass(tail, x, *others), sums, accumulator, -1 - self._TRAILING)
            self._ways[id(p)] = found
        return found

    def _chain(self, others: tuple[Any, ...]) -> Chain:
        """The kernel, without or with a second operand, for the kind of the output, and what is fused behind it."""
        name = f"weighted{'_add' if others else ''}{'_accumulator' if self.dtype is None else ''}"
        return Chain(tuple(getattr(self.kernels, kernel) for kernel in (name, *self._FUSED)))

    @property
    def _dtypes(self) -> dict[str, QuantDType]:
        """The dtype arguments of the kernel."""
        return {} if self.dtype is None else {"output": self.dtype}

    def _int8_sums(self, dtype: QuantDType) -> Int8Sums | None:
        if dtype not in self._fast_sums:
            self._fast_sums[dtype] = self._prove_int8(dtype)
        return self._fast_sums[dtype]

    def _prove_int8(self, dtype: QuantDType) -> Int8Sums | None:
        window = self._window()
        return None if window is None else Int8Sums.prove(self.weight, self._weight_sums(), window, dtype)

    def _one_pass(self, tail: Tail, *inputs: Input) -> OnePassConv | OnePassRows | OnePassSpread | None:
        """The whole layer as one compiled loop, where this is worth it."""
        window, spread, added = self._window(), self._spread(), len(inputs) - 1
        if not self.compiles or any(x.dtype.storage != torch.int8 for x in inputs):
            return None
        if window is not None:
            return of_groups(self.weight, window, tail.program, added)
        if spread is not None and not added:
            return OnePassSpread.prove(out_channels_first(self.weight, self._LAYOUT, 1), spread, tail.program)
        return OnePassRows.prove(self.weight, tail.program, added) if self._TRAILING == 0 else None

    def _window(self) -> Window | None:
        """Where the window moves; None where there is none on an image, or its padding is a word."""
        where = [getattr(self, name) for name in self._WINDOW or ()]
        if not where or not all(isinstance(value, int | tuple) for value in where):
            return None
        stride, padding, dilation, groups = where
        return Window(_pair(stride), _pair(padding), _pair(dilation), groups)

    def _spread(self) -> Spread | None:
        """How a transposed convolution moves; None for another layer, of groups, or with spaces between its taps."""
        where = [getattr(self, name) for name in self._SPREAD or ()]
        if not where:
            return None
        stride, padding, output_padding, groups, dilation = where
        single = groups == 1 and _pair(dilation) == (1, 1)
        return Spread(_pair(stride), _pair(padding), _pair(output_padding), self.weight.shape[2:]) if single else None

    def _tail(self, p: Any, x: Input, *others: Input) -> Tail:
        """The way through the kernel."""

        def ends() -> tuple[tuple[Tensor, Tensor], ...]:
            sums = per_channel(self._weight_sums(), self._TRAILING) * max(-x.dtype.min, x.dtype.max)
            return (-sums, sums), *(whole_range(other.dtype) for other in others)

        storages = (torch.float32, *(other.dtype.storage for other in others))
        return self.tail(self._chain(others), p, ends, storages, **self._dtypes)

    def _accumulator(self, dtype: QuantDType) -> Accumulator:
        accumulator = self._accumulators.get(dtype)
        if accumulator is None:
            with deriving(self):
                accumulator = Accumulator.prove(weakly(self._multiply), self.weight, self._weight_sums(), dtype)
            self._accumulators[dtype] = accumulator
        return accumulator

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Derive multipliers, shifts and biases, and prove the accumulation."""
        known = [x for x in inputs if x is not None]
        if len(known) != len(inputs) or not known:
            return super().bind()
        x, *others = reversed(known) if self._swap_inputs else known
        p = self.bound(self._derive_add if others else self._derive, x, *others)
        if self.way(p, x, *others).whole is None and self._int8_sums(x.dtype) is None:
            self._accumulator(x.dtype)
        return Scaled(self.bound(self._derive_scale, x), qint32) if self.dtype is None else super().bind()

    def direct(self, *inputs: Scaled) -> Callable[..., Tensor] | None:
        """The layer's way, with operands in the order of the call."""
        if self.dtype is None or not self._DIRECT:
            return None
        x, *others = reversed(inputs) if self._swap_inputs else inputs
        way = self.way(self.bound(self._derive_add if others else self._derive, x, *others), x, *others)
        return (lambda e, x: way(x, e)) if self._swap_inputs and others else way

    def _derive(self, x: Input) -> Any:
        """The kernel's integers for an input."""
        k, scales = self.kernels, {"s_in": x.q_scale(), "s_w": self.channel_scale, "b": self.channel_bias}
        if self.dtype is None:
            return k.derive_weighted_accumulator(**scales)
        return k.derive_weighted(**scales, s_out=self.scale, output=self.dtype)

    def _derive_add(self, x: Input, e: Input) -> Any:
        """The same with a second operand."""
        k = self.kernels
        scales = {"s_in": x.q_scale(), "s_w": self.channel_scale, "s_e": e.q_scale(), "b": self.channel_bias}
        if self.dtype is None:
            return k.derive_weighted_add_accumulator(**scales)
        return k.derive_weighted_add(**scales, s_out=self.scale, output=self.dtype)

    def _compute(self, x: QTensor) -> Tensor:
        """The integers of the output."""
        return self._requantized(self.bound(self._derive, x), x)

    def _compute_add(self, x: QTensor, e: QTensor) -> Tensor:
        """The same with a second operand."""
        return self._requantized(self.bound(self._derive_add, x, e), x, e)

    def _weight_sums(self) -> Tensor:
        """Sum of |weight|, int64 [out_channels], added up once."""
        if self._sums is None:
            with deriving(self):
                first = out_channels_first(self.weight, self._LAYOUT, int(getattr(self, "groups", 1)))
                sums = magnitudes(first.flatten(1), self.march)
                self._sums = channel_sums(first) if sums is None else sums
        return self._sums

    def _forget(self) -> None:
        super()._forget()
        self._sums = None

    @property
    def proofs(self) -> tuple[str, ...]:
        """Why each way to the sums of products, and through the kernel, is exact."""
        whole = (way.whole for way in self._ways.values())
        ways = (*whole, *self._fast_sums.values(), *self._accumulators.values())
        return (*(way.proof for way in ways if way is not None), *super().proofs)

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

    def _derive_products(self, x: Input) -> Int8Products | None:
        return Int8Products.prove(self.weight, self._weight_sums(), self._window(), x.dtype)

    def _derive_narrow(self, x: Input, *others: Input) -> Any:
        """The kernel's integers as int32, where that is proved to hold what is computed."""
        p = self.bound(self._derive_add if others else self._derive, x, *others)
        narrow = self._tail(p, x, *others).narrow
        return p if narrow is None else type(p)(*(a.reshape(b.shape) for a, b in zip(narrow, p, strict=True)))

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


def quantized_weight(march: str, weight: Tensor, fake_quant: Any) -> Tensor:
    """The integers of a weight [out, ...], rounded as its fake quantizer rounds: per channel, or as one tensor."""
    return quantized_values(weight, fake_quant.scale, fake_quant.dtype, march, axis=fake_quant.ch_axis)
