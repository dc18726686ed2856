"""Models of the literature in small, as users write them; each takes one tensor and gives one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody writes it

from horizon_plugin_pytorch.quantization import QuantStub


class Quantized(nn.Module):
    """Stubs around a network."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.net(self.quant(x)))

    def net(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def conv_bn(channels_in: int, channels: int, kernel: int = 3, **arguments: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    conv = nn.Conv2d(channels_in, channels, kernel, bias=False, **arguments)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


class DeepLab(Quantized):
    """Atrous spatial pyramid and bilinear upsampling (Chen et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 8, stride=2, padding=1)
        self.branches = nn.ModuleList(conv_bn(8, 4, padding=rate, dilation=rate) for rate in (1, 2, 4))
        self.head = nn.Conv2d(12, 5, 1)

    def net(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.head(torch.cat([branch(x) for branch in self.branches], 1))
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False, recompute_scale_factor=True)


class VisionBlock(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(Quantized):
    """Patches, two blocks, mean, softmax (Dosovitskiy et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.blocks = nn.Sequential(VisionBlock(16, 2), VisionBlock(16, 2))
        self.head = nn.Linear(16, 5)

    def net(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.blocks(x).mean(1)
        return F.softmax(self.head(x), -1)


class EfficientNetBlock(Quantized):
    """Expansion, depthwise convolution, squeeze and excitation (Tan and Le 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(4, 16, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.depthwise = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.SiLU()
        )
        self.squeeze = nn.Sequential(nn.Conv2d(16, 4, 1), nn.SiLU(), nn.Conv2d(4, 16, 1), nn.Sigmoid())
        self.project = nn.Sequential(nn.Conv2d(16, 4, 1, bias=False), nn.BatchNorm2d(4))

    def net(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x))
        y = y * self.squeeze(y.mean((2, 3), keepdim=True))
        return x + self.project(y)


class ShuffleNetBlock(Quantized):
    """Split, branch, concatenate, shuffle channels (Ma et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv_bn(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), nn.BatchNorm2d(4), conv_bn(4, 4, 1)
        )
        self.shuffle = nn.ChannelShuffle(2)

    def net(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, 1)
        return self.shuffle(torch.cat([kept, self.branch(changed)], 1))


class KeywordSpotter(Quantized):
    """An LSTM cell over frames (Sainath and Parada 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(10, 8)
        self.head = nn.Linear(8, 4)

    def net(self, x: Tensor) -> Tensor:
        state = None
        for frame in range(4):
            state = self.cell(x[:, frame], state)
        return self.head(state[0])


class SuperResolution(Quantized):
    """Sub-pixel convolution (Shi et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))
        self.shuffle = nn.PixelShuffle(2)

    def net(self, x: Tensor) -> Tensor:
        return self.shuffle(self.features(x))
