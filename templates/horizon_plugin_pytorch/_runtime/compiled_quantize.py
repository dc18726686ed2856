# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/compiled_quantize.py
"""A fake quantizer in one call of compiled code: observe, clamp, quantize, note what was saturated.

In: a fake quantizer and float32 memory. Out: the very values, ranges and gradients of the single steps, which are the business
of `observer_base` and `straight_through`; these also do what there is no compiled code for. Layers of small networks take less
time than the checks around each step, so here each check is made once.
"""

from typing import Any

import torch
from torch import Tensor

from .clamp import Clamp
from .one_pass import MOVED, NO_ENDS, ROUNDED_AS, average_of, elements_per_scale, is_float_memory
from .passes import compiled_pass
from .quantize_pieces import in_pieces
from .recording import is_recorded
from .straight_through import Saturated, default_rounding, grid_of, is_marked

_Held = tuple[Tensor, Tensor, Tensor]


def in_one_call(fake_quant: Any, x: Tensor, activation: Clamp | None) -> Tensor | None:
    """What a `FakeQuantize` that saturates, and not in place, does with floats in the state that it is in.

    Args:
        fake_quant: the quantizer; what it observes is written to it.
        x: floating point; overwritten where the quantizer owns it and nothing keeps it.
        activation: what is computed before.

    Returns:
        The values; None: nothing happened, for it does nothing in this state, there is no compiled code for it or these
        tensors, or `x` is not finite where it is observed.
    """
    buffers, observer = fake_quant._buffers, fake_quant._modules["activation_post_process"]
    scale = buffers["scale"]
    if is_recorded() or is_marked() or not is_float_memory(x) or not is_float_memory(scale):
        return None
    quantizes, held = buffers["fake_quant_enabled"].item(), None
    inner = elements_per_scale(x, observer.ch_axis)
    if not inner or not scale.is_contiguous():
        return None
    if not fake_quant.frozen and buffers["observer_enabled"].item() and (fake_quant.training or not quantizes):
        extremes = observer.averaged_extremes()
        if extremes is None or not all(_fits(tensor, x, inner) for tensor in (*extremes, scale)):
            return None
        held = (*extremes, scale)
    if not (quantizes or held):
        return None
    if compiled_pass(fake_quant.march, "fake_quantize") is None:
        return in_pieces(fake_quant, x, held, quantizes, activation)
    if held is not None and not quantizes:
        return _observed(fake_quant, x, inner, held, activation)
    return _quantized(fake_quant, x, inner, held or scale, activation)


def _fits(tensor: Tensor, x: Tensor, inner: int) -> bool:
    """Whether a range of a moving average has one element for each row of `x`."""
    return is_float_memory(tensor) and tensor.numel() * inner == x.numel() and tensor.is_contiguous()


def _observed(fake_quant: Any, x: Tensor, inner: int, held: _Held, activation: Clamp | None) -> Tensor | None:
    observer, rows = fake_quant._modules["activation_post_process"], held[-1].numel()
    average = average_of(held, observer.averaging_constant, (observer.quant_min, observer.quant_max))
    ends, threads = NO_ENDS if activation is None else activation.ends, torch.get_num_threads()
    clamps = activation is not None and rows == 1 and not (x.requires_grad and torch.is_grad_enabled())
    function = compiled_pass(fake_quant.march, "observe_and_clamp" if clamps else "observe")
    if function is None:
        return None
    if clamps:
        done = function(x.data_ptr(), inner, average, *ends, threads)
    else:
        found = torch.empty(2 * rows)
        done = function(x.data_ptr(), rows, inner, found.data_ptr(), average, *ends, threads)
    if not done:
        return None
    if done == MOVED:
        torch.autograd.graph.increment_version(held)
    return x if clamps or activation is None else activation(x)


def _quantized(
    fake_quant: Any, x: Tensor, inner: int, scales: Tensor | _Held, activation: Clamp | None
) -> Tensor | None:
    """With scales as they are, or as they follow from what is held."""
    trained, observer = x.requires_grad and torch.is_grad_enabled(), fake_quant._modules["activation_post_process"]
    axis, bounds = observer.ch_axis, (observer.quant_min, observer.quant_max)
    rounded_as = fake_quant.rounded_as or default_rounding(axis)
    ends = NO_ENDS if activation is None else activation.ends
    # in training, what gives an activation to the quantizer keeps nothing of it
    in_place = fake_quant.owns_input and (not trained or (activation is not None and not x._is_view()))
    values = x if in_place else torch.empty_like(x)
    inside = torch.empty_like(x, dtype=torch.uint8) if trained else None
    memory = x.data_ptr(), values.data_ptr(), None if inside is None else inside.data_ptr()
    how = ROUNDED_AS.index(rounded_as), bounds, ends
    if isinstance(scales, Tensor):
        done = _put(x, inner, scales, fake_quant.march, memory, how)
    else:
        done = _observe_and_put(inner, scales, observer.averaging_constant, fake_quant.march, memory, how)
    if not done or inside is None:
        return values if done else None
    grid = grid_of(axis, *bounds, fake_quant.march, rounded_as, fake_quant.owns_gradient, ends)
    made: Tensor = Saturated.apply(x, (values, inside), grid, in_place)  # type: ignore[no-untyped-call]
    return made


_Memory = tuple[int, int, int | None]
_How = tuple[int, tuple[int, int], tuple[float, float]]


def _put(x: Tensor, inner: int, scale: Tensor, march: str, memory: _Memory, how: _How) -> bool:
    function = compiled_pass(march, "fake_quantize")
    if function is None:
        return False
    rounding, bounds, ends = how
    scales = inner, scale.data_ptr(), scale.numel()
    function(*memory, x.numel(), *scales, rounding, *bounds, *ends, torch.get_num_threads())
    return True


def _observe_and_put(inner: int, held: _Held, constant: float, march: str, memory: _Memory, how: _How) -> bool:
    function, rows = compiled_pass(march, "observe_and_fake_quantize"), held[-1].numel()
    if function is None:
        return False
    rounding, bounds, ends = how
    found, average = torch.empty(5 * rows), average_of(held, constant, bounds)
    done = function(*memory, rows, inner, found.data_ptr(), average, rounding, *ends, torch.get_num_threads())
    if done:
        torch.autograd.graph.increment_version(held)
    return bool(done)
