"""The golden vector of fake quantization, and short ways to quantize it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization.fake_quantize import (
    FakeQuantize,
)
from horizon_plugin_pytorch.quantization.observer_v2 import FixedScaleObserver, MinMaxObserver

X = [0.25, -0.25, 63.6, 63.8, -64.2, -64.3]


FORWARD = [0.5, 0.0, 63.5, 63.5, -64.0, -64.0]


MASK = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]


CHANNELS: dict[str, Any] = {"observer": MinMaxObserver, "qscheme": torch.per_channel_symmetric, "ch_axis": 0}


def fixed(scale: float = 0.5, **kwargs: Any) -> FakeQuantize:
    return FakeQuantize(observer=FixedScaleObserver, scale=scale, **kwargs)


def gradient(quantize: Callable[[Tensor], Tensor], values: list[float]) -> list[float]:
    x = torch.tensor(values, requires_grad=True)
    out = quantize(x)
    (out.dequantize() if isinstance(out, QTensor) else out).sum().backward()
    return x.grad.tolist()
