# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/branch_detections.py
"""What a detection unit does with the branches of a head: the steps, whatever the numbers are.

In: for each branch the regressions and scores of every anchor, the anchors, and an arithmetic. Out: for each image boxes,
scores and classes. `FloatBoxes` computes float32; `IntegerBoxes` computes with the kernels of a march.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor

from ..kernels import common
from . import box_coding
from .suppression import descending, greedy, overlaps

PADDINGS = (None, "pad_zero", "rollover")
Found = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Settings:
    """The constructor's arguments, as `BranchDetections` describes them."""

    num_classes: int
    box_filter_threshold: float
    class_offsets: tuple[int, ...]
    use_clippings: bool
    image_size: tuple[int, int]
    nms_threshold: float
    pre_nms_top_k: int
    post_nms_top_k: int
    nms_padding_mode: str | None
    nms_margin: float
    use_stable_sort: bool | None
    bbox_min_hw: tuple[float, float]
    exp_overwrite: Callable[[Tensor], Tensor]
    input_shift: int


class Arithmetic(Protocol):
    """Numbers of one kind: scores [K], boxes [K, 4]."""

    def passes(self, scores: Tensor) -> Tensor:
        """Which scores pass the filter: bool [K]."""

    def decode(self, anchors: Tensor, deltas: Tensor) -> Tensor:
        """Boxes of float32 anchors [K, 4] and regressions [K, 4]."""

    def clip(self, boxes: Tensor, image: Any) -> Tensor:
        """Boxes inside of an image of (height, width)."""

    def large_enough(self, boxes: Tensor) -> Tensor:
        """Which boxes have the least height and width: bool [K]."""

    def suppresses(self, first: Found, second: Found) -> Tensor:
        """Whether box i of the first suppresses box j of the second: bool [I, J]; classes are looked at elsewhere."""


def detect(
    settings: Settings,
    arithmetic: Arithmetic,
    data: Sequence[Tensor],
    anchors: Sequence[Tensor],
    image_sizes: Any,
) -> list[Found]:
    """Filter, decode, clip, sort and suppress, image by image.

    Args:
        settings: what the user asked for.
        arithmetic: of the numbers in `data`.
        data: for each branch [N, A * (4 + classes), H, W]: for each anchor dx, dy, dw, dh and its scores.
        anchors: for each branch float32 [N, A * 4, H, W].
        image_sizes: (height, width) of each image; None: that of the settings.
    """
    branches = []
    for x, boxes in zip(data, anchors, strict=True):
        count = boxes.shape[1] // box_coding.CORNERS
        branches.append((box_coding.as_rows(x, count), box_coding.as_rows(boxes, count)))
    sizes = [settings.image_size] * len(data[0]) if image_sizes is None else image_sizes
    return [
        _detect_one(settings, arithmetic, [(x[n], boxes[n]) for x, boxes in branches], size)
        for n, size in enumerate(sizes)
    ]


def _detect_one(settings: Settings, arithmetic: Arithmetic, branches: list[tuple[Tensor, Tensor]], size: Any) -> Found:
    parts = []
    for (rows, anchors), offset in zip(branches, settings.class_offsets, strict=True):
        scores, classes = rows[:, box_coding.CORNERS :].max(dim=1)
        keep = arithmetic.passes(scores)
        boxes = arithmetic.decode(anchors[keep], rows[keep, : box_coding.CORNERS])
        parts.append((boxes, scores[keep], classes[keep] + offset))
    boxes, scores, classes = (torch.cat(column) for column in zip(*parts, strict=True))
    if settings.use_clippings:
        boxes = arithmetic.clip(boxes, size)
    large = arithmetic.large_enough(boxes)
    found = _taken((boxes, scores, classes), large)
    found = _taken(found, descending(found[1], settings.use_stable_sort)[: settings.pre_nms_top_k])

    def rule(i: Tensor, j: Tensor) -> Tensor:
        same = found[2][i][:, None] == found[2][j][None]
        return same & arithmetic.suppresses(_taken(found, i), _taken(found, j))

    kept = greedy(len(found[1]), rule, boxes.device)[: settings.post_nms_top_k]
    return _padded(_taken(found, kept), settings.post_nms_top_k, settings.nms_padding_mode)


