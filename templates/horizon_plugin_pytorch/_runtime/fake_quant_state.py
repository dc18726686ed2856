# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/fake_quant_state.py
"""The states of a prepared model: when its fake quantizers observe and when they quantize.

In: a prepared model and a state. Out: the same model, with the switches of each of its fake quantizers set. A switch
is a buffer of its fake quantizer, nothing is process-global, so two models may be in different states.
"""

from enum import Enum

from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from .errors import ArgumentError
from .fake_quantize import FakeQuantize
from .qat_module import QATModule


class FakeQuantState(Enum):
    """What fake quantizers do."""

    QAT = "qat"
    """Observe and quantize."""
    CALIBRATION = "calibration"
    """Observe only."""
    VALIDATION = "validation"
    """Quantize only."""
    _FLOAT = "float"
    """Neither, to examine a pipeline."""


_QUANTIZING = frozenset({FakeQuantState.QAT, FakeQuantState.VALIDATION})


def set_fake_quantize(model: nn.Module, mode: FakeQuantState, exact: bool | None = None) -> None:
    """Put the fake quantizers of a model into a state; call `model.train()` or `model.eval()` before.

    The state holds until another one is set: a later `eval()` does not end CALIBRATION, a later `train()` does not let
    VALIDATION observe, and QAT observes whenever the model trains.

    Args:
        model: a prepared model, in train mode for QAT, in eval mode for CALIBRATION and VALIDATION.
        mode: the state.
        exact: True: Compute forward values by the integer kernels of the march, so that each layer's values are, bit for
            bit, those that the converted model will have. False: float arithmetic and fake quantization only. None: float
            arithmetic that follows the march where its integers would be further than a step from it. Gradients are those
            of fake quantization in any case. For QAT and VALIDATION.

    Raises:
        TypeError: `mode` is no `FakeQuantState`.
        ArgumentError: the model has no fake quantizers, is in the wrong mode, or `exact` in a state that does not quantize.
    """
    if not isinstance(mode, FakeQuantState):
        raise TypeError(f"set_fake_quantize takes a FakeQuantState, not {mode!r}")
    if mode is not FakeQuantState._FLOAT:
        _check_mode(model, mode)
    if exact and mode not in _QUANTIZING:
        raise ArgumentError(f"exact=True needs a state that quantizes, QAT or VALIDATION, not {mode.name}.")
    if not any(isinstance(module, FakeQuantizeBase) for module in model.modules()):
        raise ArgumentError(
            "set_fake_quantize: the model has no fake quantizers; give it what prepare_qat_fx or prepare_qat returned, "
            "before it is converted."
        )
    for module in model.modules():
        if isinstance(module, FakeQuantizeBase):
            _set_state(module, mode)
        elif isinstance(module, QATModule):
            module.simulate(exact)
            module.quantizes = mode in _QUANTIZING


def _check_mode(model: nn.Module, mode: FakeQuantState) -> None:
    """The model's own mode counts: CALIBRATION itself puts fake quantizers into train mode."""
    training = mode is FakeQuantState.QAT
    if not isinstance(model, FakeQuantizeBase) and model.training != training:
        call = "model.train()" if training else "model.eval()"
        raise ArgumentError(f"Call {call} before set fake quant to {mode.name} mode.")


def _set_state(module: FakeQuantizeBase, mode: FakeQuantState) -> None:
    observes = mode in {FakeQuantState.QAT, FakeQuantState.CALIBRATION}
    if mode is not FakeQuantState._FLOAT:
        module.train(observes)
    module.enable_observer(observes)
    module.enable_fake_quant(mode in _QUANTIZING)


def freeze_activation_scale(model: nn.Module, frozen: bool = True) -> None:
    """Keep the scales of activations as they are, in every state: for QAT after a good calibration.

    Args:
        model: a prepared model, calibrated.
        frozen: False lets them be observed and learned again.

    Raises:
        ArgumentError: a scale that is to be frozen was never observed.
    """
    found = {name: getattr(module, "activation_post_process", None) for name, module in model.named_modules()}
    quantizers = {name: quantizer for name, quantizer in found.items() if isinstance(quantizer, FakeQuantize)}
    never = sorted(name for name in quantizers if never_observed(model.get_submodule(name)))
    if frozen and never:
        raise ArgumentError(f"freeze_activation_scale: {', '.join(never)} never observed anything; calibrate first")
    for quantizer in quantizers.values():
        quantizer.frozen = frozen
        for parameter in quantizer.parameters():
            parameter.requires_grad_(not frozen)


def never_observed(module: nn.Module) -> bool:
    """Whether a module's output quantizer has seen no data and still has the scale it was made with."""
    fake_quant = getattr(module, "activation_post_process", None)
    if not isinstance(fake_quant, FakeQuantizeBase):
        return False
    observer, scale = getattr(fake_quant, "activation_post_process", None), getattr(fake_quant, "scale", None)
    return not getattr(observer, "has_data", True) and isinstance(scale, Tensor) and bool((scale == 1).all())
