"""The networks of the benchmarks: ResNets and MobileNetV2 as their papers define them, with stubs at both ends.

Heads are 1x1 convolutions, since some marches have no fully connected layer; the logits are flattened behind the last stub.
"""

import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.quantization import QuantStub


class Residual(nn.Module):
    """A residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 when `expansion` is 4."""

    def __init__(self, channels_in: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        out = width * expansion
        shapes = [(channels_in, width, 3), (width, out, 3)]
        if expansion > 1:
            shapes = [(channels_in, width, 1), (width, width, 3), (width, out, 1)]
        strided = len(shapes) - 2  # the first 3x3 convolution
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, k, stride if i == strided else 1, k // 2, bias=False) for i, (a, b, k) in enumerate(shapes)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _ in shapes)
        self.relus = nn.ModuleList(nn.ReLU(inplace=True) for _ in shapes)
        self.add = nn.quantized.FloatFunctional()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for conv, norm, relu in zip(self.convs[:-1], self.norms[:-1], self.relus[:-1], strict=True):
            out = relu(norm(conv(out)))
        out = self.norms[-1](self.convs[-1](out))
        return self.relus[-1](self.add.add(out, self.shortcut(x)))


class ResNet(nn.Module):
    """ResNet; with a 3x3 stem for images of 32x32 pixels, with the 7x7 stem and a pool for 224x224."""

    def __init__(
        self,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        width: int = 64,
        expansion: int = 1,
        classes: int = 1000,
        size: int = 224,
    ) -> None:
        super().__init__()
        small = size <= 64
        self.quant = QuantStub(scale=1 / 128)
        stem = [nn.Conv2d(3, width, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)]
        self.stem = nn.Sequential(*stem, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.pool: nn.Module = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        layers: list[nn.Module] = []
        channels, size = width, size if small else size // 4
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if stage and not block else 1
                layers.append(Residual(channels, width << stage, stride, expansion))
                channels, size = (width << stage) * expansion, size // stride
        self.layers = nn.Sequential(*layers)
        self.average = nn.AvgPool2d(size)
        self.head = nn.Conv2d(channels, classes, 1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        x = self.average(self.layers(self.pool(self.stem(self.quant(x)))))
        return torch.flatten(self.dequant(self.head(x)), 1)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1."""

    def __init__(self, channels_in: int, channels: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = channels_in * expand
        first = [nn.Conv2d(channels_in, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(
            *(first if expand > 1 else []),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.add = nn.quantized.FloatFunctional() if stride == 1 and channels_in == channels else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(x)
        return out if self.add is None else self.add.add(x, out)


MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride of each stage."""


class MobileNetV2(nn.Module):
    """MobileNetV2; images of 32x32 pixels are not reduced by the stem and the second stage."""

    def __init__(
        self,
        stages: tuple[tuple[int, int, int, int], ...] = MOBILENET_V2,
        stem: int = 32,
        last: int = 1280,
        classes: int = 1000,
        size: int = 224,
    ) -> None:
        super().__init__()
        small = size <= 64
        self.quant = QuantStub(scale=1 / 128)
        layers: list[nn.Module] = self._conv(3, stem, 3, 1 if small else 2)
        channels, size = stem, size if small else size // 2
        for stage, (expand, width, count, stride) in enumerate(stages):
            for block in range(count):
                step = 1 if block or (small and stage == 1) else stride
                layers.append(InvertedResidual(channels, width, step, expand))
                channels, size = width, size // step
        self.features = nn.Sequential(*layers, *self._conv(channels, last, 1, 1))
        self.average = nn.AvgPool2d(size)
        self.head = nn.Conv2d(last, classes, 1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    @staticmethod
    def _conv(channels_in: int, channels: int, kernel: int, stride: int) -> list[nn.Module]:
        conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
        return [conv, nn.BatchNorm2d(channels), nn.ReLU6(inplace=True)]

    def forward(self, x: Tensor) -> Tensor:
        x = self.average(self.features(self.quant(x)))
        return torch.flatten(self.dequant(self.head(x)), 1)


def resnet18(size: int = 224, classes: int = 1000) -> nn.Module:
    return ResNet(size=size, classes=classes)


def resnet50(size: int = 224, classes: int = 1000) -> nn.Module:
    return ResNet((3, 4, 6, 3), expansion=4, size=size, classes=classes)


def mobilenet_v2(size: int = 224, classes: int = 1000) -> nn.Module:
    return MobileNetV2(size=size, classes=classes)


def small_resnet(classes: int = 10) -> nn.Module:
    """A ResNet for digits at 32x32."""
    return ResNet((1, 1, 1), width=16, size=32, classes=classes)


def small_mobilenet(classes: int = 10) -> nn.Module:
    """A MobileNetV2 for digits at 32x32."""
    stages = ((1, 8, 1, 1), (4, 12, 1, 1), (4, 16, 2, 2), (4, 24, 2, 2))
    return MobileNetV2(stages, stem=16, last=96, size=32, classes=classes)
