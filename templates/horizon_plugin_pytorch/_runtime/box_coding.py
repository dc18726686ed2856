# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/box_coding.py
"""Boxes in float32: corners, their regressions, and the layouts that networks give them in.

In: tensors whose last dimension is x1, y1, x2, y2 (boxes) or dx, dy, dw, dh (regressions). Out: boxes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

CORNERS = 4
_MAP_DIMS = 4


def decode(
    anchors: Tensor, deltas: Tensor, *, absolute: bool = False, exp: Callable[[Tensor], Tensor] = torch.exp
) -> Tensor:
    """Move and scale anchors: centers by dx and dy in sizes of the anchor, sides by e to dw and dh.

    Args:
        anchors: [..., 4].
        deltas: [..., 4].
        absolute: dx and dy are pixels.
        exp: what is computed of dw and dh.

    Returns:
        Boxes [..., 4].
    """
    low, high = anchors[..., :2], anchors[..., 2:]
    size = high - low
    offset = deltas[..., :2] if absolute else deltas[..., :2] * size
    center, half = (low + high) / 2 + offset, size * exp(deltas[..., 2:]) / 2
    return torch.cat([center - half, center + half], dim=-1)


def clip_to(boxes: Tensor, image: Sequence[float] | Tensor) -> Tensor:
    """Boxes [..., 4] inside of an image of (height, width)."""
    height, width = (float(size) for size in image)
    ends = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), ends)


def large_enough(boxes: Tensor, height: float, width: float) -> Tensor:
    """Which boxes [K, 4] are at least so high and wide: bool [K]."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (sides[:, 0] >= width) & (sides[:, 1] >= height)


def as_rows(x: Tensor, groups: int) -> Tensor:
    """A map [N, groups * D, H, W] as rows [N, H * W * groups, D], position by position; rows as they are."""
    if x.dim() != _MAP_DIMS:
        return x
    n, channels, h, w = x.shape
    return x.reshape(n, groups, channels // groups, h, w).permute(0, 3, 4, 1, 2).reshape(n, h * w * groups, -1)
