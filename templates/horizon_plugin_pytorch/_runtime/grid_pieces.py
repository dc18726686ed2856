# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/grid_pieces.py
"""Fake quantization by torch's operations where nothing is compiled: a piece of memory at a time, so that it stays in the cache.

In: float32 tensors on the CPU and their scales. Out: the very values, masks and gradients that the same operations give on
whole tensors, which go through memory once an operation, and for a large tensor into memory that was never touched. `None`
instead of a result means that a tensor does not lie as this needs it, and the caller takes whole tensors.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .one_pass import NO_ENDS, is_dense, is_plain
from .qtensor import broadcast_scale
from .scratch import memory, piece

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
        rounding: R; it may write into what it is given, and what it gives may be overwritten.

    Returns:
        Values, float32, and mask, uint8 of 0 and 1, in the memory layout of `x`; None when it is no plain memory of the CPU,
        or large and not dense or its channels not the slowest dimension.
    """
    if not _is_float_memory(x):
        return None
    rows = rows_of(x, axis)
    if rows is None and x.numel() > 2 * piece():
        return None
    values = x if overwrite else torch.empty_like(x)
    inside = torch.empty_like(x, dtype=torch.int8) if mask else None  # made faster than uint8
    if rows is None:
        memory = [torch.empty_like(x) for _ in range(2)]
        _quantize(x, broadcast_scale(scale, x.dim(), axis), values, memory, bounds, rounding, inside, ends)
    else:
        outs, marks = pieces_of(same_rows(values, rows)), None if inside is None else pieces_of(same_rows(inside, rows))
        for i, (part, step) in enumerate(zip(pieces_of(rows), steps_of(rows, scale), strict=True)):
            mark = None if marks is None else marks[i]
            _quantize(part, step, outs[i], scratch(part, 2), bounds, rounding, mark, ends)
    return values, None if inside is None else inside.view(torch.uint8)


def gradient_in_pieces(gradient: Tensor, inside: Tensor, *, in_place: bool) -> Tensor | None:
    """The gradient where the mask is 1, else 0; None when they do not lie alike, or it has a gradient of its own."""
    if not is_last_gradient(gradient) or not lie_alike(gradient, inside):
        return None
    rows = rows_of(gradient, -1)
    if rows is None:
        return None
    out, marks = gradient if in_place else torch.empty_like(gradient), inside.view(torch.int8)
    pieces = (pieces_of(x if x is rows else same_rows(x, rows)) for x in (rows, marks, out))
    for part, mark, to in zip(*pieces, strict=True):
        (taken,) = scratch(part, 1)
        # vectorised, while `torch.where` costs ten copies of the tensor
        torch.ops.aten.threshold_backward.grad_input(part, taken.copy_(mark), _BETWEEN, grad_input=to)
    return out


def _quantize(
    x: Tensor,
    step: Tensor,
    out: Tensor,
    memory: Sequence[Tensor],
    bounds: tuple[int, int],
    rounding: Callable[[Tensor], Tensor],
    mark: Tensor | None,
    ends: tuple[float, float],
) -> None:
    """One piece, with memory for two of its size; `out` may be `x`."""
    first, second = memory
    quotient = torch.div(x, step, out=first) if ends == NO_ENDS else torch.clamp(x, *ends, out=first).div_(step)
    rounded = rounding(quotient)
    if mark is None:
        torch.mul(rounded.clamp_(*bounds), step, out=out)
        return
    clamped = torch.clamp(rounded, *bounds, out=second)
    inside = rounded.eq_(clamped)  # in place: a comparison into bools costs several times as much
    if ends != NO_ENDS:
        torch.ops.aten.hardtanh_backward.grad_input(inside, x, *ends, grad_input=inside)
    mark.copy_(inside)
    torch.mul(clamped, step, out=out)


def is_last_gradient(gradient: Tensor) -> bool:
    """Whether a gradient is plain memory, and has no gradient of its own."""
    return _is_float_memory(gradient) and not (torch.is_grad_enabled() and gradient.requires_grad)


def rows_of(x: Tensor, axis: int) -> Tensor | None:
    """A view [scales, elements of one], in the order of memory; None where there is none.

    Args:
        x: any tensor.
        axis: the channels' dimension; -1: one scale for all.
    """
    if not x.numel() or not is_dense(x):
        return None
    if axis < 0:
        return x.as_strided((1, x.numel()), (x.numel(), 1))
    if axis > 0 or x.dim() == 0 or x.stride(0) * x.shape[0] != x.numel():
        return None
    return x.as_strided((x.shape[0], x.stride(0)), (x.stride(0), 1))


def lie_alike(x: Tensor, y: Tensor) -> bool:
    """Whether the elements of two tensors of one shape lie in the same order."""
    return x.stride() == y.stride() or (x.is_contiguous() and y.is_contiguous())


def same_rows(x: Tensor, rows: Tensor) -> Tensor:
    """The same view of a tensor that lies as the one of `rows` does."""
    return x.as_strided(rows.shape, rows.stride())


def pieces_of(rows: Tensor) -> Sequence[Tensor]:
    """Pieces of rows: parts of one row, or several whole ones."""
    inner, size = rows.shape[1], piece()
    if rows.numel() <= 2 * size:
        return (rows,)
    if inner > size:
        return [row[:, first : first + size] for row in _parts(rows, 1) for first in range(0, inner, size)]
    return _parts(rows, max(1, size // inner))


def _parts(rows: Tensor, step: int) -> Sequence[Tensor]:
    """Some rows at a time; `split` is written in Python and takes longer than small operations."""
    return rows.tensor_split(tuple(range(step, len(rows), step)))


def put(
    rows: Tensor, values: Tensor, scale: Tensor, rounding: Callable[[Tensor], Tensor], bounds: tuple[int, int]
) -> None:
    """clamp(R(rows / scale), bounds) * scale into memory of their shape, or theirs; the last first, which were read last."""
    triples = zip(pieces_of(rows), pieces_of(values), steps_of(rows, scale), strict=True)
    for x, out, step in reversed(list(triples)):
        put_piece(x, step, out, rounding, bounds)


def put_piece(
    x: Tensor, step: Tensor, out: Tensor, rounding: Callable[[Tensor], Tensor], bounds: tuple[int, int]
) -> None:
    """The same of one piece."""
    rounded = rounding(torch.div(x, step, out=out))
    torch.mul(rounded.clamp_(*bounds), step, out=out)


def steps_of(rows: Tensor, scale: Tensor) -> Sequence[Tensor]:
    """The scales of each piece, which broadcast against it."""
    steps, (count, inner), size = scale.reshape(-1, 1), rows.shape, piece()
    if rows.numel() <= 2 * size:
        return (steps,)
    if inner > size:
        steps = steps.expand(count, 1)
        return [step for step in _parts(steps, 1) for _ in range(-(-inner // size))]
    return _parts(steps, max(1, size // inner))


def scratch(x: Tensor, count: int) -> Sequence[Tensor]:
    """Memory of the shape of a piece, several times; the same at each call, so that it stays in the cache."""
    size = x.numel()
    held = memory(count * max(size, 2 * piece()), torch.float32)
    return [held[i * size : (i + 1) * size].view(x.shape) for i in range(count)]


def _is_float_memory(x: Tensor) -> bool:
    return x.dtype is torch.float32 and x.is_cpu and is_plain(x)
