# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/qat_module.py
"""Bases of the generated QAT modules: float arithmetic on fake-quantized values.

In: a float (or fused) module with a `qconfig`. Out: a module that shares its parameters, computes on the integer grid and
fake-quantizes its own output. Generated classes add the float operation; everything that all of them do is here.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from ..kernels import load
from .bias_shift import HasBiasShift
from .clamp import clamp_of
from .dtype import QuantDType
from .exact_qat import exact_result
from .fake_quantize import FakeQuantize, fake_quantize_values
from .fused_module import FusedModule
from .march import require_march
from .module_tree import adopt, set_mode
from .qconfig import QConfig
from .qtensor import QTensor
from .quantizer_copies import made_by
from .recording import is_recorded
from .straight_through import RoundedAs
from .support import dtype_name, require_cell, require_operator
from .uncompiled import uncompiled
from .weights import WeightLayout, as_stored, fake_quantized, out_channels_first


def raw(x: Tensor) -> Tensor:
    """The plain tensor inside a QTensor; any other tensor as it is."""
    return x.as_subclass(Tensor) if isinstance(x, QTensor) else x


class QATModule(nn.Module):
    """What every QAT module has: its operator, its march, its qconfig and the fake quantizer of its output.

    `_OP` is the operator's id in the support matrix (of an instance, where a class computes several), `_FLOAT_MODULES` the exact classes it replaces, `_REQUIRES` the only
    values of some attributes that have an integer form, `_ROUNDED_AS` what the output quantizer rounds, where it is not a value.
    """

    _OP: str
    _FLOAT_MODULES: ClassVar[tuple[type[nn.Module], ...]]
    _REQUIRES: ClassVar[Mapping[str, object]] = {}
    _ROUNDED_AS: ClassVar[RoundedAs | None] = None
    qconfig: QConfig
    march: str
    _admitted: set[QuantDType]
    activation_post_process: FakeQuantizeBase | None
    quantizes: bool = True
    """Whether values are put on the integer grid; `set_fake_quantize` says so, as it does to fake quantizers."""
    exact: bool | None = None
    """Whether forward values are those of the march's integers; None: as far as the march's specs say so."""
    of_composite: bool | None = None
    """Of a child of a composite: whether the specs want the values of integers in that composite."""

    @uncompiled
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run forward; in exact QAT, and where the specs say so, its values are those of the quantized module."""
        computed = super().__call__(*args, **kwargs)
        return computed if self.exact is False else exact_result(self, self._OP, None, computed, args, kwargs)

    @classmethod
    def from_float(cls, mod: nn.Module) -> Self:
        """Build from a float module that carries a qconfig.

        Raises:
            TypeError: `mod` is not exactly one of the classes that this one replaces.
            ValueError: `mod` has no qconfig.
            NotImplementedError: the march does not support the operator.
        """
        if type(mod) not in cls._FLOAT_MODULES:
            expected = ", ".join(t.__name__ for t in cls._FLOAT_MODULES)
            msg = f"qat.{cls.__name__}.from_float takes {expected}, not {type(mod).__name__}"
            raise TypeError(msg)
        qconfig = getattr(mod, "qconfig", None)
        if not qconfig:
            msg = f"qat.{cls.__name__}.from_float needs a module with a qconfig"
            raise ValueError(msg)
        march = require_march(f"qat.{cls.__name__}.from_float")
        cls._require_support(march, type(mod).__name__)
        return cls._build(mod, qconfig, march)

    @classmethod
    def _require_support(cls, march: str, where: str) -> None:
        require_operator(cls._OP, march, where)

    @classmethod
    def _build(cls, mod: nn.Module, qconfig: QConfig, march: str) -> Self:
        module = cls.__new__(cls)
        adopt(module, mod.base if isinstance(mod, FusedModule) else mod)
        module.__dict__.update(qconfig=qconfig, march=march, _admitted=set())
        set_mode(module, mod.training)
        module._check_attributes()
        module._set_up()
        return module

    def _check_attributes(self) -> None:
        for name, needed in self._REQUIRES.items():
            if (given := getattr(self, name)) != needed:
                msg = f"{type(self).__name__}: {name}={given!r} has no integer form; only {name}={needed!r} has"
                raise ValueError(msg)

    def _set_up(self) -> None:
        """Add fake quantizers; by default one for the output."""
        self.activation_post_process = self._activation_fake_quant()
        self.simulate(self.exact)

    def simulate(self, exact: bool | None) -> None:
        """Say how far forward values are those of the march's integers.

        Args:
            exact: True: bit for bit. False: not at all, they are fake-quantized as any value. None: as the march's specs say.
        """
        self.exact = exact
        output: Any = getattr(self, "activation_post_process", None)
        if output is not None:
            output.rounded_as = None if exact is False else self._ROUNDED_AS

    def _activation_fake_quant(self) -> FakeQuantizeBase | None:
        if self.qconfig.activation is None:
            return None
        made = made_by(self.qconfig.activation)
        if not isinstance(made, FakeQuantizeBase):
            msg = f"{type(self).__name__}: qconfig.activation makes a {type(made).__name__}, which is no fake quantizer"
            raise TypeError(msg)
        return made

    def _admit(self, x: Tensor) -> Tensor:
        """The values of an input, once the march is known to support its dtype."""
        if not isinstance(x, QTensor):
            return x
        if x.dtype not in self._admitted:
            require_cell(self._OP, self.march, str(x.dtype), self._result_dtype(x), type(self).__name__)
            self._admitted.add(x.dtype)
        return x.dequantize()  # floats, also where a module that stayed QAT is given integers

    def _result_dtype(self, x: QTensor) -> str:
        fake_quant: Any = self.activation_post_process
        return dtype_name(None if fake_quant is None else fake_quant.dtype)

    def _finish(self, out: Tensor) -> Tensor:
        """Fake-quantize the output; without an activation quantizer it stays a plain float tensor."""
        fake_quant = self._modules.get("activation_post_process")  # a module's own way to a child takes longer
        if fake_quant is None:
            return out
        finished: Tensor = fake_quant(out)
        return finished

    @property
    def kernels(self) -> ModuleType:
        """The integer kernels of this module's march."""
        return load(self.march)

    @property
    def compute(self) -> ModuleType:
        """The same, as what a quantized module calls too: there they may be compiled."""
        return self.kernels


