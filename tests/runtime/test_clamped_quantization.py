"""An activation computed along with the fake quantization behind it changes no value, no range and no gradient."""

import copy
import math
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from horizon_plugin_pytorch._runtime.clamp import clamp_of
from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch._runtime.straight_through import fake_quantize_values
from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantize,
    FakeQuantState,
    QuantStub,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver

MARCHES = ("bernoulli", "bernoulli2", "bayes")


def _near_ends(scale: float) -> Tensor:
    """Around 0, 6 and the ends of the range, half steps and their neighbours, and what is no number."""
    halves = torch.arange(-300, 301) * (scale / 2)
    around = torch.cat([halves, torch.tensor([0.0, -0.0, 6.0, 1e-30, -1e-30, 5e5, -5e5])])
    both = [torch.nextafter(around, torch.tensor(end)) for end in (-math.inf, math.inf)]
    return torch.cat([around, *both, torch.tensor([math.nan, math.inf, -math.inf])])


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("function", [functional.relu, functional.relu6])
@pytest.mark.parametrize("scale", [0.02, 6 / 127.5, 0.3])
@pytest.mark.parametrize("compiled", [True, False])
def test_as_one_after_the_other(march: str, function, scale: float, compiled: bool) -> None:
    clamp, steps = clamp_of(function), torch.tensor([scale])
    x = _near_ends(scale)
    gradient = torch.rand(x.shape) + 1
    together, apart = x.clone().requires_grad_(), x.clone().requires_grad_()
    with torch_operations_only():
        expected = fake_quantize_values(function(apart), steps, qint8, march)
        if not compiled:
            found = fake_quantize_values(together, steps, qint8, march, ends=clamp.ends)
    if compiled:
        found = fake_quantize_values(together, steps, qint8, march, ends=clamp.ends)
    expected.backward(gradient)
    found.backward(gradient)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(together.grad, apart.grad, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("function", [functional.gelu, functional.leaky_relu, functional.hardswish])
def test_what_is_no_clamp_is_not_taken_for_one(function) -> None:
    assert clamp_of(function) is None


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1)
        self.relu6, self.relu = nn.ReLU6(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.relu6(self.first(self.quant(x)))))


def _prepared(march: str, state: FakeQuantState) -> nn.Module:
    set_march(march)
    torch.manual_seed(1)
    model = prepare_qat_fx(_Net(), {"": get_default_qconfig()}).eval()
    set_fake_quantize(model, FakeQuantState.CALIBRATION)
    model(torch.randn(2, 3, 8, 8) * 3)
    model.train(state is FakeQuantState.QAT)
    set_fake_quantize(model, state)
    return model


def _trained(model: nn.Module, *, hooked: bool) -> list[Tensor]:
    """Everything that two steps leave behind."""
    model = copy.deepcopy(model)
    if hooked:  # then somebody sees the activation's result
        model.first.activation_post_process.register_forward_hook(lambda *_: None)
    torch.manual_seed(2)
    found = []
    for _ in range(2):
        out = model(torch.randn(2, 3, 8, 8) * 3).dequantize()
        out.square().sum().backward()
        found += [out.detach(), *(value.clone() for value in model.state_dict().values() if isinstance(value, Tensor))]
    return [*found, *(parameter.grad for parameter in model.parameters())]


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("state", [FakeQuantState.QAT, FakeQuantState.VALIDATION, FakeQuantState.CALIBRATION])
def test_models_train_the_same(march: str, state: FakeQuantState) -> None:
    model = _prepared(march, state)
    fused, seen = _trained(model, hooked=False), _trained(model, hooked=True)
    with torch_operations_only():
        defined = _trained(model, hooked=False)
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(fused, seen, defined, strict=True))


@pytest.mark.parametrize("size", [5, 100_003])
@pytest.mark.parametrize("activation", [functional.relu, functional.relu6])
def test_calibration_clamps_and_observes_at_once(size: int, activation) -> None:
    set_march("bayes")
    batches, found = [torch.randn(size) * scale for scale in (1.0, 4.0, 0.1)], []
    for way in (nullcontext(), torch_operations_only()):
        fake_quant = FakeQuantize(observer=MinMaxObserver, averaging_constant=0.3)
        set_fake_quantize(fake_quant, FakeQuantState.CALIBRATION)
        with way:
            values = [fake_quant(batch.clone(), clamp_of(activation)).dequantize() for batch in batches]
        found.append([*values, fake_quant.scale, fake_quant.activation_post_process.max_val])
    assert all(map(torch.equal, *found))


def test_a_nan_before_the_clamp_is_an_error() -> None:
    set_march("bayes")
    fake_quant = FakeQuantize(observer=MinMaxObserver)
    set_fake_quantize(fake_quant, FakeQuantState.CALIBRATION)
    fake_quant(torch.ones(40))
    with pytest.raises(ValueError, match="NaN or Inf"):
        fake_quant(torch.full((40,), float("nan")), clamp_of(functional.relu))
