# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/weight_pieces.py
"""A weight observed and quantized while it is in the cache, by torch's operations where nothing is compiled.

In: rows with a range each. Out: values on the grid, and a gradient without a mask. Of a large weight the few blocks are kept
that hold what is saturated, found from their extremes: with the scale of a row's own extremes these are single elements. Of a
small one, where operations cost more than their elements, backward finds out anew, of the weight itself.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .borders import Borders
from .grid_pieces import is_last_gradient, lie_alike, pieces_of, put, rows_of, same_rows, scratch, steps_of
from .observe_pieces import averaged
from .qtensor import broadcast_scale

Held = tuple[Tensor, Tensor, Tensor]
_GROUP = 1 << 20
"""Elements of rows for each thread, float32, that stay in the caches while they are observed and quantized."""
_BLOCKS = range(128, 15, -1)
"""Elements of a block: as many as cost little to go through, and at least what makes its extremes worth a place."""
_ABOUT_ONE = (0.5, 1.5)
inside = torch.ops.aten.hardtanh_backward
"""(gradient, x, below, above): the gradient where below < x < above, else 0; comparisons into bools cost several times as much."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Parts of a tensor in which something is saturated.

    Attributes:
        places: int64 [count], of each block of neighbours in memory.
        quotients: float32 [count, elements], of which are saturated those beyond the borders.
    """

    places: Tensor
    quotients: Tensor


def is_large(rows: Tensor) -> bool:
    """Whether rows are to be observed and quantized some at a time."""
    return rows.numel() > _GROUP * torch.get_num_threads()


def observe_and_put(
    rows: Tensor,
    values: Tensor,
    held: Held,
    constant: float,
    scale_of: Callable[[Tensor, Tensor], Tensor],
    borders: Borders,
) -> Blocks | None:
    """Let the extremes of rows into moving averages, write the scales that follow, and put the rows on the grid.

    Args:
        rows: float32 [ranges, elements of one].
        values: memory that lies like them.
        held: the smallest and the largest value so far, and the scale, [ranges]; written to.
        constant: the weight of the batch, 0..1.
        scale_of: (smallest, largest) -> scale.
        borders: of the quotients.

    Returns:
        What is saturated; None: nothing was written to `held`, for a value is not finite.
    """
    size, step = _block(rows.shape[1]), max(1, _GROUP * torch.get_num_threads() // rows.shape[1])
    found: list[tuple[Tensor, ...]] = []
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        group, before = rows[part], [tensor[part] for tensor in held[:2]]
        blocks = group.view(-1, size)
        lows, highs = blocks.amin(1).view(len(group), -1), blocks.amax(1).view(len(group), -1)
        batch = (lows.amin(1), highs.amax(1)) if lows.shape[1] > 1 else (lows.view(-1), highs.view(-1))
        if not math.isfinite(torch.sub(batch[1], batch[0]).max().item()):
            return None
        ranges = [averaged(*pair, constant) for pair in zip(before, batch, strict=True)]
        scale = scale_of(*ranges)
        put(group, values[part], scale, borders.rounding, borders.bounds)
        found.append((*ranges, scale, *_saturated(blocks, lows, highs, scale.view(-1, 1), borders, first)))
    together = found[0] if len(found) == 1 else [torch.cat(parts) for parts in zip(*found, strict=True)]
    for tensor, new in zip(held, together, strict=False):
        tensor.copy_(new)
    return Blocks(*together[3:])


def _saturated(
    blocks: Tensor, lows: Tensor, highs: Tensor, scale: Tensor, borders: Borders, first: int
) -> tuple[Tensor, Tensor]:
    """Places and quotients of blocks with something saturated, whose first one belongs to the row `first`."""
    below, above = borders.quotients
    count = lows.shape[1]
    beyond = torch.div(highs, scale).ge_(above).add_(torch.div(lows, scale).le_(below))
    places = beyond.view(-1).nonzero().view(-1)
    quotients = blocks[places].div_(scale[places // count])
    return places + first * count if first else places, quotients


@functools.cache
def _block(inner: int) -> int:
    """The largest divisor of the elements of a row that makes good blocks; else all of them."""
    return next((size for size in _BLOCKS if inner % size == 0), inner)


class SaturatedRows(torch.autograd.Function):
    """Values that were computed of a small weight, and the gradient of what is not saturated, which backward finds out anew."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, made: tuple[Tensor, Tensor], borders: Borders, owns_gradient: bool) -> Tensor:
        values, scale = made
        ctx.save_for_backward(x, scale)
        ctx.limits, ctx.owns_gradient = borders.quotients, owns_gradient
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, scale) = gradients, ctx.saved_tensors
        rows = rows_of(x.detach(), 0)
        if rows is None or not lie_alike(gradient, x) or not is_last_gradient(gradient):
            quotients = x.detach() / broadcast_scale(scale, x.dim(), 0)
            return inside(gradient, quotients, *ctx.limits), None, None, None
        passed = gradient if ctx.owns_gradient else torch.empty_like(gradient)
        parts = (pieces_of(memory) for memory in (rows, same_rows(gradient, rows), same_rows(passed, rows)))
        for part, given, out, step in zip(*parts, steps_of(rows, scale), strict=True):
            (free,) = scratch(part, 1)
            inside.grad_input(given, torch.div(part, step, out=free), *ctx.limits, grad_input=out)
        return passed, None, None, None


class SaturatedBlocks(torch.autograd.Function):
    """Values that were computed, and the gradient of what is not saturated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, made: tuple[Tensor, Blocks], borders: Borders, owns_gradient: bool) -> Tensor:
        values, blocks = made
        ctx.save_for_backward(blocks.places, blocks.quotients)
        ctx.limits, ctx.owns_gradient = borders.quotients, owns_gradient
        ctx.stride, ctx.is_contiguous = x.stride(), x.is_contiguous()
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (places, quotients) = gradients, ctx.saved_tensors
        if not len(places):
            return gradient, None, None, None
        alike = gradient.stride() == ctx.stride or (ctx.is_contiguous and gradient.is_contiguous())
        if alike and is_last_gradient(gradient):
            passed = gradient if ctx.owns_gradient else gradient.clone()
            blocks = _blocks(passed, quotients.shape[1])
            part = blocks.index_select(0, places)
            blocks.index_copy_(0, places, inside.grad_input(part, quotients, *ctx.limits, grad_input=part))
            return passed, None, None, None
        mask = torch.empty_strided(gradient.shape, ctx.stride).fill_(1.0)
        marks = inside(torch.ones_like(quotients), quotients, *ctx.limits)
        _blocks(mask, quotients.shape[1]).index_copy_(0, places, marks)
        return inside(gradient, mask, *_ABOUT_ONE), None, None, None


def _blocks(x: Tensor, size: int) -> Tensor:
    """Dense memory as blocks."""
    return x.as_strided((x.numel() // size, size), (size, 1))
