# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/one_pass.py
"""Fake quantization in one pass over memory: divide, round, saturate, multiply, and note what was saturated.

In: float32 tensors on the CPU and their scales. Out: the very values and masks that the same operations of torch give.
How quotients are rounded is the march's C text; what is here goes through memory. `None` instead of a result means that
there is no compiled code for these tensors, and the caller uses torch operations.
"""

import ctypes
import math
from typing import Any

import torch
from torch import Tensor

from .passes import Average, Search, compiled_pass
from .recording import is_recorded

NO_ENDS = (-math.inf, math.inf)
MOVED = 2
"""What `observe` in passes.h returns where a moving average moved."""
_PLAIN = frozenset({Tensor, torch.nn.Parameter})
_is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor
ROUNDED_AS = ("activation", "weight", "weighted")


def grid_values(
    x: Tensor,
    scale: Tensor,
    axis: int,
    bounds: tuple[int, int],
    rounding: tuple[str, str],
    *,
    mask: bool,
    overwrite: bool,
    ends: tuple[float, float] = NO_ENDS,
) -> tuple[Tensor, Tensor | None] | None:
    """clamp(R(clamp(x, ends) / scale), bounds) * scale, and where neither of them clamped.

    Args:
        x: float32.
        scale: float32, one element, or one for each channel of `axis`.
        axis: the channels' dimension; -1: one scale for all.
        bounds: the smallest and the largest integer.
        rounding: R, as the march of this name rounds these quotients: "activation", "weight" or "weighted".
        mask: whether the mask is wanted.
        overwrite: whether the values may be written into `x`.
        ends: of an activation before it.

    Returns:
        Values, float32, and mask, uint8 of 0 and 1, in the memory layout of `x`; None when there is no code for this.
    """
    if not _are_plain_floats((x, scale)) or not scale.is_contiguous():
        return None
    inner, (march, rounded_as) = elements_per_scale(x, axis), rounding
    function = compiled_pass(march, "fake_quantize") if inner else None
    if function is None:
        return None
    values = x if overwrite else torch.empty_like(x)
    inside = torch.empty_like(x, dtype=torch.uint8) if mask else None
    pointers = x.data_ptr(), values.data_ptr(), None if inside is None else inside.data_ptr()
    how = ROUNDED_AS.index(rounded_as), *bounds, *ends, torch.get_num_threads()
    function(*pointers, x.numel(), inner, scale.data_ptr(), scale.numel(), *how)
    return values, inside


def integers(x: Tensor, scale: Tensor, axis: int, bounds: tuple[int, int], march: str) -> Tensor | None:
    """clamp(R(x / scale), bounds) as int8, of NaN 0.

    Args:
        x: float32.
        scale: float32, one element; or one for each channel of `axis`, the first.
        axis: 0: quotients are rounded as those of weights; -1: as those of activations.
        bounds: the smallest and the largest integer, within int8.
        march: whose rounding is R.

    Returns:
        None when there is no code for this.
    """
    rows, inner = (1 if axis < 0 else scale.numel()), elements_per_scale(x, axis)
    if axis > 0 or rows * inner != x.numel() or not _are_plain_floats((x, scale)) or not scale.is_contiguous():
        return None
    function = compiled_pass(march, "integers")
    if function is None:
        return None
    found = torch.empty_like(x, dtype=torch.int8)
    how = (scale.data_ptr(), axis == 0, *bounds, torch.get_num_threads())
    function(x.data_ptr(), found.data_ptr(), rows, inner, *how)
    return found


def magnitudes(rows: Tensor, march: str) -> Tensor | None:
    """The sum of the magnitudes of each row of an int8 matrix, int64; None when there is no code for it."""
    if not is_plain(rows) or rows.dtype is not torch.int8 or not rows.is_contiguous():
        return None
    function = compiled_pass(march, "magnitudes")
    if function is None:
        return None
    sums = torch.empty(len(rows), dtype=torch.int64)
    function(rows.data_ptr(), sums.data_ptr(), *rows.shape, torch.get_num_threads())
    return sums


def extremes(x: Tensor, march: str) -> tuple[Tensor, Tensor] | None:
    """(smallest, largest) of each row of a float32 matrix, NaN where there is one; None when there is no code for it."""
    if not is_plain(x) or x.dtype is not torch.float32 or not x.is_contiguous() or not x.numel():
        return None
    function = compiled_pass(march, "extremes")
    if function is None:
        return None
    lowest, highest = torch.empty(2, len(x)).unbind()
    rows, inner = x.shape
    function(x.data_ptr(), lowest.data_ptr(), highest.data_ptr(), rows, inner, torch.get_num_threads())
    return lowest, highest


def observe(
    x: Tensor,
    axis: int,
    held: tuple[Tensor, Tensor, Tensor],
    constant: float,
    bounds: tuple[int, int],
    march: str,
    ends: tuple[float, float] = NO_ENDS,
) -> bool:
    """Let the extremes of a batch into a moving average, and write the scale that follows.

    Args:
        x: float32.
        axis: 0: a range for each channel of the first dimension; -1: one range.
        held: the smallest and the largest value so far, and the scale; float32 [ranges], written to.
        constant: the weight of the batch, 0..1.
        bounds: the smallest and the largest integer.
        march: whose rule makes a scale of a range.
        ends: what values are clamped to before they count.

    Returns:
        False: nothing happened, for a value is not finite, there is none, or there is no code for these tensors.
    """
    rows, inner = (1 if axis < 0 else x.shape[0]), elements_per_scale(x, axis) if x.dim() else 1
    if axis > 0 or not x.numel() == rows * inner > 0 or not _are_plain_floats((x, *held)):
        return False
    if not all(tensor.numel() == rows and tensor.is_contiguous() for tensor in held):
        return False
    function = compiled_pass(march, "observe")
    if function is None:
        return False
    found, average = torch.empty(2 * rows), average_of(held, constant, bounds)
    done = bool(function(x.data_ptr(), rows, inner, found.data_ptr(), average, *ends, torch.get_num_threads()))
    torch.autograd.graph.increment_version(held)
    return done


