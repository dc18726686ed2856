"""The head of a two-stage detector (Ren et al. 2015) on a pyramid or on one map, from float to integers on each march."""

import pytest
import torch
from layers import conv_bn, randomized
from model_flow import Batch, computes_in_integers, cosine, deployed, squares
from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub

from horizon_plugin_pytorch.nn import MultiScaleRoIAlign, RoIAlign
from horizon_plugin_pytorch.quantization import QuantStub

SHAPES = [(64, 64)] * 2


class Head(nn.Module):
    """A convolution over a region's samples, class scores from what is left."""

    def __init__(self, width: int, classes: int = 4) -> None:
        super().__init__()
        self.conv = conv_bn(width, width)
        self.scores = nn.Conv2d(width, classes, 4)

    def forward(self, regions: Tensor) -> Tensor:
        found: Tensor = self.scores(self.conv(regions))
        return found


class OneMap(nn.Module):
    """Regions given in quarters of a pixel, from one map."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.body = nn.Sequential(conv_bn(3, 8, stride=2), conv_bn(8, 16, stride=2))
        self.pool = RoIAlign(4, 0.25)
        self.head = Head(16)
        self.dequant = DeQuantStub()

    def forward(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        regions = self.pool(self.body(self.quant(x)), [first, second])
        found: Tensor = self.dequant(self.head(regions))
        return found


class Pyramid(nn.Module):
    """Regions from two levels, which have scales of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.body = nn.Sequential(conv_bn(3, 8, stride=2), conv_bn(8, 16, stride=2))
        self.coarse = conv_bn(16, 16, stride=2)
        self.pool = MultiScaleRoIAlign(["fine", "coarse"], 4, canonical_scale=32, canonical_level=3)
        self.head = Head(16)
        self.dequant = DeQuantStub()

    def forward(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        fine = self.body(self.quant(x))
        levels = {"fine": fine, "coarse": self.coarse(fine)}
        found: Tensor = self.dequant(self.head(self.pool(levels, [first, second], SHAPES)))
        return found


def batches(dtype: torch.dtype) -> list[Batch]:
    """Images, and regions of each in pixels, or in quarters where the dtype is of integers."""
    first = torch.tensor([[3.25, 4.5, 20.0, 30.75], [0.0, 0.0, 60.0, 50.0], [8.0, 8.0, 4.0, 20.0]])
    second = torch.tensor([[10.0, 12.0, 50.5, 63.0]])
    step = 1 if dtype.is_floating_point else 4
    boxes = [(boxes * step).to(dtype) for boxes in (first, second)]
    return [(torch.rand(2, 3, 64, 64) * 2 - 1, *boxes) for _ in range(2)]


def check(model: nn.Module, march: str, data: list[Batch]) -> None:
    qat, converted = deployed(randomized(model), march, data, ("head.scores",), squares)
    assert computes_in_integers(converted)
    with torch.no_grad():
        expected, given = qat(*data[0]), converted(*data[0])
    assert given.dtype == torch.float32
    assert given.shape == (4, 4, 1, 1)
    assert cosine(given, expected) > 0.98


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes", "bayes-e"])
def test_one_map_and_integer_boxes(march: str) -> None:
    check(OneMap(), march, batches(torch.int32))


@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
@pytest.mark.parametrize("model", [OneMap, Pyramid])
def test_float_boxes(model: type[nn.Module], march: str) -> None:
    check(model(), march, batches(torch.float32))


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_float_boxes_are_refused_where_the_march_takes_integers(march: str) -> None:
    with pytest.raises(NotImplementedError, match="takes integer boxes in quarters of a pixel"):
        check(OneMap(), march, batches(torch.float32))


def test_levels_of_several_scales_are_refused_where_the_march_takes_one() -> None:
    with pytest.raises(NotImplementedError, match="all feature maps need the same scale"):
        check(Pyramid(), "bernoulli2", batches(torch.int32))
