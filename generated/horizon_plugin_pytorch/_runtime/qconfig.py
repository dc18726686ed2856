# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/qconfig.py
"""QConfigs: which fake quantizers a layer gets, and how documented names become them.

In: tables from names to classes (the generated `quantization.qconfig` passes them) and what the user asks for. Out:
`QConfig` values. Nothing is made of the classes before a model is prepared, so no march is needed here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import nn

from .errors import ArgumentError
from .fake_quantize import FakeQuantize
from .observer_base import ObserverBase
from .partial_class import PartialClass
from .user_input import did_you_mean

Stage = Literal["calibration", "qat"]
Factory = Callable[..., nn.Module]
Arguments = Mapping[str, Any] | None


class _Fields(NamedTuple):
    activation: Factory | None
    weight: Factory | None


class QConfig(_Fields):
    """How the output and the weight of a layer are quantized.

    Args:
        activation: factory of the output's fake quantizer (`FakeQuantize.with_args(...)`); None: not quantized.
        weight: factory of the weight's fake quantizer.
        stage: "calibration" or "qat" for a preset that is for one of them; None: for both.

    Raises:
        TypeError: a module instead of a factory of modules.
    """

    stage: Stage | None

    def __new__(
        cls, activation: Factory | None = None, weight: Factory | None = None, stage: Stage | None = None
    ) -> Self:
        """See the class."""
        for name, value in (("activation", activation), ("weight", weight)):
            if value is not None and (isinstance(value, nn.Module) or not callable(value)):
                raise TypeError(
                    f"QConfig takes a factory as {name}, as FakeQuantize.with_args(...) is, not {type(value).__name__}"
                )
        self = super().__new__(cls, activation, weight)
        self.stage = stage
        return self

    def _replace(self, **kwargs: Any) -> Self:
        """The same with other fields; `stage` may be given too."""
        return type(self)(**{**self._asdict(), "stage": self.stage, **kwargs})

    def __repr__(self) -> str:
        stage = "" if self.stage is None else f", stage={self.stage!r}"
        return f"QConfig(activation={self.activation}, weight={self.weight}{stage})"


@dataclass(frozen=True, slots=True)
class QuantizerNames:
    """What the names in `get_default_qconfig` stand for.

    Attributes:
        fake_quants: name -> fake quantizer.
        activation_observers: name -> observer of outputs.
        weight_observers: name -> observer of weights.
    """

    fake_quants: Mapping[str, type[FakeQuantize]]
    activation_observers: Mapping[str, type[ObserverBase]]
    weight_observers: Mapping[str, type[ObserverBase]]


def make_quantizer(
    fake_quant: type[FakeQuantize], observer: type[ObserverBase], arguments: Arguments = None
) -> PartialClass:
    """A factory of fake quantizers; `arguments` may name another `observer`."""
    return fake_quant.with_args(observer=observer).with_args(**(arguments or {}))


def make_weight_quantizer(
    fake_quant: type[FakeQuantize], observer: type[ObserverBase], arguments: Arguments = None
) -> PartialClass:
    """A factory of fake quantizers of weights: by default one scale for each output channel."""
    quantizer = make_quantizer(fake_quant, observer, arguments)
    chosen = quantizer.keywords["observer"]
    if getattr(chosen, "_PER_CHANNEL", True):
        defaults: dict[str, Any] = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0}
    else:
        defaults = {"qscheme": torch.per_tensor_symmetric}
    return PartialClass(fake_quant, {**defaults, **quantizer.keywords})


def get_default_qconfig(
    names: QuantizerNames,
    activation_fake_quant: str | None,
    weight_fake_quant: str | None,
    activation_observer: str,
    weight_observer: str,
    activation_qkwargs: Arguments,
    weight_qkwargs: Arguments,
    stage: Stage | None = None,
) -> QConfig:
    """The qconfig that names and arguments describe.

    Args:
        names: what the names stand for.
        activation_fake_quant: name of a fake quantizer; None: the output is not quantized.
        weight_fake_quant: name of a fake quantizer; None: no weight.
        activation_observer: name of an observer.
        weight_observer: name of an observer.
        activation_qkwargs: arguments of fake quantizer and observer; may hold a class under "observer".
        weight_qkwargs: likewise.
        stage: see `QConfig`.

    Raises:
        ArgumentError: an unknown name; it is an AssertionError and a ValueError.
    """
    activation_observers = _look_up("activation_observer", activation_observer, names.activation_observers)
    weight_observers = _look_up("weight_observer", weight_observer, names.weight_observers)
    activation = weight = None
    if activation_fake_quant is not None:
        cls = _look_up("activation_fake_quant", activation_fake_quant, names.fake_quants)
        activation = make_quantizer(cls, activation_observers, activation_qkwargs)
    if weight_fake_quant is not None:
        cls = _look_up("weight_fake_quant", weight_fake_quant, names.fake_quants)
        weight = make_weight_quantizer(cls, weight_observers, weight_qkwargs)
    return QConfig(activation, weight, stage)


def get_default_qat_qconfig(
    names: QuantizerNames,
    dtype: Any,
    weight_dtype: Any,
    activation_fake_quant: str | None,
    weight_fake_quant: str | None,
    activation_qkwargs: Arguments,
    weight_qkwargs: Arguments,
    observer: str,
    weight_replacements: Mapping[str, str],
) -> QConfig:
    """The older `get_default_qat_qconfig`.

    Args:
        names: what the names stand for.
        dtype: of the output.
        weight_dtype: of the weight.
        activation_fake_quant: name; None: the output is not quantized.
        weight_fake_quant: name.
        activation_qkwargs: arguments of fake quantizer and observer.
        weight_qkwargs: likewise.
        observer: name of the observer of both.
        weight_replacements: fake quantizer -> the one that weights get in its place.

    Raises:
        ArgumentError: an unknown name.
    """
    if weight_fake_quant is not None:
        weight_fake_quant = weight_replacements.get(weight_fake_quant, weight_fake_quant)
    return get_default_qconfig(
        names,
        activation_fake_quant,
        weight_fake_quant,
        observer,
        observer,
        {"dtype": dtype, **(activation_qkwargs or {})},
        {"dtype": weight_dtype, **(weight_qkwargs or {})},
        None if activation_fake_quant is None else "qat",
    )


def get_default_calib_qconfig(
    names: QuantizerNames, dtype: Any, calib_qkwargs: Arguments, fake_quant: str, observer: str, weight_observer: str
) -> QConfig:
    """The older `get_default_calib_qconfig`: outputs of `dtype` observed by `observer`, weights with default arguments.

    Raises:
        ArgumentError: an unknown name.
    """
    arguments = {"dtype": dtype, **(calib_qkwargs or {})}
    return get_default_qconfig(names, fake_quant, fake_quant, observer, weight_observer, arguments, None, "calibration")


def get_qconfig(
    names: QuantizerNames,
    observer: type[ObserverBase],
    in_dtype: Any,
    weight_dtype: Any,
    out_dtype: Any,
    fix_scale: bool,
    fake_quant: str,
    weight_observer: str,
) -> QConfig:
    """The newer `get_qconfig`.

    Args:
        names: what the names stand for.
        observer: class of the observer of outputs.
        in_dtype: None; inputs have the dtype of the layer that they come from.
        weight_dtype: of the weight.
        out_dtype: of the output; None: it is not quantized.
        fix_scale: keep a scale that was calibrated, in QAT.
        fake_quant: name of the fake quantizer of both.
        weight_observer: name of the observer of weights.

    Raises:
        ArgumentError: `in_dtype` is given, or `observer` is no observer class.
    """
    if in_dtype is not None:
        raise ArgumentError(
            f"get_qconfig: in_dtype={in_dtype} has no effect here, since an input has the dtype of the layer that it comes "
            "from; give that layer (or its QuantStub) a qconfig with this out_dtype"
        )
    if not isinstance(observer, type) or not issubclass(observer, ObserverBase):
        raise ArgumentError(f"get_qconfig: observer must be a class of observer_v2, not {observer!r}")
    arguments = {"dtype": out_dtype, "observer": observer, **({"averaging_constant": 0.0} if fix_scale else {})}
    activation = None if out_dtype is None else fake_quant
    weight = {"dtype": weight_dtype}
    return get_default_qconfig(names, activation, fake_quant, weight_observer, weight_observer, arguments, weight)


def _look_up(argument: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        near = did_you_mean(str(name), known)
        raise ArgumentError(f"{argument} must be one of {', '.join(known)}, not {name!r}{near}")
    return known[name]
