"""horizon.functional.nms and batched_nms against the loop that defines them."""

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._marches import STABLE_SORT
from horizon_plugin_pytorch._runtime.suppression import greedy
from horizon_plugin_pytorch.functional import batched_nms, nms
from horizon_plugin_pytorch.march import set_march


def overlap(a: list[float], b: list[float]) -> float:
    side = [max(min(a[2 + i], b[2 + i]) - max(a[i], b[i]), 0.0) for i in (0, 1)]
    both = side[0] * side[1]
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / either if either > 0 else 0.0


def slow(boxes: Tensor, scores: Tensor, groups: list[int], threshold: float) -> list[int]:
    order = sorted(range(len(scores)), key=lambda i: -scores[i].item())  # stable
    rows = boxes.double().tolist()
    kept: list[int] = []
    for i in order:
        if all(groups[i] != groups[k] or overlap(rows[k], rows[i]) <= threshold for k in kept):
            kept.append(i)
    return kept


def some_boxes(count: int, size: int = 60) -> Tensor:
    """Boxes whose corners are integers, so that overlaps are exact enough for any order of additions."""
    low = torch.randint(0, size, (count, 2))
    return torch.cat([low, low + torch.randint(0, 25, (count, 2))], dim=1).float()


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.51, 1.0])
@pytest.mark.parametrize("count", [0, 1, 2, 40, 150])
def test_it_keeps_what_the_loop_keeps(count: int, threshold: float) -> None:
    boxes, scores = some_boxes(count), torch.randint(0, 30, (count,)).float()
    kept = nms(boxes, scores, threshold, use_stable_sort=True)
    assert kept.tolist() == slow(boxes, scores, [0] * count, threshold)


def test_groups_do_not_see_each_other() -> None:
    boxes, scores, groups = some_boxes(150), torch.rand(150), torch.randint(0, 3, (150,))
    assert batched_nms(boxes, scores, groups, 0.4).tolist() == slow(boxes, scores, groups.tolist(), 0.4)


def test_many_boxes_come_in_blocks() -> None:
    boxes, scores = some_boxes(1100, size=120), torch.rand(1100)
    assert nms(boxes, scores, 0.3).tolist() == slow(boxes, scores, [0] * 1100, 0.3)


def test_a_chain_in_which_every_second_box_stays() -> None:
    rule = lambda i, j: (j[None] - i[:, None]) == 1  # noqa: E731 - each suppresses the next
    assert greedy(1001, rule).tolist() == list(range(0, 1001, 2))


def test_an_overlap_of_the_threshold_stays() -> None:
    boxes = torch.tensor([[0.0, 0, 20, 10], [0.0, 0, 10, 10]])
    assert nms(boxes, torch.tensor([2.0, 1.0]), 0.5).tolist() == [0, 1]
    assert nms(boxes, torch.tensor([2.0, 1.0]), 0.49).tolist() == [0]


def test_boxes_without_area_overlap_nothing() -> None:
    assert nms(torch.zeros(3, 4), torch.tensor([1.0, 3.0, 2.0]), 0.0).tolist() == [1, 2, 0]


def test_equal_scores_keep_their_order_when_the_sort_is_stable() -> None:
    boxes, scores = torch.arange(200.0).reshape(-1, 1) * 10 + torch.tensor([0.0, 0, 5, 5]), torch.ones(200)
    set_march("bayes")
    assert nms(boxes, scores, 0.5).tolist() == list(range(200))


def test_which_march_sorts_stably() -> None:
    assert STABLE_SORT == {"bernoulli": False, "bernoulli2": False, "bayes": True, "bayes-e": True}


@pytest.mark.parametrize(("boxes", "scores"), [((3, 4), (2,)), ((3, 5), (3,)), ((4,), (1,)), ((3, 4), (3, 1))])
def test_shapes_that_do_not_fit(boxes: tuple[int, ...], scores: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="boxes \\[K, 4\\] need scores \\[K\\]"):
        nms(torch.zeros(boxes), torch.zeros(scores), 0.5)
