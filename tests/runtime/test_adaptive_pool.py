"""Adaptive average pooling against plain integers: the sum of a window, requantized by hand."""

from typing import Any

import pytest
import torch
from golden_support import current_march
from torch import nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.nn import qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor

QCONFIG = horizon.qconfig.default_qat_8bit_fake_quant_qconfig


def _converted(march: str, module: Any, scale: float) -> Any:
    with current_march(march):
        module.qconfig = QCONFIG
        simulated = getattr(qat, type(module).__name__).from_float(module)
    simulated.activation_post_process.set_qparams(torch.tensor(scale))
    return getattr(quantized, type(module).__name__).from_float(simulated)


def _halves_up(total: int, count: int) -> int:
    """Floor of total / count + 1/2, saturated; equal scales."""
    return max(-128, min(127, (2 * total + count) // (2 * count)))


@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
def test_windows_are_averaged_with_ties_up(march: str) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(-128, 128, (2, 3, 4, 8), generator=generator, dtype=torch.int8)
    out = _converted(march, nn.AdaptiveAvgPool2d((2, 4)), 0.25)(QTensor(x, torch.tensor(0.25), qint8)).int_repr()
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, (2, 3, 2, 4))).tolist():
        window = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten().tolist()
        assert out[n, c, i, j] == _halves_up(sum(window), 4)


def test_one_dimension_saturates() -> None:
    x = torch.tensor([[[127, 127, -128, -128, 1, 2, -1, -2]]], dtype=torch.int8)
    out = _converted("bayes", nn.AdaptiveAvgPool1d(4), 0.125)(QTensor(x, torch.tensor(0.25), qint8))
    assert out.int_repr().tolist() == [[[127, -128, 3, -3]]]


def test_an_absent_size_is_the_inputs() -> None:
    x = torch.arange(12, dtype=torch.int8).reshape(1, 1, 3, 4)
    out = _converted("bayes", nn.AdaptiveAvgPool2d((None, 1)), 0.5)(QTensor(x, torch.tensor(0.5), qint8))
    assert out.int_repr().flatten().tolist() == [2, 6, 10]


def test_windows_of_several_lengths_are_refused() -> None:
    x = QTensor(torch.zeros(1, 1, 5, 4, dtype=torch.int8), torch.tensor(0.5), qint8)
    with pytest.raises(ValueError, match="output size 2 does not divide input size 5"):
        _converted("bayes", nn.AdaptiveAvgPool2d(2), 0.5)(x)


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_other_marches_refuse(march: str) -> None:
    with pytest.raises(NotImplementedError, match=march):
        _converted(march, nn.AdaptiveAvgPool2d(1), 0.5)
