# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/grid_pieces.py
"""Fake quantization by torch's operations where nothing is compiled: a piece of memory at a time, so that it stays in the cache.

In: float32 tensors on the CPU and their scales. Out: the very values, masks and gradients that the same operations give on
whole tensors, which go through memory once an operation, and for a large tensor into memory that was never touched. `None`
instead of a result means that a tensor does not lie as this needs it, and the caller takes whole tensors.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .one_pass import NO_ENDS, is_dense, is_plain
from .qtensor import broadcast_scale

_PIECE = 1 << 16
"""Elements of a piece for each thread: its few buffers, float32, stay in a core's cache."""
_BETWEEN = 0.5
"""The threshold between a mask's 0 and 1."""


def values_in_pieces(
    x: Tensor,
    scale: Tensor,
    axis: int,
    bounds: tuple[int, int],
    rounding: Callable[[Tensor], Tensor],
    *,
    mask: bool,
    overwrite: bool,
    ends: tuple[float, float] = NO_ENDS,
) -> tuple[Tensor, Tensor | None] | None:
    """clamp(R(clamp(x, ends) / scale), bounds) * scale, and where neither of them clamped.

    Args: as for `one_pass.grid_values`, except
        rounding: R; what it gives may be overwritten.

    Returns:
        Values, float32, and mask, uint8 of 0 and 1, in the memory layout of `x`; None when it is no plain memory of the CPU,
        or large and not dense or its channels not the slowest dimension.
    """
    if not _is_float_memory(x):
        return None
    small = x.numel() <= 2 * piece()
    rows = None if small else rows_of(x, axis)
    if rows is None and not small:
        return None
    values = x if overwrite else torch.empty_like(x)
    inside = torch.empty_like(x, dtype=torch.int8) if mask else None  # made faster than uint8
    if rows is None:
        _quantize(x, broadcast_scale(scale, x.dim(), axis), values, bounds, rounding, inside, ends)
    else:
        steps, outs = scale.reshape(-1, 1).expand(len(rows), 1), _same_rows(values, rows)
        marks = None if inside is None else _same_rows(inside, rows)
        for part in parts_of(rows):
            mark = None if marks is None else marks[part]
            _quantize(rows[part], steps[part[0]], outs[part], bounds, rounding, mark, ends)
    return values, None if inside is None else inside.view(torch.uint8)


def gradient_in_pieces(gradient: Tensor, inside: Tensor, *, in_place: bool) -> Tensor | None:
    """The gradient where the mask is 1, else 0; None when they do not lie alike, or it has a gradient of its own."""
    plain = _is_float_memory(gradient) and not (torch.is_grad_enabled() and gradient.requires_grad)
    if not plain or gradient.stride() != inside.stride():
        return None
    small = gradient.numel() <= 2 * piece()
    rows = None if small else rows_of(gradient, -1)
    if rows is None and not small:
        return None
    out, marks = gradient if in_place else torch.empty_like(gradient), inside.view(torch.int8)
    if rows is None:
        _stop(gradient, marks, out)
    else:
        marks, outs = _same_rows(marks, rows), _same_rows(out, rows)
        for part in parts_of(rows):
            _stop(rows[part], marks[part], outs[part])
    return out


def _stop(gradient: Tensor, mark: Tensor, out: Tensor) -> None:
    """One piece of a gradient; the derivative of a threshold is vectorised, `torch.where` costs ten copies of the tensor."""
    torch.ops.aten.threshold_backward.grad_input(gradient, mark.to(torch.float32), _BETWEEN, grad_input=out)


def _quantize(
    x: Tensor,
    step: Tensor,
    out: Tensor,
    bounds: tuple[int, int],
    rounding: Callable[[Tensor], Tensor],
    mark: Tensor | None,
    ends: tuple[float, float],
) -> None:
    """One piece; `out` may be `x`."""
    quotient = x / step if ends == NO_ENDS else x.clamp(*ends).div_(step)
    rounded = rounding(quotient)
    if mark is None:
        torch.mul(rounded.clamp_(*bounds), step, out=out)
        return
    clamped = torch.clamp(rounded, *bounds, out=quotient)
    inside = rounded.eq_(clamped)  # in place: a comparison into bools costs several times as much
    if ends != NO_ENDS:
        torch.ops.aten.hardtanh_backward.grad_input(inside, x, *ends, grad_input=inside)
    mark.copy_(inside)
    torch.mul(clamped, step, out=out)


def rows_of(x: Tensor, axis: int) -> Tensor | None:
    """A view [scales, elements of one], in the order of memory; None where there is none.

    Args:
        x: any tensor.
        axis: the channels' dimension; -1: one scale for all.
    """
    if not is_dense(x):
        return None
    if axis < 0:
        return x.as_strided((1, x.numel()), (x.numel(), 1))
    if axis > 0 or x.dim() == 0 or x.stride(0) * x.shape[0] != x.numel():
        return None
    return x.as_strided((x.shape[0], x.stride(0)), (x.stride(0), 1))


def _same_rows(x: Tensor, rows: Tensor) -> Tensor:
    """The same view of a tensor that lies as the one of `rows` does."""
    return x.as_strided(rows.shape, rows.stride())


def piece() -> int:
    """Elements of a piece for all threads."""
    return _PIECE * torch.get_num_threads()


def parts_of(rows: Tensor) -> Iterator[tuple[slice, slice]]:
    """Where pieces of rows are: parts of one row, or several whole ones."""
    (count, inner), size = rows.shape, piece()
    if rows.numel() <= 2 * size:
        yield slice(None), slice(None)
    elif inner > size:
        yield from ((slice(i, i + 1), slice(a, a + size)) for i in range(count) for a in range(0, inner, size))
    else:
        step = max(1, size // inner)
        yield from ((slice(i, i + step), slice(None)) for i in range(0, count, step))


def _is_float_memory(x: Tensor) -> bool:
    return x.dtype is torch.float32 and x.is_cpu and is_plain(x)
