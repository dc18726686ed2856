# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/channel_axis.py
"""Where the channels of a tensor go when its elements are moved: which scale belongs to which channel of the result.

In: a shape, one scale for each channel, and a function that moves, picks or repeats elements. Out: the scales of the
result and the dimension they run along. Found by moving the scales themselves: they are laid out as a tensor of the
shape that steps through memory along the channel only, so the result's strides tell where that dimension went. Where
the function copies, the values tell.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def follow_channels(
    shape: torch.Size, scale: Tensor, axis: int, move: Callable[[Tensor], Tensor]
) -> tuple[Tensor, int]:
    """(scale, axis) after `move` was applied to a tensor of `shape` with `scale` along `axis`.

    Returns:
        The very object `scale` when the order of the channels is the same; (one scale, -1) when one channel is left.

    Raises:
        NotImplementedError: channels of different scales are mixed in one dimension.
    """
    if scale.numel() == 1:
        return scale, -1
    laid_out = scale.detach().reshape(-1, *([1] * (len(shape) - 1 - axis))).expand(shape)
    moved = move(laid_out)
    steps = [dim for dim in range(moved.dim()) if moved.shape[dim] > 1 and moved.stride(dim)]
    if len(steps) > 1:  # copied: strides say nothing, values do
        steps = [dim for dim in steps if bool((moved != moved.narrow(dim, 0, 1)).any())]
    if len(steps) > 1:
        raise NotImplementedError(
            f"a QTensor {list(shape)} with one scale for each channel of dimension {axis} cannot mix its channels into "
            f"{list(moved.shape)}: take .dequantize() first"
        )
    if not steps:
        return (moved if moved.numel() else scale).flatten()[:1], -1
    (dim,) = steps
    scales = moved.movedim(dim, 0).flatten(1)[:, 0]
    return (scale if scales.is_set_to(scale) else scales), dim
