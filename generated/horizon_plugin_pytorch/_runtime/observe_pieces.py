# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observe_pieces.py
"""Observing extremes by torch's operations where nothing is compiled: the fewest that give the range and the scale that follows.

In: a batch on the CPU, the range so far. Out: the same range and scale as the single steps of `observer_base` give. Layers of
small networks take less time than those steps.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .grid_pieces import parts_of, rows_of
from .one_pass import NO_ENDS, is_plain


def average_extremes(
    x: Tensor,
    axis: int,
    held: tuple[Tensor, Tensor, Tensor],
    constant: float,
    scale_of: Callable[[Tensor, Tensor], Tensor],
    ends: tuple[float, float] = NO_ENDS,
) -> bool:
    """Let the extremes of a batch into a moving average, and write the scale that follows.

    Args: as for `one_pass.observe`, except
        scale_of: (smallest, largest) -> scale.

    Returns:
        False: nothing happened, for a value is not finite, there is none, or these tensors are no plain memory of the CPU.
    """
    if not (x.is_cpu and x.dtype is torch.float32 and is_plain(x) and x.numel()):
        return False
    x = x.detach()
    rows = x if axis < 0 else rows_of(x, axis)
    if rows is None or any(tensor.shape != (1 if axis < 0 else len(rows),) for tensor in held):
        return False
    *so_far, scale = held
    with torch.no_grad():
        batch = _extremes(rows, axis) if ends == NO_ENDS else [end.clamp(*ends) for end in _extremes(rows, axis)]
        lowest, highest = batch
        if not math.isfinite((highest - lowest).max().item()):
            return False
        for value, current in zip(so_far, batch, strict=True):
            if constant == 1.0:
                value.copy_(current)
            elif constant > 0.0:
                value.add_(torch.sub(current, value).mul_(constant))
        scale.copy_(scale_of(*so_far))
    return True


def _extremes(rows: Tensor, axis: int) -> Sequence[Tensor]:
    """(smallest, largest) of all, or of each row."""
    if axis < 0:
        return [end.view(1) for end in torch.aminmax(rows)]
    parts = list(parts_of(rows))
    if len(parts) == 1 or parts[0][1] != slice(None):  # a row is longer than a piece
        return rows.amin(1), rows.amax(1)
    found = [(piece.amin(1), piece.amax(1)) for piece in (rows[part] for part in parts)]
    return [torch.cat(ends) for ends in zip(*found, strict=True)]