def _taken(found: Found, which: Tensor) -> Found:
    return found[0][which], found[1][which], found[2][which]


def _padded(found: Found, count: int, mode: str | None) -> Found:
    """As many rows as asked for: zeros, or the found ones again from the first; as they are without a mode."""
    have = len(found[1])
    if mode is None:
        return found
    if mode == "rollover" and have:
        return _taken(found, torch.arange(count, device=found[1].device) % have)
    boxes, scores, classes = (torch.cat([x, x.new_zeros(count - have, *x.shape[1:])]) for x in found)
    return boxes, scores, classes


@dataclass(frozen=True, slots=True)
class FloatBoxes:
    """float32 pixels and scores; only whether a score at the threshold passes is the march's."""

    settings: Settings
    kernels: ModuleType

    def passes(self, scores: Tensor) -> Tensor:
        """See `Arithmetic`."""
        limit = scores.new_tensor(self.settings.box_filter_threshold)
        return torch.as_tensor(self.kernels.threshold_real(scores, limit))

    def decode(self, anchors: Tensor, deltas: Tensor) -> Tensor:
        """See `Arithmetic`."""
        return box_coding.decode(anchors, deltas, exp=self.settings.exp_overwrite)

    def clip(self, boxes: Tensor, image: Any) -> Tensor:
        """See `Arithmetic`."""
        return box_coding.clip_to(boxes, image)

    def large_enough(self, boxes: Tensor) -> Tensor:
        """See `Arithmetic`."""
        return box_coding.large_enough(boxes, *self.settings.bbox_min_hw)

    def suppresses(self, first: Found, second: Found) -> Tensor:
        """See `Arithmetic`."""
        ahead = first[1][:, None] - second[1][None] > self.settings.nms_margin
        return ahead & (overlaps(first[0], second[0]) > self.settings.nms_threshold)


@dataclass(frozen=True, slots=True)
class IntegerBoxes:
    """Quarter pixels and scores in steps of `scale`."""

    settings: Settings
    kernels: ModuleType
    dtype: Any
    scale: Tensor

    def passes(self, scores: Tensor) -> Tensor:
        """See `Arithmetic`."""
        limit = self.scale.new_tensor(self.settings.box_filter_threshold)
        p = self.kernels.derive_threshold(limit, self.scale, input=self.dtype)
        return torch.as_tensor(self.kernels.threshold(scores, p))

    def decode(self, anchors: Tensor, deltas: Tensor) -> Tensor:
        """See `Arithmetic`."""
        corners = common.box_anchor(anchors)
        regressions = self.kernels.dequantize(deltas[:, 2:], self.scale)
        growth = common.box_growth(self.settings.exp_overwrite(regressions))
        ends = corners[:, :2], corners[:, 2:], deltas[:, :2], growth
        fraction = self.settings.input_shift
        return torch.cat([common.box_edge(*ends, side=side, fraction=fraction) for side in (-1, 1)], dim=1)

    def clip(self, boxes: Tensor, image: Any) -> Tensor:
        """See `Arithmetic`."""
        height, width = (int(size) for size in image)
        sizes = torch.tensor([width, height, width, height], device=boxes.device)
        return common.box_clip(boxes, sizes)

    def large_enough(self, boxes: Tensor) -> Tensor:
        """See `Arithmetic`."""
        height, width = (self.scale.new_tensor(side) for side in self.settings.bbox_min_hw)
        x1, y1, x2, y2 = boxes.unbind(1)
        return common.box_large_enough(x1, y1, x2, y2, height, width)

    def suppresses(self, first: Found, second: Found) -> Tensor:
        """See `Arithmetic`."""
        iou, margin = (self.scale.new_tensor(v) for v in (self.settings.nms_threshold, self.settings.nms_margin))
        p = common.derive_box_suppresses(iou, margin, self.scale)
        x1, y1, x2, y2, score1 = (column[:, None] for column in (*first[0].unbind(1), first[1]))
        u1, v1, u2, v2, score2 = (column[None] for column in (*second[0].unbind(1), second[1]))
        return common.box_suppresses(x1, y1, x2, y2, score1, u1, v1, u2, v2, score2, p)
