"""horizon.nn.RoIAlign and MultiScaleRoIAlign: float values by definition, integers by a slow computation in exact Python."""

import math
import sys
from collections.abc import Iterator
from fractions import Fraction
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import MultiScaleRoIAlign, RoIAlign, qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

MARCHES = ["bernoulli", "bernoulli2", "bayes", "bayes-e"]
SHIFTED = ("bernoulli", "bernoulli2")
MAP = (9, 7)
QUARTERS = [
    [0, 0, 100, 120],  # the whole map
    [-60, -40, 50, 37],  # beyond the upper left border
    [61, 83, 400, 300],  # beyond the lower right border
    [33, 21, 34, 22],  # a quarter of a pixel
    [10, 10, 10, 40],  # no width
    [10, 40, 40, 10],  # a negative height
    [-80, 0, -1, 40],  # before the map
    [0, -80, 40, -1],  # above it
    [113, 0, 200, 40],  # behind it: 28.25 pixels * 0.25 > 7
    [112, 0, 200, 40],  # just on its end
    [0, 145, 40, 200],  # below it
]
ILLEGAL = (4, 5, 6, 7, 8, 10)


def integer_map(n: int = 1, size: tuple[int, int] = MAP, seed: int = 0) -> Tensor:
    return torch.randint(-128, 128, (n, 2, *size), generator=torch.Generator().manual_seed(seed), dtype=torch.int8)


def stored(x: Tensor, scale: float = 0.5) -> QTensor:
    return QTensor(x, torch.tensor([scale]), qint8)


def boxes_of(quarters: list[list[int]]) -> QTensor:
    return QTensor(torch.tensor(quarters, dtype=torch.int16).reshape(-1, 4), torch.tensor([0.25]), qint16)


def made(module: nn.Module, march: str) -> tuple[nn.Module, nn.Module]:
    """(QAT, quantized)."""
    set_march(march)
    module.qconfig = get_default_qconfig()
    trained = getattr(qat, type(module).__name__).from_float(module).eval()
    return trained, getattr(quantized, type(module).__name__).from_float(trained)


def f32(x: float) -> float:
    return float(np.float32(x))


def positions(march: str, low: float, high: float, ss: float, bins: int, aligned: bool) -> list[tuple[int, int]]:
    """(element, weight in 256ths) of each bin; the operands are rounded to float32 one by one."""
    last = 1.0 if march in SHIFTED else 0.0
    at = 0.0 if march in SHIFTED else 0.5
    bits = 8 if march in SHIFTED else 16
    start = f32(f32(low * ss) - 0.5 * aligned)
    step = f32(f32(f32(f32(high - low) * ss) + last) / bins)
    found = []
    for j in range(bins):
        c = math.floor(f32(start + f32((j + at) * step)) * 2**bits)
        found.append((c >> bits, (c & (2**bits - 1)) >> (bits - 8)))
    return found


def blended(march: str, a: int, b: int, c: int, d: int, wx: int, wy: int) -> int:
    top, bottom = a * (256 - wx) + b * wx, c * (256 - wx) + d * wx
    if march in SHIFTED:
        return ((top >> 8) * (256 - wy) + (bottom >> 8) * wy) >> 8
    return math.floor(Fraction(top * (256 - wy) + bottom * wy, 65536) + Fraction(1, 2))


def slow(
    march: str, x: list[list[list[int]]], box: list[float], ss: float, bins: tuple[int, int], aligned: bool = False
) -> list[list[list[int]]]:
    """One region of a map [C][H][W]."""
    x1, y1, x2, y2 = box
    height, width = len(x[0]), len(x[0][0])
    illegal = x2 < 0 or y2 < 0 or x1 * ss > width or y1 * ss > height or x2 <= x1 or y2 <= y1
    if illegal:
        return [[[0] * bins[1]] * bins[0]] * len(x)

    def at(channel: list[list[int]], row: int, column: int) -> int:
        return channel[min(max(row, 0), height - 1)][min(max(column, 0), width - 1)]

    rows = positions(march, y1, y2, ss, bins[0], aligned)
    columns = positions(march, x1, x2, ss, bins[1], aligned)
    return [
        [
            [
                blended(march, *(at(ch, r + i, c + j) for i in (0, 1) for j in (0, 1)), wx, wy)
                for c, wx in columns
            ]
            for r, wy in rows
        ]
        for ch in x
    ]  # fmt: skip


def pixels(quarters: list[list[int]]) -> list[list[float]]:
    return [[q / 4 for q in row] for row in quarters]