class QATWeighted(HasBiasShift, QATModule):
    """A QAT module with a fake-quantized weight, one scale per output channel."""

    _LAYOUT: ClassVar[WeightLayout] = "out_in"
    _ROUNDED_AS = "weighted"
    weight: Tensor
    bias: Any  # a Tensor or None, as the float class has it

    @classmethod
    def _build(cls, mod: nn.Module, qconfig: QConfig, march: str) -> Self:
        module = super()._build(mod, qconfig, march)
        if isinstance(mod, FusedModule):
            module._swap_inputs = mod._swap_inputs
        return module

    def _set_up(self) -> None:
        if self.qconfig.weight is None:
            msg = f"{type(self).__name__}: qconfig must include weight"
            raise ValueError(msg)
        super()._set_up()
        output: Any = self.activation_post_process
        if output is not None:
            output.owns_input = True
        self._swap_inputs = False
        channels = out_channels_first(self.weight, self._LAYOUT, self._groups).shape[0]
        weight_fake_quant: Any = made_by(self.qconfig.weight, channel_len=channels)
        weight_fake_quant.owns_gradient = True
        self.weight_fake_quant = weight_fake_quant
        self._make_shift(channels)

    @property
    def _groups(self) -> int:
        return int(getattr(self, "groups", 1))

    def fake_quantized_weight(self) -> Tensor:
        """The weight on its integer grid, in the layout it is stored in."""
        fake_quant: Any = self._modules["weight_fake_quant"]
        if self._LAYOUT == "out_in":
            return fake_quantized(fake_quant, self.weight)
        channels_first = out_channels_first(self.weight, self._LAYOUT, self._groups)
        return as_stored(fake_quantized(fake_quant, channels_first), self._LAYOUT, self._groups)

    def _multiply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The float operation; a generated class says which."""
        raise NotImplementedError

    def _activated(self, out: Tensor, activation: Callable[..., Any]) -> Tensor:
        """Fake-quantize what an activation makes of the output, in one pass where that is the same."""
        fake_quant = self._modules.get("activation_post_process")
        clamp = None if is_recorded() else clamp_of(activation)
        if clamp is not None and isinstance(fake_quant, FakeQuantize) and fake_quant.takes(clamp, out):
            finished: Tensor = fake_quant(out, clamp)
            return finished
        return self._finish(activation(out, inplace=True))

    def _weighted(self, x: Tensor) -> Tensor:
        return self._multiply(self._admit(x), self.fake_quantized_weight(), self.simulated_bias())

    def _operands(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        """(input of the layer, second operand of the add)."""
        return (x2, x1) if self._swap_inputs else (x1, x2)

    def swap_inputs(self) -> None:
        """Note that the layer's result is the second operand of the add."""
        self._swap_inputs = not self._swap_inputs

    def add(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The same as calling the module, so that code written for FloatFunctional keeps working."""
        result: Tensor = self(x1, x2)
        return result


class QATPassThrough(QATModule):
    """A QAT module whose output keeps the scale of its input: it has no fake quantizer of its own."""

    def _set_up(self) -> None:
        """Nothing to observe."""

    def _apply_float(self, x: Tensor) -> Tensor:
        """The float operation; a generated class says which."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The operation on the values; scale and dtype are the input's."""
        return like(x, self._apply_float(self._admit(x)))

    def _result_dtype(self, x: QTensor) -> str:
        return str(x.dtype)


class QATOwnOrInputScale(QATModule):
    """A QAT module whose output scale is its own, or the input's on the marches in `_INPUT_SCALE_MARCHES`."""

    _INPUT_SCALE_MARCHES: ClassVar[frozenset[str]] = frozenset()

    def _set_up(self) -> None:
        self.activation_post_process = None if self._keeps_scale else self._activation_fake_quant()

    @property
    def _keeps_scale(self) -> bool:
        return self.march in self._INPUT_SCALE_MARCHES

    def _result_dtype(self, x: QTensor) -> str:
        return str(x.dtype) if self._keeps_scale else super()._result_dtype(x)

    def _finish_like(self, x: Tensor, out: Tensor) -> Tensor:
        """Fake-quantize with the own scale, or with that of `x`."""
        if self._keeps_scale and isinstance(x, QTensor):
            return like(x, fake_quantize_values(out, x.q_scale(), x.dtype, self.march))
        return self._finish(out)


def like(x: Tensor, out: Tensor) -> Tensor:
    """Give `out` the scale and dtype of `x` if `x` has any."""
    if not isinstance(x, QTensor):
        return out
    return QTensor(out, x.q_scale(), x.dtype, x.q_per_channel_axis())
