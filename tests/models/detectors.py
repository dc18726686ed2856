"""Detectors of the literature in small: RetinaNet (Lin et al. 2017) and PointPillars (Lang et al. 2019)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub
from torch.nn.functional import interpolate

from horizon_plugin_pytorch.nn import AnchorGenerator, DetectionPostProcess, PointPillarsScatter
from horizon_plugin_pytorch.nn.functional import point_pillars_preprocess
from horizon_plugin_pytorch.quantization import QuantStub
from horizon_plugin_pytorch.utils.fx_helper import wrap


def conv_bn(cin: int, cout: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


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


class PointPillars(nn.Module):
    """A pillar feature net, its scatter, and a backbone of two scales."""

    def __init__(self, most: int = 64, points: int = 8) -> None:
        super().__init__()
        self.voxels = ((0.0, -8.0, -2.0, 16.0, 8.0, 2.0), (1.0, 1.0, 4.0), most, points, True)
        self.norm = (0.0, -8.0, -2.0, 0.0, 16.0, 8.0, 2.0, 1.0)
        self.quant = QuantStub()
        self.net = conv_bn(4, 16, kernel=1)
        self.most_of_points = nn.MaxPool2d((points, 1))
        self.scatter = PointPillarsScatter((2, 16, 16, 16))
        self.down = conv_bn(16, 24, stride=2)
        self.up = nn.ConvTranspose2d(24, 16, 2, 2)
        self.head = nn.Conv2d(32, 7, 1)
        self.dequant = DeQuantStub()

    def forward(self, points: list[Tensor]) -> Tensor:
        pillars = point_pillars_preprocess(points, *self.voxels, norm_range=self.norm, norm_dims=(0, 1, 2, 3))
        x = self.net(self.quant(pillars[0].permute(2, 1, 0).unsqueeze(0)))
        x = self.most_of_points(x).squeeze(2).squeeze(0).transpose(0, 1)
        image = self.scatter(x, pillars[1])
        both = torch.cat([image, self.up(self.down(image))], dim=1)
        return self.dequant(self.head(both))