@pytest.mark.parametrize("march", MARCHES)
def test_integer_boxes_in_quarters(march: str) -> None:
    x = integer_map()
    _, module = made(RoIAlign((3, 4), 0.25), march)
    given = module(stored(x), [boxes_of(QUARTERS)])
    assert given.int_repr().tolist() == [slow(march, x[0].tolist(), b, 0.25, (3, 4)) for b in pixels(QUARTERS)]
    assert given.q_scale().tolist() == [0.5]


@pytest.mark.parametrize("march", MARCHES)
def test_illegal_regions_are_0_and_only_they(march: str) -> None:
    x = integer_map().clamp(min=1)
    _, module = made(RoIAlign(2, 0.25), march)
    given = module(stored(x), [boxes_of(QUARTERS)]).int_repr()
    assert [i for i, region in enumerate(given) if not region.any()] == list(ILLEGAL)


@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
@pytest.mark.parametrize("aligned", [False, True])
def test_float_boxes(march: str, aligned: bool) -> None:
    x, corners = integer_map(), torch.tensor([[0.3, 1.7, 20.9, 33.1], [-5.2, 2.0, 3.3, 60.0], [5.1, 5.1, 5.1, 9.0]])
    _, module = made(RoIAlign((2, 3), 0.25, 1, aligned), march)
    expected = [slow(march, x[0].tolist(), b, 0.25, (2, 3), aligned) for b in corners.tolist()]
    assert module(stored(x), [corners]).int_repr().tolist() == expected


@pytest.mark.parametrize("march", ["bernoulli2", "bayes"])
def test_regions_of_several_images(march: str) -> None:
    x = integer_map(3)
    _, module = made(RoIAlign(2, 0.25), march)
    lists = [QUARTERS[:2], [], QUARTERS[2:4]]
    given = module(stored(x), [boxes_of(quarters) for quarters in lists])
    expected = [
        slow(march, x[i].tolist(), b, 0.25, (2, 2)) for i, quarters in enumerate(lists) for b in pixels(quarters)
    ]
    assert given.int_repr().tolist() == expected


@pytest.mark.parametrize("march", ["bernoulli2", "bayes"])
def test_qat_values_are_the_integers(march: str) -> None:
    x = integer_map()
    trained, module = made(RoIAlign(3, 0.25), march)
    values = QTensor(x.to(torch.float32) * 0.5, torch.tensor([0.5]), qint8)
    boxes = boxes_of(QUARTERS)
    given = trained(values, [QTensor(boxes.dequantize(), torch.tensor([0.25]), qint16)])
    assert torch.equal(given.dequantize(), module(stored(x), [boxes]).dequantize())


def test_qat_gradients_reach_the_map() -> None:
    trained, _ = made(RoIAlign(2, 0.25), "bayes")
    values = (integer_map().to(torch.float32) * 0.5).requires_grad_()
    out = trained(QTensor(values, torch.tensor([0.5]), qint8), [torch.tensor([[0.0, 0.0, 20.0, 20.0]])])
    out.as_subclass(Tensor).sum().backward()
    assert values.grad is not None
    assert values.grad.sum().item() == pytest.approx(2 * 2 * 2)  # four samples of two channels, weights sum to 1


# A pyramid.

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


# Float.


def float_slow(x: list[list[float]], box: list[float], ss: float, bins: int, aligned: bool) -> list[list[float]]:
    x1, y1, x2, y2 = (c * ss - 0.5 * aligned for c in box)
    height, width = len(x), len(x[0])
    extents = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1.0), max(x2 - x1, 1.0))

    def at(y: float, z: float) -> float:
        if not (-1 <= y <= height and -1 <= z <= width):
            return 0.0
        y, z = min(max(y, 0.0), height - 1), min(max(z, 0.0), width - 1)
        r, c = math.floor(y), math.floor(z)
        below, behind = min(r + 1, height - 1), min(c + 1, width - 1)
        top = x[r][c] * (1 - (z - c)) + x[r][behind] * (z - c)
        bottom = x[below][c] * (1 - (z - c)) + x[below][behind] * (z - c)
        return top * (1 - (y - r)) + bottom * (y - r)

    return [
        [at(y1 + (i + 0.5) * extents[0] / bins, x1 + (j + 0.5) * extents[1] / bins) for j in range(bins)]
        for i in range(bins)
    ]


