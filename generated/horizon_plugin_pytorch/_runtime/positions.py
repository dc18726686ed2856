# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/positions.py
"""Positions of feature maps whose largest score passes a threshold: a dense prediction becomes a list.

In: feature maps of one size. Out: for each image the rows that were kept, in the order of the positions. Whether a score
passes is the march's comparison, on integers for a QTensor.
"""

import torch
from torch import Tensor

from ..kernels import load
from .errors import ArgumentError
from .host import plain, require_values
from .layout import IMAGE_DIMS
from .march import require_march
from .qtensor import QTensor


def keep_positions(
    _op: str, *inputs: Tensor, threshold: float, idx_range: tuple[int, int] | None = None
) -> list[list[Tensor]]:
    """Keep the positions at which the largest channel of the first input passes the threshold.

    Args:
        inputs: one or more [N, C, H, W], each with its own C; float, or QTensors of one scale each.
        threshold: in values, not in steps. The march says whether the threshold itself passes.
        idx_range: (first, last + 1) of the channels of the first input that are scores; all of them by default.

    Returns:
        For each image `[score, index, place, *data]` of M kept positions, row by row of the image: the largest value
        float32 [M], its channel int16 [M] (of equal ones the first), (h, w) int16 [M, 2], and for each input its
        channels float32 [M, C]. Empty where nothing passes.

    Raises:
        RuntimeError: no march is set.
        ArgumentError: no input, sizes that differ, an empty or impossible range, or one scale a channel.
        NotImplementedError: the march does not support the dtype.
    """
    march = require_march(_op)
    _check(inputs)
    require_values(_op, _op, inputs)
    first, last = _channels(inputs[0], idx_range)
    scores, indices = plain(inputs[0])[:, first:last].max(dim=1)
    passed = _passes(march, inputs[0], first, last, scores, threshold)
    indices = (indices + first).to(torch.int16)
    rows = [plain(x).permute(0, 2, 3, 1) for x in inputs]
    return [
        [scores[n][keep], indices[n][keep], keep.nonzero().to(torch.int16), *(x[n][keep] for x in rows)]
        for n, keep in enumerate(passed)
    ]


def _passes(march: str, x: Tensor, first: int, last: int, scores: Tensor, threshold: float) -> Tensor:
    """Which positions pass: bool [N, H, W]."""
    kernels, limit = load(march), torch.tensor(threshold, dtype=torch.float32)
    if not isinstance(x, QTensor):
        return torch.as_tensor(kernels.threshold_real(scores, limit.to(scores.device)))
    integers = x.int_repr()[:, first:last].amax(dim=1)
    scale = x.q_scale().reshape(())
    p = kernels.derive_threshold(limit.to(scale.device), scale, input=x.dtype)
    return torch.as_tensor(kernels.threshold(integers, p))


def _check(inputs: tuple[Tensor, ...]) -> None:
    if not inputs:
        raise ArgumentError("give at least one feature map [N, C, H, W]")
    sizes = {(tuple(x.shape[:1]) + tuple(x.shape[2:])) if x.dim() == IMAGE_DIMS else None for x in inputs}
    if len(sizes) != 1 or None in sizes:
        shapes = ", ".join(str(list(x.shape)) for x in inputs)
        raise ArgumentError(f"feature maps must be [N, C, H, W] with the same N, H and W, not {shapes}")
    if isinstance(inputs[0], QTensor) and inputs[0].q_scale().numel() != 1:
        raise ArgumentError("the first feature map needs one scale; a threshold has no integer for a scale a channel")


def _channels(x: Tensor, idx_range: tuple[int, int] | None) -> tuple[int, int]:
    first, last = (0, x.shape[1]) if idx_range is None else idx_range
    if not 0 <= first < last <= x.shape[1]:
        raise ArgumentError(f"idx_range ({first}, {last}) holds no channels of a feature map with {x.shape[1]}")
    return first, last
