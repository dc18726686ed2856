"""horizon.nn.AnchorGenerator: boxes around positions, for float maps and QTensors; torchvision's is known by its name."""

import math
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import AnchorGenerator
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, get_default_qconfig, prepare_qat_fx

SIZES, RATIOS = ((8, 12), (16, 24)), ((0.5, 1.0, 2.0),) * 2
MAPS = [torch.zeros(2, 3, 4, 6), torch.zeros(2, 3, 2, 3)]


def slow(
    sizes: tuple[float, ...], ratios: tuple[float, ...], h: int, w: int, stride: tuple[int, int]
) -> list[list[float]]:
    boxes = []
    for y in range(h):
        for x in range(w):
            for ratio in ratios:
                for size in sizes:
                    half = [round(side * size / 2) for side in (1 / math.sqrt(ratio), math.sqrt(ratio))]
                    cx, cy = x * stride[1], y * stride[0]
                    boxes.append([cx - half[0], cy - half[1], cx + half[0], cy + half[1]])
    return boxes


def expected() -> list[list[float]]:
    return slow(SIZES[0], RATIOS[0], 4, 6, (8, 8)) + slow(SIZES[1], RATIOS[1], 2, 3, (16, 16))


def test_rows_of_each_image_like_torchvision() -> None:
    images = SimpleNamespace(tensors=torch.zeros(2, 3, 32, 48), image_sizes=[(32, 48)] * 2)
    for given in (AnchorGenerator(SIZES, RATIOS)(images, MAPS), AnchorGenerator(SIZES, RATIOS)(images.tensors, MAPS)):
        assert [rows.tolist() for rows in given] == [expected()] * 2


def test_strides_need_no_images() -> None:
    given = AnchorGenerator(SIZES, (0.5, 1.0, 2.0), strides=(8, (16, 16)))(MAPS)
    assert [rows.tolist() for rows in given] == [expected()] * 2
    assert given[0].dtype == torch.float32


def test_maps_hold_the_same_boxes() -> None:
    levels = AnchorGenerator(SIZES, RATIOS, strides=(8, 16), layout="maps")(MAPS)
    assert [list(level.shape) for level in levels] == [[2, 24, 4, 6], [2, 24, 2, 3]]
    rows = torch.cat([level.permute(0, 2, 3, 1).reshape(2, -1, 4) for level in levels], dim=1)
    assert rows.tolist() == [expected()] * 2


def test_boxes_around_a_position_are_counted() -> None:
    assert AnchorGenerator(((8,), (16, 24)), RATIOS).num_anchors_per_location == [3, 6]


@pytest.mark.parametrize(
    ("dtype", "storage"),
    [("qint8", torch.int8), ("qint16", torch.int16), ("qint32", torch.int32), ("qint8", torch.float32)],
)
def test_only_the_sizes_of_qtensors_are_read(dtype: str, storage: torch.dtype) -> None:
    set_march("bernoulli2")
    maps = [QTensor(x.to(storage), torch.tensor([0.1]), dtype) for x in MAPS]
    given = AnchorGenerator(SIZES, RATIOS, strides=(8, 16))(maps)
    assert [rows.tolist() for rows in given] == [expected()] * 2


def test_no_images() -> None:
    assert AnchorGenerator(((8,),), ((1.0,),), strides=(8,))([torch.zeros(0, 3, 2, 2)]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": ((8,), (16,)), "strides": (8,)}, "one entry a level"),
        ({"sizes": ((8,),), "aspect_ratios": ((1.0,), (2.0,))}, "one entry a level"),
        ({"layout": "columns"}, "layout is one of"),
    ],
)
def test_bad_constructors(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnchorGenerator(**arguments)


def test_bad_calls() -> None:
    with pytest.raises(ValueError, match="2 levels, but there are 1"):
        AnchorGenerator(SIZES, RATIOS)(torch.zeros(1, 3, 8, 8), MAPS[:1])
    with pytest.raises(ValueError, match="need strides"):
        AnchorGenerator(SIZES, RATIOS)(MAPS)


def test_a_traced_generator_gives_the_same() -> None:
    generator = AnchorGenerator(SIZES, RATIOS, strides=(8, 16))
    traced = torch.jit.trace(lambda a, b: tuple(generator([a, b])), tuple(MAPS), check_trace=False)
    assert [rows.tolist() for rows in traced(*MAPS)] == [expected()] * 2


class WithAnchors(nn.Module):
    def __init__(self, anchors: nn.Module) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 64)
        self.conv = nn.Conv2d(3, 4, 3, stride=8, padding=1)
        self.anchors = anchors

    def forward(self, x: Tensor) -> object:
        feature = self.conv(self.quant(x))
        return self.anchors(x, [feature]), feature


@pytest.fixture
def named_like_torchvision() -> object:
    """A module class with the name of the original; the package itself is not needed."""
    home = ModuleType("torchvision.models.detection.anchor_utils")
    cls = type("AnchorGenerator", (nn.Module,), {"__module__": home.__name__, "__qualname__": "AnchorGenerator"})
    home.AnchorGenerator = cls
    sys.modules[home.__name__] = home
    yield cls
    del sys.modules[home.__name__]


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes", "bayes-e"])
def test_torchvisions_generator_is_replaced(named_like_torchvision: type[nn.Module], march: str) -> None:
    set_march(march)
    original = named_like_torchvision()
    original.sizes, original.aspect_ratios = ((8,),), ((1.0,),)
    qat = prepare_qat_fx(WithAnchors(original), {"": get_default_qconfig()}).eval()
    assert type(qat.anchors) is AnchorGenerator
    x = torch.rand(2, 3, 16, 24)
    prepared, _ = qat(x)
    converted, feature = convert_fx(qat)(x)
    assert feature.is_quantized
    assert [a.tolist() for a in converted] == [a.tolist() for a in prepared] == [slow((8,), (1.0,), 2, 3, (8, 8))] * 2