@pytest.mark.parametrize("aligned", [False, True])
def test_float_values_by_definition(aligned: bool) -> None:
    x = torch.rand(1, 1, *MAP, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    boxes = torch.tensor(pixels(QUARTERS), dtype=torch.float64)
    given = RoIAlign(3, 0.25, 1, aligned)(x, [boxes])
    expected = [float_slow(x[0, 0].tolist(), b, 0.25, 3, aligned) for b in boxes.tolist()]
    assert torch.allclose(given[:, 0], torch.tensor(expected, dtype=torch.float64), atol=1e-12)


def test_float_boxes_with_the_number_of_their_image() -> None:
    x, box = torch.rand(2, 3, *MAP), torch.tensor([[2.0, 3.0, 20.0, 25.0]])
    rows = torch.cat([torch.ones(1, 1), box], dim=1)
    assert torch.equal(RoIAlign(2, 0.25)(x, rows), RoIAlign(2, 0.25)(x[1:], [box]))


def test_a_float_pyramid_takes_each_region_from_its_level() -> None:
    maps = [torch.full((1, 1, *size), float(i)) for i, size in enumerate(LEVELS)]
    boxes = torch.tensor(
        [[0.0, 0.0, 20.0, 20.0], [0.0, 0.0, 40.0, 40.0], [0.0, 0.0, 46.0, 62.0], [0.0, 0.0, 64.0, 64.0]]
    )
    given = pooler()(maps, [boxes], SHAPES[:1])
    assert given[:, 0, 0, 0].tolist() == [0.0, 1.0, 1.0, 2.0]


# Refusals.


@pytest.mark.parametrize("march", SHIFTED)
def test_float_boxes_are_refused_where_the_march_takes_integers(march: str) -> None:
    with pytest.raises(
        NotImplementedError, match=r"takes integer boxes in quarters of a pixel.*QuantStub\(scale=0.25\)"
    ):
        made(RoIAlign(2), march)[1](stored(integer_map()), [torch.zeros(1, 4)])


@pytest.mark.parametrize("march", SHIFTED)
def test_aligned_regions_are_refused_where_the_march_has_none(march: str) -> None:
    with pytest.raises(ValueError, match="aligned=True has no integer form"):
        made(RoIAlign(2, aligned=True), march)


def test_integer_boxes_of_another_scale_are_refused() -> None:
    boxes = QTensor(torch.zeros(1, 4, dtype=torch.int16), torch.tensor([0.5]), qint16)
    with pytest.raises(ValueError, match=r"quarters of a pixel, scale 0\.25, not 0\.5"):
        made(RoIAlign(2), "bayes")[1](stored(integer_map()), [boxes])


@pytest.mark.parametrize("boxes", [torch.zeros(1, 4), [torch.zeros(1, 4)] * 2, [torch.zeros(1, 5)]])
def test_boxes_of_another_form_are_refused(boxes: object) -> None:
    with pytest.raises(ValueError, match="RoIAlign takes boxes"):
        made(RoIAlign(2), "bayes")[1](stored(integer_map()), boxes)


def test_several_samples_a_bin_are_refused() -> None:
    with pytest.raises(ValueError, match="sampling_ratio must be 1"):
        RoIAlign(2, 1.0, 2)


def test_a_pyramid_with_a_missing_level_is_refused() -> None:
    maps = [torch.zeros(1, 1, 16, 12), torch.zeros(1, 1, 4, 3)]
    with pytest.raises(ValueError, match="half the size of the one before"):
        pooler()(maps, [torch.zeros(1, 4)], SHAPES[:1])


# Modules of torchvision, known by their names.


class Head(nn.Module):
    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor, boxes: list[Tensor]) -> Tensor:
        found: Tensor = self.pool(x, boxes)
        return found


@pytest.fixture
def named_like_torchvision() -> Iterator[type[nn.Module]]:
    home = ModuleType("torchvision.ops.roi_align")
    cls = type("RoIAlign", (nn.Module,), {"__module__": home.__name__, "__qualname__": "RoIAlign"})
    home.RoIAlign = cls  # type: ignore[attr-defined]
    sys.modules[home.__name__] = home
    yield cls
    del sys.modules[home.__name__]


def test_torchvisions_module_is_replaced(named_like_torchvision: type[nn.Module]) -> None:
    set_march("bayes")
    original = named_like_torchvision()
    vars(original).update(output_size=(2, 2), spatial_scale=0.25, sampling_ratio=1, aligned=True)
    prepared = prepare_qat_fx(Head(original), {"": get_default_qconfig()}).eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    assert type(prepared.pool) is qat.RoIAlign
    assert prepared.pool.aligned
    assert type(convert_fx(prepared).pool) is quantized.RoIAlign
