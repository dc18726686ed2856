"""RetinaNet (Lin et al. 2017) in small, from float to integers on every march."""

from typing import Any

import pytest
import torch
from layers import conv_bn, randomized
from model_flow import Batch, computes_in_integers, cosine, deployed, squares
from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub
from torch.nn.functional import interpolate

from horizon_plugin_pytorch.nn import AnchorGenerator, DetectionPostProcess
from horizon_plugin_pytorch.quantization import QuantStub
from horizon_plugin_pytorch.utils.fx_helper import wrap


class Residual(nn.Module):
    """A bottleneck that halves the size."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.reduce = conv_bn(cin, cout // 2, kernel=1)
        self.conv = conv_bn(cout // 2, cout // 2, stride=2)
        self.expand = nn.Sequential(nn.Conv2d(cout // 2, cout, 1, bias=False), nn.BatchNorm2d(cout))
        self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, 2, bias=False), nn.BatchNorm2d(cout))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.expand(self.conv(self.reduce(x))) + self.shortcut(x))


class FeaturePyramid(nn.Module):
    """Lateral 1x1 convolutions, a top-down path of resized maps, a 3x3 convolution each."""

    def __init__(self, channels: tuple[int, ...], out: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, out, 1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(out, out, 3, padding=1) for _ in channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        top = self.lateral[-1](features[-1])
        found = [self.smooth[-1](top)]
        for level in (1, 0):
            resized = interpolate(top, scale_factor=2, mode="nearest", recompute_scale_factor=True)
            top = self.lateral[level](features[level]) + resized
            found.insert(0, self.smooth[level](top))
        return found


class RetinaNet(nn.Module):
    """Three levels, one head for all; raw maps while training, detections else."""

    def __init__(self, classes: int = 4, width: int = 16) -> None:
        super().__init__()
        self.classes = classes
        self.quant = QuantStub(scale=1 / 128)
        self.stem = nn.Sequential(conv_bn(3, 8, stride=2), nn.MaxPool2d(2))
        self.stages = nn.ModuleList([Residual(8, 16), Residual(16, 24), Residual(24, 32)])
        self.neck = FeaturePyramid((16, 24, 32), width)
        self.scores = nn.Sequential(conv_bn(width, width), nn.Conv2d(width, 3 * classes, 3, padding=1))
        self.boxes = nn.Sequential(conv_bn(width, width), nn.Conv2d(width, 3 * 4, 3, padding=1))
        self.dequant = DeQuantStub()
        self.anchors = AnchorGenerator(((16,), (32,), (64,)), ((0.5, 1.0, 2.0),) * 3, (8, 16, 32), layout="maps")
        self.post = DetectionPostProcess(score_threshold=0.5, image_size=(64, 64), iou_threshold=0.5, post_nms_top_n=50)

    def forward(self, x: Tensor) -> Any:
        x = self.stem(self.quant(x))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        levels = self.neck(features)
        scores = [self.dequant(self.scores(level)) for level in levels]
        boxes = [self.dequant(self.boxes(level)) for level in levels]
        return self.finished(scores, boxes)

    @wrap()
    def finished(self, scores: list[Tensor], boxes: list[Tensor]) -> Any:
        if self.training:
            return scores, boxes
        return scores, boxes, self.post(self.anchors(boxes), [s.sigmoid() for s in scores], boxes)


RETINA_WIDE = ("scores.1", "boxes.1")


def images() -> list[Batch]:
    return [(torch.rand(2, 3, 64, 64) * 2 - 1,) for _ in range(2)]


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes", "bayes-e"])
def test_retinanet(march: str) -> None:
    batches = images()
    qat, converted = deployed(randomized(RetinaNet()), march, batches, RETINA_WIDE, squares)
    assert computes_in_integers(converted)
    with torch.no_grad():
        expected_scores, expected_boxes, _ = qat(*batches[0])
        scores, boxes, found = converted(*batches[0])
    for given, expected in zip((*scores, *boxes), (*expected_scores, *expected_boxes), strict=True):
        assert given.dtype == torch.float32
        assert cosine(given, expected) > 0.98
    again = converted.post(converted.anchors(boxes), [s.sigmoid() for s in scores], boxes)
    for column, other in zip(found, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(column, other, strict=True))
    assert all(len(image) > 0 for image in found[1])
    assert all(float(image.max()) <= 64 and float(image.min()) >= 0 for image in found[0])
