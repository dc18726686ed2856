"""horizon.nn.MultiScaleRoIAlign: each region is taken from the level of its size."""

import math

import pytest
import torch
from slow_regions import (
    MARCHES,
    SHIFTED,
    boxes_of,
    integer_map,
    made,
    pixels,
    slow,
    stored,
)
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.nn import MultiScaleRoIAlign
from horizon_plugin_pytorch.qtensor import QTensor

SHAPES = [(64, 48), (60, 40)]


LEVELS = [(16, 12), (8, 6), (4, 3)]


REGIONS = [[[0, 0, 20, 20], [40, 60, 200, 220], [8, 8, 12, 250]], [[-100, 0, 300, 256], [16, 16, 110, 120]]]


def pyramid(scales: tuple[float, ...]) -> dict[str, QTensor]:
    return {str(i): stored(integer_map(2, s, i), f) for i, (s, f) in enumerate(zip(LEVELS, scales, strict=True))}


def level_of(box: list[float]) -> int:
    """0 is the finest map, of a quarter of the image's size."""
    width, height = box[2] - box[0], box[3] - box[1]
    return min(max(math.floor(3 + math.log2(math.sqrt((width + 1) * (height + 1)) / 32) + 1e-8), 2), 4) - 2


def pooler() -> nn.Module:
    return MultiScaleRoIAlign(["0", "1", "2"], 2, 1, canonical_scale=32, canonical_level=3)


def slow_pyramid(march: str, maps: list[Tensor]) -> list[list[list[list[int]]]]:
    found = []
    for image, quarters in enumerate(REGIONS):
        for box in pixels(quarters):
            level = level_of(box)
            found.append(slow(march, maps[level][image].tolist(), box, 2.0 ** (-2 - level), (2, 2)))
    return found


def test_the_regions_belong_to_all_levels() -> None:
    assert {level_of(box) for quarters in REGIONS for box in pixels(quarters)} == {0, 1, 2}


@pytest.mark.parametrize("march", MARCHES)
def test_levels_of_one_scale(march: str) -> None:
    maps = pyramid((0.5, 0.5, 0.5))
    given = made(pooler(), march)[1](maps, [boxes_of(q) for q in REGIONS], SHAPES)
    assert given.int_repr().tolist() == slow_pyramid(march, [m.int_repr() for m in maps.values()])


@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
def test_levels_are_requantized_to_the_largest_scale(march: str) -> None:
    maps = pyramid((0.25, 0.5, 0.125))
    given = made(pooler(), march)[1](maps, [boxes_of(q) for q in REGIONS], SHAPES)
    aligned = [
        torch.floor(m.int_repr().double() * r + 0.5).to(torch.int8)
        for m, r in zip(maps.values(), (0.5, 1, 0.25), strict=True)
    ]
    assert given.int_repr().tolist() == slow_pyramid(march, aligned)
    assert given.q_scale().tolist() == [0.5]


@pytest.mark.parametrize("march", SHIFTED)
def test_levels_of_several_scales_are_refused_where_the_march_takes_one(march: str) -> None:
    with pytest.raises(NotImplementedError, match=r"need the same scale, not 0\.25, 0\.5, 0\.125"):
        made(pooler(), march)[1](pyramid((0.25, 0.5, 0.125)), [boxes_of(q) for q in REGIONS], SHAPES)


def test_qat_of_a_pyramid_has_the_values_of_the_integers() -> None:
    trained, module = made(pooler(), "bayes")
    maps, boxes = pyramid((0.25, 0.5, 0.125)), [boxes_of(q) for q in REGIONS]
    values = {name: QTensor(m.dequantize(), m.q_scale(), qint8) for name, m in maps.items()}
    given = trained(values, [b.dequantize() for b in boxes], SHAPES)
    assert torch.equal(given.dequantize(), module(maps, boxes, SHAPES).dequantize())


def test_a_float_pyramid_takes_each_region_from_its_level() -> None:
    maps = [torch.full((1, 1, *size), float(i)) for i, size in enumerate(LEVELS)]
    boxes = torch.tensor(
        [[0.0, 0.0, 20.0, 20.0], [0.0, 0.0, 40.0, 40.0], [0.0, 0.0, 46.0, 62.0], [0.0, 0.0, 64.0, 64.0]]
    )
    given = pooler()(maps, [boxes], SHAPES[:1])
    assert given[:, 0, 0, 0].tolist() == [0.0, 1.0, 1.0, 2.0]


def test_a_pyramid_with_a_missing_level_is_refused() -> None:
    maps = [torch.zeros(1, 1, 16, 12), torch.zeros(1, 1, 4, 3)]
    with pytest.raises(ValueError, match="half the size of the one before"):
        pooler()(maps, [torch.zeros(1, 4)], SHAPES[:1])