def average_of(held: tuple[Tensor, Tensor, Tensor], constant: float, bounds: tuple[int, int]) -> Any:
    """What compiled code writes a moving average to: smallest, largest, scale; the weight of a batch; the integers."""
    return ctypes.byref(Average(*(tensor.data_ptr() for tensor in held), constant, constant == 1.0, 0, 0, *bounds))


def search(
    x: Tensor,
    fractions: Tensor,
    counting: tuple[int, int],
    held: tuple[Tensor, Tensor, Tensor],
    constant: float,
    bounds: tuple[int, int],
    march: str,
    ends: tuple[float, float],
) -> bool:
    """Let the fraction of a batch's range that loses least into a moving average, and write the scale that follows.

    Args:
        x: float32.
        fractions: float32 [fractions], the widest first.
        counting: batches of how many elements are not counted; how many bins the widest step has.
        held: the smallest and the largest value so far, and the scale; float32 [1], written to.
        constant: the weight of the batch, 0..1.
        bounds: the smallest and the largest integer.
        march: whose rule makes a scale of a range, and whose rounding it is.
        ends: what values are clamped to before they count.

    Returns:
        False: nothing happened, for a value is not finite, there is none, or there is no code for these tensors.
    """
    if not _are_plain_floats((x, fractions, *held)) or not x.numel() or not is_dense(x):
        return False
    if any(tensor.numel() != 1 for tensor in held) or not fractions.is_contiguous():
        return False
    function = compiled_pass(march, "search")
    if function is None:
        return False
    how = ctypes.byref(Search(fractions.data_ptr(), fractions.numel(), *counting))
    average = average_of(held, constant, bounds)
    done = bool(function(x.data_ptr(), x.numel(), how, average, *ends, torch.get_num_threads()))
    torch.autograd.graph.increment_version(held)
    return done


def squared_errors(
    x: Tensor, counts: Tensor | None, scales: Tensor, bounds: tuple[int, int], march: str, *, is_weight: bool
) -> Tensor | None:
    """What quantizing loses, for several ranges.

    Args:
        x: float32 [rows, n].
        counts: float64 [n], how often each value occurs; None: once.
        scales: float32 [ranges, rows].
        bounds: the smallest and the largest integer.
        march: whose rounding it is.
        is_weight: whether values are rounded as weights.

    Returns:
        float64 sums of squares, of the shape of `scales`, of which the least of each row is exact, and the others are at
        least greater; None when there is no code for these tensors.
    """
    if not _are_plain_floats((x, scales)) or not (x.is_contiguous() and scales.is_contiguous()):
        return None
    function = compiled_pass(march, "squared_errors")
    if function is None:
        return None
    errors = torch.empty(scales.shape, dtype=torch.float64)
    read = x.data_ptr(), None if counts is None else counts.data_ptr(), *x.shape, scales.data_ptr(), len(scales)
    function(*read, errors.data_ptr(), is_weight, *bounds, torch.get_num_threads())
    return errors


def gradient_inside(gradient: Tensor, inside: Tensor, march: str, *, in_place: bool) -> Tensor | None:
    """The gradient where the mask is 1, else 0; None when there is no code for these tensors."""
    if not is_plain(gradient) or gradient.dtype is not torch.float32 or gradient.stride() != inside.stride():
        return None
    if not is_dense(gradient) or (torch.is_grad_enabled() and gradient.requires_grad):
        return None
    function = compiled_pass(march, "clear_outside" if in_place else "pass_inside")
    if function is None:
        return None
    if in_place:
        function(gradient.data_ptr(), inside.data_ptr(), gradient.numel(), torch.get_num_threads())
        return gradient
    out = torch.empty_like(gradient)
    pointers = gradient.data_ptr(), inside.data_ptr(), out.data_ptr()
    function(*pointers, gradient.numel(), torch.get_num_threads())
    return out


def is_plain(x: Tensor) -> bool:
    """Whether a tensor is memory of this process and nothing records or replaces what is done with it."""
    return _is_memory(x) and not is_recorded()


def _are_plain_floats(tensors: tuple[Tensor, ...]) -> bool:
    return not is_recorded() and all(map(is_float_memory, tensors))


def is_float_memory(x: Tensor) -> bool:
    """Whether a tensor is float32 memory of this process."""
    return x.dtype is torch.float32 and type(x) in _PLAIN and x.is_cpu and not _is_wrapped(x)


def _is_memory(x: Tensor) -> bool:
    return type(x) in _PLAIN and x.is_cpu and not _is_wrapped(x)


def elements_per_scale(x: Tensor, axis: int) -> int:
    """How many neighbours in memory share a scale; 0 when the channels do not lie in memory in their order."""
    if not x.is_contiguous() and not is_dense(x):
        return 0
    if axis < 0:
        return x.numel()
    if axis == 0 and x.dim() > 0 and x.stride(0) * x.shape[0] == x.numel():
        return x.stride(0)
    return x.shape[axis + 1 :].numel() if x.is_contiguous() else 0


def is_dense(x: Tensor) -> bool:
    """Whether the elements fill their memory without gaps or repetitions, in whatever order."""
    if x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):  # noqa: PLR2004 - NCHW
        return True
    return bool(torch.ops.aten.is_non_overlapping_and_dense(x))
