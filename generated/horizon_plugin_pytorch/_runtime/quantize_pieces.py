# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantize_pieces.py
"""A fake quantizer by torch's operations where nothing is compiled: few passes, little new memory, few small operations.

In: a fake quantizer and float32 memory of the CPU. Out: the very values, ranges and gradients of the single steps. What was
observed is finite, so that it is saturated exactly where it lies beyond two numbers (`borders`), and one comparison makes a
mask. A weight needs none (`weight_pieces`).
"""

from typing import Any

import torch
from torch import Tensor

from .borders import Borders
from .clamp import Clamp
from .grid_pieces import pieces_of, put, put_piece, rows_of, same_rows, scratch
from .observe_pieces import average_rows
from .one_pass import NO_ENDS
from .straight_through import Saturated, default_rounding, grid_of, rounding_of
from .weight_pieces import Held, SaturatedBlocks, SaturatedRows, inside, is_large, observe_and_put

_Ends = tuple[float, float]
_ONE = torch.ones(())


def in_pieces(
    fake_quant: Any, x: Tensor, held: Held | None, quantizes: bool, activation: Clamp | None
) -> Tensor | None:
    """What a fake quantizer does that saturates.

    Args:
        fake_quant: the quantizer.
        x: float32 memory; overwritten where the quantizer owns it and nothing keeps it.
        held: the smallest and largest value so far, and the scale, which are written to; None: nothing is observed.
        quantizes: whether it puts values on the grid.
        activation: what is computed before.

    Returns:
        The values; None: nothing happened, for it does nothing in this state, or `x` does not lie as this needs it, or is not
        finite where it is observed.
    """
    observer = fake_quant._modules["activation_post_process"]
    ends, data, axis = NO_ENDS if activation is None else activation.ends, x.detach(), observer.ch_axis
    rows, trained = rows_of(data, axis), quantizes and x.requires_grad and torch.is_grad_enabled()
    rounded_as = fake_quant.rounded_as or default_rounding(axis)
    borders = Borders.of(rounding_of(fake_quant.march, rounded_as), (observer.quant_min, observer.quant_max))
    scale = fake_quant._buffers["scale"]
    if rows is None or borders is None or scale.numel() != len(rows) or (trained and held is None):
        return None
    if trained and axis >= 0 and held is not None and is_large(rows):
        return _large_weight(fake_quant, x, rows, held, borders)
    if held is not None and not average_rows(rows, held, observer.averaging_constant, observer.scale_of, ends):
        return None
    if not quantizes:
        return x if activation is None else activation(x)
    # in training, what gives an activation to the quantizer keeps nothing of it
    in_place = fake_quant.owns_input and (not trained or (activation is not None and not x._is_view()))
    values = data if in_place else torch.empty_like(data)
    if not trained:
        bounds = borders.bounds if activation is None else borders.integers(scale.item(), ends)
        put(rows, same_rows(values, rows), scale, borders.rounding, bounds)
        return values
    made: Tensor
    if axis >= 0:
        put(rows, same_rows(values, rows), scale, borders.rounding, borders.bounds)
        made = SaturatedRows.apply(x, (values, scale.clone()), borders, fake_quant.owns_gradient)  # type: ignore[no-untyped-call]
        return made
    mask = _put_and_mark(rows, values, scale, borders, ends)
    grid = grid_of(axis, *borders.bounds, fake_quant.march, rounded_as, False, ends)
    made = Saturated.apply(x, (values, mask), grid, in_place)  # type: ignore[no-untyped-call]
    return made


def _large_weight(fake_quant: Any, x: Tensor, rows: Tensor, held: Held, borders: Borders) -> Tensor | None:
    observer, values = fake_quant._modules["activation_post_process"], torch.empty_like(x.detach())
    how = observer.averaging_constant, observer.scale_of, borders
    blocks = observe_and_put(rows, same_rows(values, rows), held, *how)
    if blocks is None:
        return None
    made: Tensor = SaturatedBlocks.apply(x, (values, blocks), borders, fake_quant.owns_gradient)  # type: ignore[no-untyped-call]
    return made


def _put_and_mark(rows: Tensor, values: Tensor, scale: Tensor, borders: Borders, ends: _Ends) -> Tensor:
    """The same with one scale, and a mask of 0 and 1 of what was neither saturated nor clamped: int8, as `values` lie."""
    number = scale.item()
    bounds, limits = borders.integers(number, ends), borders.values(number, ends)
    mask = torch.empty_like(values, dtype=torch.int8)  # made faster than uint8
    triples = zip(*(pieces_of(same_rows(x, rows)) for x in (rows, values, mask)), strict=True)
    for x, out, mark in reversed(list(triples)):
        (free,) = scratch(x, 1)
        mark.copy_(inside.grad_input(_ONE, x, *limits, grad_input=free))
        put_piece(x, scale, out, borders.rounding, bounds)
    return mask.view(torch.uint8)
