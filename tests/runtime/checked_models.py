"""One layer between stubs, prepared, as check_model takes it."""

from typing import Any

import torch
from torch import Tensor, nn

from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    prepare_qat_fx,
    set_fake_quantize,
)

IMAGE = torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)


class OneLayer(nn.Module):
    """A layer between stubs."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.layer = layer
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dequant(self.layer(self.quant(x)))
        return out


def prepared(layer: nn.Module, image: Tensor = IMAGE, march: str = "bayes") -> Any:
    set_march(march)
    model = prepare_qat_fx(OneLayer(layer), {"": hq.get_default_qconfig()}).eval()
    set_fake_quantize(model, FakeQuantState.CALIBRATION)
    model(image)
    model.eval()
    set_fake_quantize(model, FakeQuantState.VALIDATION)
    return model
