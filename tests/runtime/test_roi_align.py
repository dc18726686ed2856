"""horizon.nn.RoIAlign: float values by definition, integers by a slow computation in exact Python."""

import math
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from slow_regions import (
    ILLEGAL,
    MAP,
    MARCHES,
    QUARTERS,
    SHIFTED,
    boxes_of,
    integer_map,
    made,
    pixels,
    slow,
    stored,
)
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import RoIAlign, qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
)


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
    assert type(prepared.pool) is qat.RoIAlign
    assert prepared.pool.aligned
    assert type(convert_fx(prepared).pool) is quantized.RoIAlign
