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

from ..kernels import load
from .dtype import QuantDType
from .exact import Accumulator
from .int8_sums import Int8Sums
from .qat_module import QATModule
from .qtensor import QTensor
from .support import dtype_name, require_cell
from .tail import Tail

_PRIVATE = frozenset({"_parameters", "_buffers", "_modules", "qconfig", "training", "scale", "dtype"})
_MOST_BINDINGS = 64  # more sets of scales than any call site of a model has: then scales are made anew at each call
_Key = tuple[str | float | tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Scaled:
    """What conversion knows of a tensor: its scale and dtype."""

    scale: Tensor
    dtype: QuantDType

    def q_scale(self) -> Tensor:
        """The scale, as of a QTensor."""
        return self.scale


Input = QTensor | Scaled


def _identity(x: Input | float) -> float | tuple[int, int]:
    """A scale as an object at a version; a number as itself."""
    return x if isinstance(x, (int, float)) else (id(x.q_scale()), x.q_scale()._version)


class QuantizedModule(nn.Module):
    """What every quantized module has: its operator, its march, the scale and dtype of its output.

    Buffers:
        scale: float32 output scale; absent when the output is an int32 accumulator.
    """

    _OP: str
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

    def bound(self, derive: Callable[..., Any], *inputs: Input | float) -> Any:
        """What the method `derive` gives for these inputs; derived once for each set of scales (and numbers).

        Scales are recognized as objects and by their version, so that no tensor is compared while the model runs.
        """
        key: _Key = (derive.__name__, *(_identity(x) for x in inputs))
        entry = self._bindings.get(key)
        if entry is None:
            tensors = [x for x in inputs if not isinstance(x, (int, float))]
            self._check(*tensors)
            if len(self._bindings) >= _MOST_BINDINGS:
                self._bindings.clear()
                self._tails.clear()
            with torch.no_grad():
                entry = derive(*inputs), tuple(x.q_scale() for x in tensors)  # held, so that their ids stay theirs
            self._bindings[key] = entry
        return entry[0]

    def tail(
        self,
        kernel: Callable[..., Tensor],
        p: Any,
        ends: Callable[[], tuple[tuple[Tensor, Tensor], ...]],
        **dtypes: Any,
    ) -> Tail:
        """The cheapest exact way through a kernel with the derived integers `p`, proved once.

        Args:
            kernel: of the march.
            p: what `bound` gave.
            ends: gives the smallest and the largest integer of each operand.
            dtypes: dtype arguments of the kernel.
        """
        found = self._tails.get(id(p))
        if found is None or found.params is not p:
            found = self._tails[id(p)] = Tail.prove(kernel, p, ends(), dtypes)
        return found

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
        self._fast_sums: dict[QuantDType, Int8Sums | None] = {}
        self._tails: dict[int, Tail] = {}

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Loaded weights and scales derive their integers anew."""
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles derive their integers anew: bindings know objects of this process."""
        return {**self.__dict__, "_bindings": {}, "_accumulators": {}, "_fast_sums": {}, "_tails": {}}

    @property
    def proofs(self) -> tuple[str, ...]:
        """Why each way that this module computes is exact; empty where it computes by the definition only."""
        return tuple(tail.proof for tail in self._tails.values())

    def extra_repr(self) -> str:
        """Scale and dtype of the output."""
        return "int32 output" if self.scale is None else f"scale={self.scale.tolist()}, dtype={self.dtype}"


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
