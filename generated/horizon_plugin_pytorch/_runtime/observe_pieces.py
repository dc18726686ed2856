# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observe_pieces.py
"""Observing extremes by torch's operations where nothing is compiled: the fewest that give the range and the scale that follows.

In: a batch on the CPU, the range so far. Out: the same range and scale as the single steps of `observer_base` give. Layers of
small networks take less time than those steps.
"""

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .grid_pieces import pieces_of, rows_of
from .one_pass import NO_ENDS, is_plain

_ZERO = torch.zeros(1)
_SAMPLE = 1 << 11
"""Elements among which one is looked for that an activation clamps from below."""
_CACHED = 1 << 18
"""Elements, float32, that stay in a core's cache, so that they are soon read twice."""


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
    rows = rows_of(x.detach(), axis)
    if rows is None or any(tensor.shape != (len(rows),) for tensor in held):
        return False
    with torch.no_grad():
        return average_rows(rows, held, constant, scale_of, ends)


def average_rows(
    rows: Tensor,
    held: tuple[Tensor, Tensor, Tensor],
    constant: float,
    scale_of: Callable[[Tensor, Tensor], Tensor],
    ends: tuple[float, float] = NO_ENDS,
) -> bool:
    """The same of float32 [ranges, elements of one], not empty, which need no gradient; False: a value is not finite."""
    *so_far, scale = held
    batch = _extremes(rows, ends)
    width = torch.sub(batch[1], batch[0])
    if not math.isfinite((width if len(rows) == 1 else width.max()).item()):
        return False
    for value, current in zip(so_far, batch, strict=True):
        if current is not _ZERO or value.item() != 0.0:  # an average of zeros is zero
            averaged(value, current, constant, out=value)
    scale.copy_(scale_of(*so_far))
    return True


def averaged(value: Tensor, current: Tensor, constant: float, out: Tensor | None = None) -> Tensor:
    """A moving average with what is seen now, of some weight: into memory, or anew where it is neither of the two."""
    if constant == 0.0:
        return value
    if constant == 1.0:
        return current if out is None else out.copy_(current)
    return torch.add(value, torch.sub(current, value).mul_(_number(constant)), out=out)


@functools.cache
def _number(x: float) -> Tensor:
    """A number as torch's operations take it fastest, with the same result."""
    with torch.inference_mode(False):
        return torch.tensor(x, dtype=torch.float32)


def _extremes(rows: Tensor, ends: tuple[float, float]) -> Sequence[Tensor]:
    """(smallest, largest) of each row, clamped to `ends`."""
    if len(rows) == 1:
        return _of_all(rows, ends)
    pieces = pieces_of(rows)
    if len(pieces) == 1 or pieces[0].shape != rows[: len(pieces[0])].shape:  # a row is longer than a piece
        return rows.amin(1), rows.amax(1)
    found = [(piece.amin(1), piece.amax(1)) for piece in pieces]
    return [torch.cat(part) for part in zip(*found, strict=True)]


def _of_all(row: Tensor, ends: tuple[float, float]) -> Sequence[Tensor]:
    """(smallest, largest) of one row, each [1]."""
    low, high = ends
    if low > -math.inf and row[:, :_SAMPLE].amin().item() <= low:  # so nothing is less once it is clamped
        largest = row.amax(1)
        lowest = _ZERO if low == 0.0 else _number(low).view(1)
        return lowest, largest if high == math.inf else largest.clamp_(max=high)
    near = row.shape[1] <= _CACHED
    batch = [row.amin(1), row.amax(1)] if near else [end.view(1) for end in torch.aminmax(row)]
    return batch if ends == NO_ENDS else [end.clamp_(low, high) for end in batch]
