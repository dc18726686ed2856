# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/suppression.py
"""Non-maximum suppression: of boxes that show the same thing, the best stays.

In: boxes and scores, or any rule that says which of two boxes suppresses the other. Out: the indices of those that stay,
best first. Greedy: a box is dropped when one that stays, and comes before it, suppresses it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .._marches import STABLE_SORT
from .errors import ArgumentError
from .march import get_march

Rule = Callable[[Tensor, Tensor], Tensor]
_BLOCK = 512
_CORNERS = 4


def greedy(count: int, rule: Rule, device: torch.device | None = None) -> Tensor:
    """Suppress among `count` boxes that stand in the order of their scores.

    Boxes come in blocks. Inside of one, who stays follows from itself: a guess (all) is corrected until it holds, which
    it does after as many steps as the longest chain of suppressions has; the result is that of the loop over boxes.

    Args:
        count: how many boxes.
        rule: (indices [I], indices [J]) -> bool [I, J], whether box i suppresses box j.
        device: of the result.

    Returns:
        The indices that stay, ascending.
    """
    kept = torch.empty(0, dtype=torch.int64, device=device)
    for start in range(0, count, _BLOCK):
        block = torch.arange(start, min(start + _BLOCK, count), device=device)
        block = block[~rule(kept, block).any(dim=0)]
        kept = torch.cat([kept, block[_stays(rule(block, block).triu(diagonal=1))]])
    return kept


def _stays(suppresses: Tensor) -> Tensor:
    """Who stays where box i may suppress the boxes after it: bool [N] of bool [N, N]."""
    stays = torch.ones(len(suppresses), dtype=torch.bool, device=suppresses.device)
    while True:
        corrected = ~(suppresses & stays[:, None]).any(dim=0)
        if torch.equal(corrected, stays):
            return stays
        stays = corrected


def descending(scores: Tensor, stable: bool | None = None) -> Tensor:
    """The order of scores, best first; None: as the current march sorts, and stable without one."""
    if stable is None:
        march = get_march()
        stable = True if march is None else STABLE_SORT[march]
    return torch.sort(scores, descending=True, stable=stable)[1]


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes [I, 4] with boxes [J, 4]: float32 [I, J]; 0 for boxes without area."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = (high - low).clamp(min=0).prod(dim=2)
    either = _areas(boxes)[:, None] + _areas(others)[None] - both
    return torch.where(either > 0, both / either, 0.0)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, use_stable_sort: bool | None = None) -> Tensor:
    """Drop boxes that overlap a better one by more than a threshold.

    Args:
        boxes: float [K, 4]: x1, y1, x2, y2.
        scores: float [K].
        iou_threshold: the largest intersection over union that two boxes may have.
        use_stable_sort: whether equal scores keep their order; None: as the current march does.

    Returns:
        int64: the indices of the boxes that stay, best first.

    Raises:
        ArgumentError: shapes that do not fit.
    """
    return batched_nms(boxes, scores, torch.zeros_like(scores), iou_threshold, use_stable_sort)


def batched_nms(
    boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float, use_stable_sort: bool | None = None
) -> Tensor:
    """`nms` in each group alone: boxes of different groups do not suppress each other.

    Args:
        boxes: float [K, 4]: x1, y1, x2, y2.
        scores: float [K].
        idxs: [K], the group of each box.
        iou_threshold: the largest intersection over union that two boxes of a group may have.
        use_stable_sort: whether equal scores keep their order; None: as the current march does.

    Returns:
        int64: the indices of the boxes that stay, best first.

    Raises:
        ArgumentError: shapes that do not fit.
    """
    if boxes.dim() != 2 or boxes.shape[1] != _CORNERS or {tuple(scores.shape), tuple(idxs.shape)} != {boxes.shape[:1]}:  # noqa: PLR2004
        raise ArgumentError(
            f"boxes [K, 4] need scores [K], not boxes {list(boxes.shape)} with scores {list(scores.shape)} "
            f"and groups {list(idxs.shape)}"
        )
    order = descending(scores, use_stable_sort)
    boxes, idxs = boxes[order].to(torch.float32), idxs[order]

    def rule(i: Tensor, j: Tensor) -> Tensor:
        return (overlaps(boxes[i], boxes[j]) > iou_threshold) & (idxs[i][:, None] == idxs[j][None])

    return order[greedy(len(order), rule, boxes.device)]
