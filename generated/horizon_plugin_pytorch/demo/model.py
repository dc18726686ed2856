# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/model.py
"""A small segmentation network in the forms that users write: modules, functions and operators side by side.

In: nothing. Out: `Net`, whose layers cover what the flow does to a model: chains that are fused, a residual sum, a sum with
a transposed layer, a depthwise layer, both kinds of pooling, a concatenation, and an output that stays an int32 accumulator.
"""

import torch
from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub
from torch.nn import functional

from ..quantization import QuantStub

OUTPUT = "head"
"""The module whose output is not quantized."""

STUB = "quant"
"""The module where float32 becomes integers."""


def block(channels_in: int, channels: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, normalization, activation: three modules that become one layer."""
    conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


class Residual(nn.Module):
    """x + f(x): the sum and the activation after it are computed with the second convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = block(channels, channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W] in and out."""
        return functional.relu(self.norm(self.conv(self.first(x))) + x)


class Net(nn.Module):
    """For each pixel of an image [N, 3, H, W] (H and W multiples of 8), normalized: logits [N, 2, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.stem = block(3, 16)
        self.fine = Residual(16)
        self.depthwise = block(16, 16, stride=2, groups=16)
        self.pointwise = block(16, 32, kernel=1)
        self.coarse = Residual(32)
        self.context = block(32, 32)
        self.spread = nn.ConvTranspose2d(32, 32, 2, stride=2)
        self.up = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.merge = block(32, 16)
        self.full = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.head = nn.Conv2d(8, 2, 1)
        self.dequant = DeQuantStub()

    def forward(self, image: Tensor) -> Tensor:
        """The logits of both classes, float32 [N, 2, H, W]."""
        half = self.fine(functional.max_pool2d(self.stem(self.quant(image)), 2))
        quarter = self.coarse(self.pointwise(self.depthwise(half)))
        wide = self.spread(self.context(functional.avg_pool2d(quarter, 2))) + quarter
        merged = self.merge(torch.cat((half, self.up(wide)), 1))
        logits: Tensor = self.dequant(self.head(self.full(merged)))
        return logits
