# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantized_module.py
"""Bases of the generated quantized modules: integers in, integers out.

In: a calibrated or trained QAT module. Out: a module that holds integer weights, float32 scales and the kernels of its
march. The integers that follow from the scales (multipliers, shifts, biases) are derived once for each set of input scales:
by conversion, as far as the graph shows the scales, else when the module meets them for the first time. So a module that
is called with several scales, or whose stub was given another scale after conversion, is right too.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..kernels import load
from .checkpoints import note_march
from .compiled_kernels import CompiledKernels
from .dtype import QuantDType
from .exact import Accumulator
from .int8_sums import Int8Sums
from .layer_way import Way
from .native_loop import header_of
from .operands import as_known, identity_of
from .qat_module import QATModule
from .qtensor import QTensor
from .recording import deriving, is_exporting, is_recorded, is_tracing
from .support import dtype_name, require_cell
from .tail import Chain, Tail
from .uncompiled import Uncompiled

_PRIVATE = frozenset({"_parameters", "_buffers", "_modules", "qconfig", "training", "scale", "dtype"})
_MOST_BINDINGS = 64  # more sets of scales than any call site of a model has: then scales are made anew at each call
_GENERATIONS = itertools.count()
_Key = tuple[str | float | tuple[int, int], ...]
_Binding = tuple[Any, tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Scaled:
    """What conversion knows of a tensor: its scale and dtype."""

    scale: Tensor
    dtype: QuantDType

    def q_scale(self) -> Tensor:
        """The scale, as of a QTensor."""
        return self.scale


Input = QTensor | Scaled


class QuantizedModule(Uncompiled):
    """What every quantized module has: its operator, its march, the scale and dtype of its output.

    Buffers:
        scale: float32 output scale; absent when the output is an int32 accumulator.

    Attributes:
        compiles: whether kernels run as compiled loops where a compiler is at hand.
    """

    takes_float: ClassVar[bool] = False
    """Whether a float tensor is an input as any other: of stubs."""
    _OP: str
    _QAT_MODULES: ClassVar[tuple[type[nn.Module], ...]]
    compiles: bool = False
    march: str
    scale: Tensor | None
    dtype: QuantDType | None
    _known_scale: Tensor | None
    _compiled: CompiledKernels | None

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

    @property
    def compute(self) -> Any:
        """The kernels as this module runs them: as compiled loops where it compiles."""
        if not self.compiles or is_recorded():
            return load(self.march)
        if self._compiled is None:
            self._compiled = CompiledKernels(load(self.march))
        return self._compiled

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Derive the integers for inputs whose scales are known; None stands for an unknown one.

        Returns:
            What is known of the output.
        """
        return None if self.scale is None or self.dtype is None else Scaled(self.own_scale(), self.dtype)

    def direct(self, *inputs: Scaled) -> Callable[..., Tensor] | None:
        """The module as a function from the integers of inputs of these scales to its own; None where it is to be called."""
        return None

    def own_scale(self) -> Tensor:
        """The scale of the output as the object that integers were derived for, where a recorder shows a stand-in too."""
        scale = self.scale
        assert scale is not None, "prepare gave this module an activation quantizer"
        if self._known_scale is not scale and not is_exporting():
            self._known_scale = scale
        return scale if self._known_scale is None else self._known_scale

    def bound(self, derive: Callable[..., Any], *inputs: Input | float) -> Any:
        """What the method `derive` gives for these inputs; derived once for each set of scales (and numbers).

        Scales are recognized as objects and by their version, so that no tensor is compared while the model runs.
        """
        if is_tracing():
            inputs = tuple([as_known(x) for x in inputs])
        key: _Key = (derive.__name__, *[identity_of(x) for x in inputs])
        entry = self._bindings.get(key)
        if entry is None:
            entry = self._bindings[key] = self._derived(derive, inputs)
        return entry[0]

    def _derived(self, derive: Callable[..., Any], inputs: tuple[Input | float, ...]) -> _Binding:
        """What `derive` gives, and the scales, held so that their ids stay theirs."""
        inputs = tuple([as_known(x) for x in inputs])
        tensors = [x for x in inputs if not isinstance(x, (int, float))]
        self._check(*tensors)
        if len(self._bindings) >= _MOST_BINDINGS:
            self._bindings.clear()
            self._tails.clear()
            self._ways.clear()
        scales = tuple([x.q_scale() for x in tensors])
        with deriving(self, *scales):
            return derive(*inputs), scales

    def tail(
        self,
        kernel: Chain,
        p: Any,
        ends: Callable[[], tuple[tuple[Tensor, Tensor], ...]],
        storages: tuple[torch.dtype, ...],
        **dtypes: QuantDType,
    ) -> Tail:
        """The cheapest exact way through a kernel with the derived integers `p`, proved once.

        Args:
            kernel: of the march.
            p: what `bound` gave.
            ends: gives the smallest and the largest integer of each operand.
            storages: the types in which operands come.
            dtypes: dtype arguments of the kernel.
        """
        found = self._tails.get(id(p))
        if found is None or found.params is not p:
            found = Tail.prove(kernel, p, ends(), dtypes)
            found = found.compiled(header_of(self.kernels), storages) if self.compiles else found
            self._tails[id(p)] = found
        return found

    def _check(self, *inputs: Input) -> None:
        """Raise NotImplementedError when the march does not support these dtypes."""
        require_cell(self._OP, self.march, str(inputs[0].dtype), self._result_dtype(inputs[0]), type(self).__name__)

    def _result_dtype(self, x: Input) -> str:
        return dtype_name(self.dtype)

    def _result(self, integers: Tensor) -> QTensor:
        assert self.dtype is not None
        return QTensor(integers, self.own_scale(), self.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moving the module derives its integers anew, where its buffers are then."""
        self._forget()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _forget(self) -> None:
        """Drop everything that follows from scales and weights and can be derived again."""
        self._generation = next(_GENERATIONS)
        self._bindings: dict[_Key, _Binding] = {}
        self._known_scale = None
        self._accumulators: dict[QuantDType, Accumulator] = {}
        self._fast_sums: dict[QuantDType, Int8Sums | None] = {}
        self._tails: dict[int, Tail] = {}
        self._ways: dict[int, Way] = {}
        self._compiled = None

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Loaded weights and scales derive their integers anew."""
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        note_march(destination, prefix, self.march)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles derive their integers anew: bindings know objects of this process."""
        return {
            **self.__dict__,
            "_bindings": {},
            "_accumulators": {},
            "_fast_sums": {},
            "_tails": {},
            "_ways": {},
            "_compiled": None,
            "_known_scale": None,
        }

    @property
    def proofs(self) -> tuple[str, ...]:
        """Why each way that this module computes is exact; empty where it computes by the definition only."""
        derived = (getattr(made, "proof", None) for made, _ in self._bindings.values())
        tails, kernels = (tail.proof for tail in self._tails.values()), self._compiled.proofs if self._compiled else ()
        return (*tails, *dict.fromkeys(proof for proof in derived if proof), *kernels)

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
        assert self.dtype is not None
        return self.own_scale(), self.dtype

    def _result_dtype(self, x: Input) -> str:
        return str(x.dtype) if self.march in self._INPUT_SCALE_MARCHES else dtype_name(self.dtype)


def output_scale(fake_quant: Any) -> Tensor:
    """A copy of the scale that a fake quantizer ended with, float32."""
    scale: Tensor = fake_quant.scale
    return scale.detach().clone().to(torch.float32)
