# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/detections.py
"""Detections of float networks: boxes are decoded, filtered and suppressed on the host.

In: what the heads of a detector give, as float32. Out: boxes, scores and labels of each image.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import box_coding
from .box_coding import CORNERS
from .errors import ArgumentError
from .host import HostModule
from .suppression import batched_nms, descending

_MODES = ("normal", "yolo")
_Found = tuple[Tensor, Tensor, Tensor]
_NO_CLASS = -1.0


class Detections(HostModule):
    """Post process of anchor-based detectors, one or several levels.

    Args:
        score_threshold: drop what scores less. In mode "yolo" it is the objectness that counts.
        regression_scale: four factors of dx, dy, dw, dh.
        background_class_idx: the column of the scores that is no class.
        size_threshold: drop boxes with a side shorter than this, in pixels.
        image_size: (height, width) that boxes are clipped to.
        pre_decode_top_n: of a level, keep so many anchors by the first column of their scores.
        post_decode_top_n: of a level, keep so many detections by their score.
        iou_threshold: suppress detections of the same class that overlap more; None: suppress none.
        pre_nms_top_n: keep so many detections before the suppression.
        post_nms_top_n: keep so many after it.
        nms_on_each_level: suppress in each level alone.
        mode: "normal": every class of a box whose score passes is a detection, and dx, dy are in sizes of the anchor;
            "yolo": the first column is objectness, which class scores are multiplied by, the best class of a box is the
            detection, and dx, dy are pixels.

    Raises:
        ArgumentError: an unknown mode.
    """

    def __init__(
        self,
        score_threshold: float = 0,
        regression_scale: Sequence[float] | None = None,
        background_class_idx: int | None = None,
        size_threshold: float | None = None,
        image_size: tuple[int, int] | None = None,
        pre_decode_top_n: int | None = None,
        post_decode_top_n: int | None = None,
        iou_threshold: float | None = None,
        pre_nms_top_n: int | None = None,
        post_nms_top_n: int | None = None,
        nms_on_each_level: bool = False,
        mode: str = "normal",
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ArgumentError(f"mode must be one of {', '.join(map(repr, _MODES))}, not {mode!r}")
        self.score_threshold = score_threshold
        self.regression_scale = regression_scale
        self.background_class_idx = background_class_idx
        self.size_threshold = size_threshold
        self.image_size = image_size
        self.pre_decode_top_n = pre_decode_top_n
        self.post_decode_top_n = post_decode_top_n
        self.iou_threshold = iou_threshold
        self.pre_nms_top_n = pre_nms_top_n
        self.post_nms_top_n = post_nms_top_n
        self.nms_on_each_level = nms_on_each_level
        self.mode = mode

    def forward(
        self,
        boxes: Sequence[Tensor],
        scores: Sequence[Tensor],
        regressions: Sequence[Tensor],
        image_shapes: Any = None,
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Decode, filter and suppress.

        Args:
            boxes: for each level the anchors: [K, 4], [N, K, 4], or a map [N, A * 4, H, W].
            scores: for each level [N, K, C] or a map [N, A * C, H, W].
            regressions: for each level [N, K, 4] or a map [N, A * 4, H, W].
            image_shapes: (height, width) of each image, to clip to; `image_size` when left out.

        Returns:
            For each image boxes float32 [D, 4], scores float32 [D] and labels int64 [D], best first. A label is the
            column of the scores, in mode "yolo" not counting the objectness.
        """
        levels = [_rows(*level) for level in zip(boxes, scores, regressions, strict=True)]
        shapes = [self.image_size] * len(levels[0][1]) if image_shapes is None else image_shapes
        images = [self._image([(b[n], s[n], r[n]) for b, s, r in levels], shape) for n, shape in enumerate(shapes)]
        found_boxes, found_scores, labels = zip(*images, strict=True)
        return found_boxes, found_scores, labels

    def _image(self, levels: list[_Found], shape: Any) -> _Found:
        found = [self._level(*level, shape) for level in levels]
        if self.nms_on_each_level:
            found = [self._suppress(*level) for level in found]
        together = _joined(found)
        if self.nms_on_each_level:
            return _best(together, None)
        return self._suppress(*together)

    def _level(self, anchors: Tensor, scores: Tensor, deltas: Tensor, shape: Any) -> _Found:
        if self.pre_decode_top_n is not None:
            top = descending(scores[:, 0])[: self.pre_decode_top_n]
            anchors, scores, deltas = anchors[top], scores[top], deltas[top]
        if self.regression_scale is not None:
            deltas = deltas * deltas.new_tensor(list(self.regression_scale))
        rows, labels, scores = self._yolo_candidates(scores) if self.mode == "yolo" else self._candidates(scores)
        boxes = box_coding.decode(anchors[rows], deltas[rows], absolute=self.mode == "yolo")
        if shape is not None:
            boxes = box_coding.clip_to(boxes, shape)
        if self.size_threshold is not None:
            large = box_coding.large_enough(boxes, self.size_threshold, self.size_threshold)
            boxes, scores, labels = boxes[large], scores[large], labels[large]
        return _best((boxes, scores, labels), self.post_decode_top_n)

    def _candidates(self, scores: Tensor) -> _Found:
        """(row, label, score) of every class of every row that passes."""
        passes = scores >= self.score_threshold
        if self.background_class_idx is not None:
            passes[:, self.background_class_idx] = False
        rows, labels = passes.nonzero(as_tuple=True)
        return rows, labels, scores[rows, labels]

    def _yolo_candidates(self, scores: Tensor) -> _Found:
        """(row, label, score) of the best class of every row whose objectness passes."""
        rows = (scores[:, 0] >= self.score_threshold).nonzero().flatten()
        best, labels = (scores[rows, 1:] * scores[rows, :1]).max(dim=1)
        return rows, labels, best

    def _suppress(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> _Found:
        boxes, scores, labels = _best((boxes, scores, labels), self.pre_nms_top_n)
        if self.iou_threshold is None:
            kept = torch.arange(len(scores), device=scores.device)
        else:
            kept = batched_nms(boxes, scores, labels, self.iou_threshold)
        kept = kept[: self.post_nms_top_n]
        return boxes[kept], scores[kept], labels[kept]


def _rows(boxes: Tensor, scores: Tensor, regressions: Tensor) -> _Found:
    """One level as [N, K, 4], [N, K, C], [N, K, 4]."""
    groups = regressions.shape[1] // CORNERS
    scores, regressions = box_coding.as_rows(scores, groups), box_coding.as_rows(regressions, groups)
    boxes = box_coding.as_rows(boxes, groups)
    boxes = boxes.expand(len(scores), -1, -1)
    counts = {boxes.shape[1], scores.shape[1], regressions.shape[1]}
    if len(counts) != 1:
        raise ArgumentError(
            f"a level has {boxes.shape[1]} boxes, {scores.shape[1]} scores and {regressions.shape[1]} regressions"
        )
    return boxes, scores, regressions


def _joined(found: list[_Found]) -> _Found:
    boxes, scores, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    return boxes, scores, labels


def _best(found: _Found, count: int | None) -> _Found:
    """The best `count` of them, best first; all of them for None."""
    order = descending(found[1])[:count]
    return found[0][order], found[1][order], found[2][order]


class RegionDetections(HostModule):
    """Post process of the second stage: each region is of its best class, or is background.

    Args:
        image_size: (height, width) that boxes are clipped to where the call says no other.
        nms_threshold: suppress boxes of one class that overlap more.
        box_filter_threshold: keep what scores more.
        num_classes: without the background.
        post_nms_top_k: rows of the result.
        delta_mean: of the four regressions.
        delta_std: of the four regressions.
    """

    def __init__(
        self,
        image_size: tuple[int, int] = (1024, 1024),
        nms_threshold: float = 0.3,
        box_filter_threshold: float = 0.1,
        num_classes: int = 1,
        post_nms_top_k: int = 100,
        delta_mean: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
        delta_std: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.nms_threshold = nms_threshold
        self.box_filter_threshold = box_filter_threshold
        self.num_classes = num_classes
        self.post_nms_top_k = post_nms_top_k
        self.delta_mean, self.delta_std = tuple(delta_mean), tuple(delta_std)

    def forward(
        self, boxes: Sequence[Tensor], scores: Tensor, deltas: Tensor, image_sizes: Tensor | None = None
    ) -> Tensor:
        """Decode, filter and suppress.

        Args:
            boxes: for each image its regions [R, 4].
            scores: [all regions, num_classes + 1, 1, 1]; column 0 is the background.
            deltas: [all regions, (num_classes + 1) * 4, 1, 1].
            image_sizes: [images, 2], (height, width) of each image.

        Returns:
            float32 [images, post_nms_top_k, 6]: x1, y1, x2, y2, score, class (not counting the background), best
            first; rows without a detection are -1.

        Raises:
            ArgumentError: not one score and regression a region.
        """
        classes, counts = self.num_classes + 1, [len(b) for b in boxes]
        if scores.numel() != sum(counts) * classes or deltas.numel() != sum(counts) * classes * CORNERS:
            raise ArgumentError(
                f"{sum(counts)} regions of {classes} classes (background included) do not fit scores "
                f"{list(scores.shape)} and deltas {list(deltas.shape)}"
            )
        sizes = [self.image_size] * len(counts) if image_sizes is None else image_sizes
        score_rows = torch.split(scores.reshape(-1, classes), counts)
        delta_rows = torch.split(deltas.reshape(-1, classes, CORNERS), counts)
        return torch.stack([self._image(*image) for image in zip(boxes, score_rows, delta_rows, sizes, strict=True)])

    def _image(self, regions: Tensor, scores: Tensor, deltas: Tensor, size: Any) -> Tensor:
        best, labels = scores.max(dim=1)
        keep = ((labels > 0) & (best > self.box_filter_threshold)).nonzero().flatten()
        best, labels = best[keep], labels[keep]
        moved = deltas[keep, labels] * deltas.new_tensor(self.delta_std) + deltas.new_tensor(self.delta_mean)
        found = box_coding.clip_to(box_coding.decode(regions[keep], moved), size)
        kept = batched_nms(found, best, labels, self.nms_threshold)[: self.post_nms_top_k]
        rows = torch.cat([found[kept], best[kept, None], labels[kept, None] - 1], dim=1)
        return torch.cat([rows, rows.new_full((self.post_nms_top_k - len(rows), rows.shape[1]), _NO_CLASS)])
