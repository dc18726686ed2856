"""Gradients of QAT against torch's own fake quantization and against autograd in double precision."""

from typing import Any

import pytest
import torch
from fx_models import Parts, conv
from torch import Tensor, nn

from horizon_plugin_pytorch import qconfig
from horizon_plugin_pytorch._runtime.straight_through import fake_quantize_values
from horizon_plugin_pytorch.dtype import get_horizon_quant_dtype
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qat_mode import QATMode, set_qat_mode
from horizon_plugin_pytorch.quantization import FakeQuantState, QuantStub, prepare_qat_fx, set_fake_quantize

QINT8 = get_horizon_quant_dtype("qint8")


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def values() -> Tensor:
    """Inside, outside and at the ends of the range; no ties, where half-even and half-up differ."""
    torch.manual_seed(0)
    x = torch.cat([torch.randn(3, 64) * 3, torch.tensor([[12.7, -12.8, 1e6, -1e6]]).expand(3, 4)], 1)
    return x + 0.001


@pytest.mark.parametrize("axis", [None, 0])
def test_values_and_gradients_are_those_of_torch(axis: int | None) -> None:
    scale = torch.tensor([0.1] if axis is None else [0.1, 0.05, 0.02])
    ours, theirs = values().requires_grad_(), values().requires_grad_()
    got = fake_quantize_values(ours, scale, QINT8, "bayes", axis=-1 if axis is None else axis)
    if axis is None:
        expected = torch.fake_quantize_per_tensor_affine(theirs, 0.1, 0, -128, 127)
    else:
        expected = torch.fake_quantize_per_channel_affine(
            theirs, scale, torch.zeros(3, dtype=torch.int32), 0, -128, 127
        )
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)
    weights = torch.linspace(-1, 1, got.numel()).reshape(got.shape)
    (got * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("mode", [QATMode.FuseBN, QATMode.WithBN, QATMode.WithBNReverseFold])
def test_a_layer_has_the_gradients_of_its_formula(mode: str) -> None:
    """The same formula in double precision, with detached rounding, through autograd."""
    set_qat_mode(mode)
    try:
        torch.manual_seed(0)
        parts = {"quant": QuantStub(), "conv": conv(), "bn": nn.BatchNorm2d(4)}
        model = Parts(lambda m, x: m.bn(m.conv(m.quant(x))), **parts)
        nn.init.uniform_(model.bn.weight, 0.5, 1.5)
        out = qconfig.default_qat_8bit_weight_32bit_out_fake_quant_qconfig
        model = prepare_qat_fx(model, {"": qconfig.default_qat_8bit_fake_quant_qconfig, "module_name": {"conv": out}})
    finally:
        set_qat_mode(QATMode.FuseBN)
    model.train()
    set_fake_quantize(model, FakeQuantState.QAT)
    x, layer = torch.randn(2, 4, 6, 6), model.conv
    weights = torch.randn_like(model(x))
    for fake_quant in (model.quant.activation_post_process, layer.weight_fake_quant):
        fake_quant.disable_observer()
        fake_quant.scale.mul_(
            1.01
        )  # else the largest weight is a tie at the end of the range, which doubles do not see
    statistics = {name: value.clone() for name, value in layer.named_buffers()}
    (model(x) * weights).sum().backward()
    parameters = {name: p.detach().double().requires_grad_() for name, p in layer.named_parameters()}
    features = model.quant(x).dequantize().double()
    expected = formula(layer, mode, parameters, statistics, features)
    (expected * weights.double()).sum().backward()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad.double(), parameters[name].grad, rtol=2e-3, atol=2e-3)


def formula(layer: Any, mode: str, p: dict[str, Tensor], statistics: dict[str, Tensor], x: Tensor) -> Tensor:
    def quantized(weight: Tensor) -> Tensor:
        scale = layer.weight_fake_quant.scale.double().reshape(-1, 1, 1, 1)
        steps = weight / scale
        rounded = torch.floor(steps.detach() + 0.5).clamp(-128, 127)
        return scale * torch.where(
            (torch.floor(steps.detach() + 0.5) == rounded), steps + (rounded - steps).detach(), rounded
        )

    def convolved(weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.conv2d(x, weight, bias, padding=layer.padding)

    if mode == QATMode.FuseBN:
        return convolved(quantized(p["weight"]), p["bias"])
    if mode == QATMode.WithBN:
        out = convolved(quantized(p["weight"]), p["bias"])
    else:
        factor = p["bn.weight"] * torch.rsqrt(statistics["bn.running_var"].double() + layer.bn.eps)
        out = convolved(quantized(p["weight"] * factor.reshape(-1, 1, 1, 1)), None) / factor.reshape(-1, 1, 1)
        out = out + p["bias"].reshape(-1, 1, 1)
    mean, variance = out.mean((0, 2, 3), keepdim=True), out.var((0, 2, 3), keepdim=True, unbiased=False)
    normalized = (out - mean) * torch.rsqrt(variance + layer.bn.eps)
    return normalized * p["bn.weight"].reshape(-1, 1, 1) + p["bn.bias"].reshape(-1, 1, 1)


@pytest.mark.parametrize("planted", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["weight", "values"])
def test_a_planted_value_is_reported_with_its_layer(planted: float, where: str) -> None:
    model = Parts(lambda m, x: m.conv2(m.conv1(m.quant(x))), quant=QuantStub(), conv1=conv(), conv2=conv())
    model = prepare_qat_fx(model, {"": qconfig.default_qat_8bit_fake_quant_qconfig}).train()
    set_fake_quantize(model, FakeQuantState.QAT)
    if where == "weight":
        model.conv2.weight.data[0, 0, 0, 0] = planted
    else:
        model.conv2.bias.data[0] = planted
    with pytest.raises(ValueError, match=r"conv2.*NaN or Inf"):
        model(torch.randn(1, 4, 6, 6))
