"""The two networks of the tools' tests in their stages: float, calibrated, QAT, quantized."""

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    calibrate,
    convert_fx,
    default_calib_8bit_fake_quant_qconfig,
    default_calib_8bit_weight_32bit_out_fake_quant_qconfig,
    default_qat_8bit_fake_quant_qconfig,
    default_qat_8bit_weight_32bit_out_fake_quant_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from tests.flows.models import SmallResNet, randomize
from tests.seed.retinanet import RetinaNet


@dataclass(frozen=True)
class Stages:
    """One network in four stages, with the arguments of its forward."""

    float: nn.Module
    calibrated: Any
    qat: Any
    quantized: Any
    inputs: tuple[Any, ...]
    wide: tuple[str, ...]


class Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU())

    def forward(self, x: Tensor) -> list[Tensor]:
        high = self.stem(self.quant(x))
        return [high, self.deep(high)]


class Neck(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lateral = nn.ModuleList([nn.Conv2d(8, 8, 1), nn.Conv2d(12, 8, 1)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        low = self.lateral[1](features[1])
        up = interpolate(low, scale_factor=2, mode="nearest", recompute_scale_factor=True)
        return [self.lateral[0](features[0]) + up, low]


class Head(nn.Module):
    """One head for all levels: its layers are shared."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.scores = nn.Conv2d(8, 6, 3, padding=1)
        self.boxes = nn.Conv2d(8, 4, 3, padding=1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        towers = [self.tower(level) for level in levels]
        return [self.dequant(self.scores(t)) for t in towers], [self.dequant(self.boxes(t)) for t in towers]


def prepared(net: nn.Module, wide: tuple[str, ...], *, qat: bool) -> Any:
    usual, last = (
        (default_qat_8bit_fake_quant_qconfig, default_qat_8bit_weight_32bit_out_fake_quant_qconfig)
        if qat
        else (default_calib_8bit_fake_quant_qconfig, default_calib_8bit_weight_32bit_out_fake_quant_qconfig)
    )
    return prepare_qat_fx(net, {"": usual, "module_name": dict.fromkeys(wide, last)})


def _stages(net: nn.Module, inputs: tuple[Any, ...], wide: tuple[str, ...]) -> Stages:
    set_march("bayes")
    calibrated = calibrate(prepared(net.eval(), wide, qat=False), [inputs])
    qat = prepared(net, wide, qat=True)
    qat.load_state_dict(calibrated.state_dict())
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION)
    return Stages(net, calibrated, qat, convert_fx(qat), inputs, wide)


@cache
def _resnet() -> Stages:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    return _stages(randomize(SmallResNet()), (image,), ("fc",))


@cache
def _retinanet() -> Stages:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    net = randomize(RetinaNet(Backbone(), Neck(), Head()))
    return _stages(net, ({"img": image},), ("head.scores", "head.boxes"))


def stages(name: str) -> Stages:
    """A network of its own for each test, which may break it."""
    set_march("bayes")
    return copy.deepcopy({"resnet": _resnet, "retinanet": _retinanet}[name]())
