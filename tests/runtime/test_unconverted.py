"""`prepare_qat_fx` warns of what will not convert, with the layer's name and the line of the user's code."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import QuantStub, get_default_qconfig, prepare_qat_fx


class Stubs(nn.Module):
    """Something between stubs, and something after them."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.quant, self.inner = QuantStub(scale=1 / 128), inner
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dequant(self.inner(self.quant(x)))
        return out.cumsum(1)


class Function(nn.Module):
    """A function that has no quantized form."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x, 1)  # the line of the user's code


class Method(nn.Module):
    """A method that has no quantized form."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(1)


class Known(nn.Module):
    """What does convert: modules, replaced functions, shapes, values of shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(x)) + x
        return y.reshape(y.size(0), -1).unsqueeze(0)


def warned(inner: nn.Module, qconfig: Any = None) -> list[str]:
    set_march("bayes")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prepare_qat_fx(Stubs(inner), {"": qconfig or get_default_qconfig()})
    return [str(w.message) for w in caught]


@pytest.mark.parametrize(
    ("inner", "subject", "line"),
    [
        (Function(), "torch.cumsum in 'inner'", "return torch.cumsum(x, 1)  # the line of the user's code"),
        (Method(), "torch.Tensor.cumsum in 'inner'", "return x.cumsum(1)"),
        (nn.Hardshrink(), "'inner' is a Hardshrink, which", "out: Tensor = self.dequant(self.inner(self.quant(x)))"),
    ],
)
def test_an_operation_without_a_quantized_form(inner: nn.Module, subject: str, line: str) -> None:
    (text,) = warned(inner)
    assert text.startswith(f"{subject} has no quantized form")
    assert f"{__file__}:" in text
    assert f"`{line}`" in text
    assert text.endswith("Put a DeQuantStub before it, or use an operator of the support table")


def test_what_converts_is_not_warned_of() -> None:
    assert warned(Known()) == []


def test_each_operation_is_told_in_its_own_place() -> None:
    texts = warned(nn.Sequential(nn.Hardshrink(), nn.ReLU(), nn.Tanhshrink()))
    assert [text.partition(" is a ")[0] for text in texts] == ["'inner.0'", "'inner.2'"]
