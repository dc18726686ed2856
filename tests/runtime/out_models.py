"""Small converted models that tests take out of Python modules: residual, depthwise with tables, the same in 16 bits."""

import functools

import torch
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)


class Residual(nn.Module):
    """Convolutions, an add, pools, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.AvgPool2d(4)
        self.fc = nn.Linear(8, 5)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(self.quant(x))
        x = torch.relu(self.norm(self.conv(x)) + x)
        return self.dequant(self.fc(self.pool(x).flatten(1)))


class Mobile(nn.Module):
    """Depthwise convolutions, an activation, a table, a concatenation, a mean."""

    def __init__(self, activation: type[nn.Module]) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.expand = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), activation())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), activation())
        self.project = nn.Conv2d(8, 8, 1)
        self.gate = nn.Sigmoid()
        self.head = nn.Conv2d(16, 4, 1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.expand(self.quant(x))
        y = self.project(self.depthwise(x)) + x
        y = torch.cat([y * self.gate(x), y], 1)
        return self.dequant(self.head(y)), self.dequant(y.mean((2, 3)))


MODELS = {
    "residual": (Residual, "bayes", "qint8"),
    "mobile": (lambda: Mobile(nn.ReLU6), "bayes", "qint8"),
    "tables": (lambda: Mobile(nn.SiLU), "bernoulli2", "qint8"),
    "segments16": (lambda: Mobile(nn.SiLU), "bayes", "qint16"),
}
"""name -> (how the float model is made, march, dtype of activations)"""


def march_of(name: str) -> str:
    """The march of a model."""
    return MODELS[name][1]


@functools.cache
def made(name: str) -> tuple[nn.Module, nn.Module, Tensor]:
    """(calibrated model in validation, converted model, example input [2, 3, 16, 16])."""
    make, march, dtype = MODELS[name]
    horizon.march.set_march(march)
    torch.manual_seed(5)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    weight = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0}
    qat = prepare_qat_fx(make(), {"": get_default_qconfig(activation_qkwargs={"dtype": dtype}, weight_qkwargs=weight)})
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.CALIBRATION)
    qat(x)
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION)
    return qat, convert_fx(qat), x


def listed(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The outputs of a model as a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def equal(given: Tensor | tuple[Tensor, ...], expected: Tensor | tuple[Tensor, ...]) -> bool:
    """Whether all outputs are equal bit for bit."""
    return all(map(torch.equal, listed(given), listed(expected))) and len(listed(given)) == len(listed(expected))
