# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observer_params.py
"""Copy what calibration found from one prepared model to another: from a calibrated one to one for QAT.

In: two models prepared from the same float model. Out: the second one with the scales, ranges and bias shifts of the first, as
if it had loaded the other's state; its states (what observes, what quantizes) and parameters stay as they are. Either everything
is copied or nothing.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from .bias_shift import HasBiasShift

_STATES = ("fake_quant_enabled", "observer_enabled")
_OF_ANY_SHAPE = ("activation_post_process.min_val", "activation_post_process.max_val")


def load_observer_params(src_model: nn.Module, dst_model: nn.Module) -> None:
    """Copy scales, observed ranges and bias shifts by module name.

    A shift belongs to the scales that it was measured with: scales without it would lose what `calibrate` corrected, and a shift
    that the destination had from other scales is replaced, or ended if the source was not corrected.

    Args:
        src_model: a calibrated model.
        dst_model: a model prepared from the same float model.

    Raises:
        ValueError: fake quantizers or shifts do not correspond; all differences are listed and nothing was copied.
    """
    source, target = _fake_quants(src_model), _fake_quants(dst_model)
    shifts, shifted = _shifts(src_model), dict(_layers(dst_model))
    problems = [*_unpaired(source, target), *_unequal(source, target), *_misplaced(shifts, shifted)]
    if problems:
        lines = "\n  ".join(problems)
        raise ValueError(f"load_observer_params: nothing was copied, because the models differ:\n  {lines}")
    for name, fake_quant in target.items():
        state = {**fake_quant.state_dict(), **_observed(source[name], fake_quant)}
        fake_quant.load_state_dict(state)
    for name, layer in shifted.items():
        layer.set_bias_shift(shifts.get(name, layer.bias_shift.new_empty(0)))


def _layers(model: nn.Module) -> Iterator[tuple[str, HasBiasShift]]:
    return ((name, module) for name, module in model.named_modules() if isinstance(module, HasBiasShift))


def _shifts(model: nn.Module) -> dict[str, Tensor]:
    """Those that were measured."""
    return {name: layer.bias_shift for name, layer in _layers(model) if layer.bias_shift.numel()}


def _misplaced(shifts: dict[str, Tensor], layers: dict[str, HasBiasShift]) -> Iterator[str]:
    for name, shift in shifts.items():
        if name not in layers:
            yield f"{name}: has a bias_shift in the source and takes none in the destination"
        elif shift.shape != layers[name]._shift_shape:
            shapes = f"{list(shift.shape)} in the source and {list(layers[name]._shift_shape)} in the destination"
            yield f"{name}: bias_shift has shape {shapes}"


def _fake_quants(model: nn.Module) -> dict[str, FakeQuantizeBase]:
    return {name: module for name, module in model.named_modules() if isinstance(module, FakeQuantizeBase)}


def _observed(source: FakeQuantizeBase, target: FakeQuantizeBase) -> dict[str, Tensor]:
    """The tensors that both have, without states."""
    wanted = target.state_dict()
    return {key: value for key, value in source.state_dict().items() if key in wanted and key not in _STATES}


def _unpaired(source: dict[str, FakeQuantizeBase], target: dict[str, FakeQuantizeBase]) -> Iterator[str]:
    if not source:
        yield "the source has no fake quantizers; is it prepared?"
    for name in sorted(set(source) - set(target)):
        yield f"{name}: only in the source"
    for name in sorted(set(target) - set(source)):
        yield f"{name}: only in the destination"


def _unequal(source: dict[str, FakeQuantizeBase], target: dict[str, FakeQuantizeBase]) -> Iterator[str]:
    for name in (name for name in source if name in target):
        of_source, of_target = source[name], target[name]
        for fact in ("dtype", "qscheme", "ch_axis"):
            a, b = getattr(of_source, fact, None), getattr(of_target, fact, None)
            if a != b:
                yield f"{name}: {fact} is {a} in the source and {b} in the destination"
        yield from _unequal_tensors(name, of_source, of_target)


def _unequal_tensors(name: str, source: FakeQuantizeBase, target: FakeQuantizeBase) -> Iterator[str]:
    wanted = target.state_dict()
    for key, value in _observed(source, target).items():
        if key not in _OF_ANY_SHAPE and value.shape != wanted[key].shape:
            shapes = f"{list(value.shape)} in the source and {list(wanted[key].shape)} in the destination"
            yield f"{name}: {key} has shape {shapes}"
        elif (
            key == "scale"
            and getattr(target, "_is_fixed", False)
            and not torch.equal(value.to(wanted[key]), wanted[key])
        ):
            scales = f"{value.tolist()} in the source and fixed at {wanted[key].tolist()} in the destination"
            yield f"{name}: scale is {scales}"
