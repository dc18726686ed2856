# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/compiled_quantize.py
"""Fake quantization of a tensor in one call of compiled code: observe, clamp, quantize, note what was saturated.

In: float32 memory, what its observer holds, and the grid. Out: the very values and gradients of the single steps, which are
the business of `observer_base` and `straight_through`; they also do what there is no compiled code for. Layers of small
networks take less time than the checks around each step, so here every check is made once.
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .one_pass import NO_ENDS, ROUNDED_AS, average_of, elements_per_scale, is_float_memory
from .passes import compiled_pass
from .recording import is_recorded
from .straight_through import Grid, RoundedAs, is_marked

Held = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Owned:
    """What may be overwritten: the input where nothing is trained, the input in training, the gradient of the result."""

    untrained: bool = False
    trained: bool = False
    gradient: bool = False


def quantized_in_one_call(
    x: Tensor,
    scale: Tensor,
    observer: Any,
    march: str,
    rounded_as: RoundedAs,
    owned: Owned,
    held: Held | None = None,
    ends: tuple[float, float] = NO_ENDS,
) -> Tensor | None:
    """clamp(R(clamp(x, ends) / scale), min, max) * scale, with the scale that follows from `x` where it is observed.

    Args:
        x: floating point.
        scale: float32, one element, or one for each channel; written to where `x` is observed.
        observer: says the channels' dimension, the integers and the weight of a batch.
        march: whose rounding is R.
        rounded_as: what R rounds.
        owned: what may be overwritten.
        held: the range so far, of an observer that averages extremes; None: `x` is not observed.
        ends: of an activation before it.

    Returns:
        None: nothing happened, for there is no compiled code for these tensors, or `x` is not finite where it is observed.
    """
    axis, trained = observer.ch_axis, x.requires_grad and torch.is_grad_enabled()
    inner = elements_per_scale(x, axis) if is_float_memory(x) and is_float_memory(scale) else 0
    if not inner or not scale.is_contiguous() or is_recorded() or is_marked():
        return None
    in_place = owned.trained and x._base is None if trained else owned.untrained
    values = x if in_place else torch.empty_like(x)
    inside = torch.empty_like(x, dtype=torch.uint8) if trained else None
    memory = x.data_ptr(), values.data_ptr(), None if inside is None else inside.data_ptr()
    bounds = observer.quant_min, observer.quant_max
    how = ROUNDED_AS.index(rounded_as), bounds, ends
    if held is None:
        done = _put(x, inner, scale, march, memory, how)
    else:
        done = _observe_and_put(x, inner, (*held, scale), observer.averaging_constant, march, memory, how)
    if not done:
        return None
    if inside is None:
        return values
    grid = _grid(axis, *bounds, march, rounded_as, owned.gradient, ends)
    made: Tensor = _Saturated.apply(x, (values, inside), grid, in_place)  # type: ignore[no-untyped-call]
    return made


_grid = functools.lru_cache(Grid)


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


def _observe_and_put(
    x: Tensor, inner: int, held: tuple[Tensor, Tensor, Tensor], constant: float, march: str, memory: _Memory, how: _How
) -> bool:
    rows = held[-1].numel()
    function = compiled_pass(march, "observe_and_fake_quantize")
    if function is None or rows * inner != x.numel() or not all(_holds(tensor, rows) for tensor in held):
        return False
    rounding, bounds, ends = how
    found, average = torch.empty(5 * rows), average_of(held, constant, bounds)
    done = function(*memory, rows, inner, found.data_ptr(), average, rounding, *ends, torch.get_num_threads())
    if done:
        torch.autograd.graph.increment_version(held)
    return bool(done)


def _holds(tensor: Tensor, rows: int) -> bool:
    return is_float_memory(tensor) and tensor.numel() == rows and tensor.is_contiguous()


class _Saturated(torch.autograd.Function):
    """Values that were computed, and the gradient where nothing was saturated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, made: tuple[Tensor, Tensor], grid: Grid, in_place: bool) -> Tensor:
        values, inside = made
        ctx.save_for_backward(inside)
        ctx.grid = grid
        if in_place:
            ctx.mark_dirty(x)
            return x
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (inside,) = ctx.saved_tensors
        return ctx.grid.gradient(*gradients, inside), None, None, None
