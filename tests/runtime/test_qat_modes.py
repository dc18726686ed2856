"""QAT with live normalizations, and what the tricks do to fused layers."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from fx_models import Parts, conv, randomized, types
from torch import Tensor, nn

from horizon_plugin_pytorch import qconfig
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import intrinsic, qat, quantized
from horizon_plugin_pytorch.qat_mode import QATMode, ReLUMode, set_qat_mode, tricks
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    fuse_fx,
    prepare_qat_fx,
    set_fake_quantize,
)

KEEPING = (QATMode.WithBN, QATMode.WithBNReverseFold)
X = torch.randn(4, 4, 6, 6)


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    set_march("bayes")
    yield
    set_qat_mode(QATMode.FuseBN)
    tricks.relu6 = ReLUMode.INHERIT


def run(m: Parts, x: Tensor) -> Any:
    """Two layers with normalizations; the second is added to the first."""
    x = torch.relu(m.bn1(m.conv1(m.quant(x))))
    return m.dequant(torch.relu(x + m.bn2(m.conv2(x))))


def net() -> Parts:
    torch.manual_seed(0)
    layers = {"conv1": conv(), "bn1": nn.BatchNorm2d(4), "conv2": conv(), "bn2": nn.BatchNorm2d(4)}
    stubs = {"quant": QuantStub(), "dequant": torch.ao.quantization.DeQuantStub()}
    return randomized(Parts(run, **stubs, **layers))


def prepared(mode: str, model: nn.Module | None = None, march: str = "bayes") -> Any:
    set_march(march)
    set_qat_mode(mode)
    return prepare_qat_fx(model or net(), {"": qconfig.default_qat_8bit_fake_quant_qconfig})


def trained(model: Any) -> Any:
    """Calibrated, trained for three steps, in VALIDATION."""
    model.eval()
    set_fake_quantize(model, FakeQuantState.CALIBRATION)
    model(X)
    model.train()
    set_fake_quantize(model, FakeQuantState.QAT)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for _ in range(3):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()
    model.eval()
    set_fake_quantize(model, FakeQuantState.VALIDATION)
    return model


def test_containers_keep_the_normalization() -> None:
    set_qat_mode(QATMode.WithBN)
    fused = fuse_fx(net())
    assert type(fused.conv1) is intrinsic.ConvBNReLU2d
    assert type(fused._generated_add_0) is intrinsic.ConvBNAddReLU2d
    assert [name for name, _ in fused.conv1.named_children()] == ["conv", "bn", "relu"]
    torch.testing.assert_close(fused(X), net()(X), rtol=1e-5, atol=1e-5)


def test_every_weighted_layer_has_its_containers() -> None:
    tails = ("", "ReLU", "ReLU6", "Add", "AddReLU", "AddReLU6")
    for base, dims in (("Conv", "2d"), ("Conv", "3d"), ("ConvTranspose", "2d"), ("Linear", "")):
        for tail in tails:
            container = getattr(intrinsic, f"{base}BN{tail}{dims}")
            assert (container,) == getattr(qat, f"{base}BN{tail}{dims}")._FLOAT_MODULES


def test_a_container_checks_its_parts() -> None:
    with pytest.raises(TypeError, match="Incorrect types for input modules of ConvBN2d: got Conv2d, ReLU"):
        intrinsic.ConvBN2d(conv(), nn.ReLU())


@pytest.mark.parametrize(
    ("mode", "march"),
    [(QATMode.WithBN, "bernoulli"), *((mode, march) for mode in KEEPING for march in ("bernoulli2", "bayes"))],
)
def test_validation_is_what_is_deployed(mode: str, march: str) -> None:
    """In exact validation the values are those of the integers, whose layers are the folded ones."""
    model = trained(prepared(mode, march=march))
    converted = convert_fx(model)
    assert type(converted.conv1) is quantized.ConvReLU2d
    assert type(converted._generated_add_0) is quantized.ConvAddReLU2d
    steps = (model(X) - converted(X)).abs().max() / converted._generated_add_0.scale
    assert steps <= 2.01
    set_fake_quantize(model, FakeQuantState.VALIDATION, exact=True)
    assert torch.equal(model(X), converted(X))


@pytest.mark.parametrize("mode", KEEPING)
def test_statistics_go_on(mode: str) -> None:
    model = prepared(mode)
    before = model.conv1.bn.running_mean.clone()
    trained(model)
    assert not torch.equal(model.conv1.bn.running_mean, before)
    assert model.conv1.bn.weight.grad is not None


def test_frozen_statistics_stay() -> None:
    model = prepared(QATMode.WithBN).train()
    model.conv1.bn.eval()
    before = model.conv1.bn.running_mean.clone()
    set_fake_quantize(model, FakeQuantState.QAT)
    model(X).sum().backward()
    assert torch.equal(model.conv1.bn.running_mean, before)
    assert model.conv1.bn.weight.grad is not None


@pytest.mark.parametrize("mode", KEEPING)
def test_training_forward_is_the_documented_formula(mode: str) -> None:
    model = prepared(mode).train()
    layer, x = model.conv1, torch.randn(2, 4, 5, 5)
    set_fake_quantize(model, FakeQuantState.QAT)
    twin, norm = copy.deepcopy(layer), copy.deepcopy(layer.bn)
    factor = (norm.weight * torch.rsqrt(norm.running_var + norm.eps)).reshape(-1, 1, 1, 1)
    reverse = mode == QATMode.WithBNReverseFold
    weight = twin.weight_fake_quant(twin.weight * factor if reverse else twin.weight).dequantize()
    out = nn.functional.conv2d(x, weight, None, padding=twin.padding)
    out = (out / factor.reshape(-1, 1, 1) if reverse else out) + twin.bias.reshape(-1, 1, 1)
    expected = twin.activation_post_process(torch.relu(norm(out))).dequantize()
    torch.testing.assert_close(
        layer(x).dequantize(), expected, rtol=1e-4, atol=layer.activation_post_process.scale.item()
    )


@pytest.mark.parametrize("mode", KEEPING)
def test_a_gamma_of_zero(mode: str) -> None:
    """The channel is the constant beta; nothing is divided by zero."""
    model = net()
    with torch.no_grad():
        model.bn1.weight[1] = 0.0
        model.bn1.bias[1] = 0.5
    qat_model = prepared(mode, model)
    assert torch.isfinite(qat_model.train()(X)).all()
    trained_model = trained(qat_model)
    assert torch.isfinite(trained_model(X)).all()
    assert torch.isfinite(convert_fx(trained_model)(X)).all()


def test_reverse_fold_trains_with_the_deployed_scale() -> None:
    model = trained(prepared(QATMode.WithBNReverseFold))
    assert torch.equal(convert_fx(model).conv1.weight_scale, model.conv1.weight_fake_quant.scale)


def test_reverse_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="conv1: bernoulli has no QAT mode 'with_bn_reverse_fold': call set_qat_mode"):
        prepared(QATMode.WithBNReverseFold, march="bernoulli")


@pytest.mark.parametrize("inplace", [False, True])
def test_fuse_norm(inplace: bool) -> None:
    model = trained(prepared(QATMode.WithBN))
    layer, x = model.conv1, model.quant(X)
    expected = layer(x).dequantize()
    folded = layer.fuse_norm(inplace)
    assert type(folded) is qat.ConvReLU2d
    assert (folded is layer) is inplace
    assert not hasattr(folded, "bn")
    torch.testing.assert_close(folded(x).dequantize(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", KEEPING)
def test_models_travel(mode: str) -> None:
    model = trained(prepared(mode))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(X), model(X))
    other = prepared(mode)
    other.load_state_dict(model.state_dict())
    other.eval()
    set_fake_quantize(other, FakeQuantState.VALIDATION)
    assert torch.equal(other(X), model(X))


def test_a_shared_layer_with_two_norms_keeps_one_weight() -> None:
    def twice(m: Parts, x: Tensor) -> Any:
        x = m.quant(x)
        return m.dequant(m.bn1(m.conv(x))), m.dequant(m.bn2(m.conv(x)))

    stubs = {"quant": QuantStub(), "dequant": torch.ao.quantization.DeQuantStub()}
    model = randomized(Parts(twice, **stubs, conv=conv(), bn1=nn.BatchNorm2d(4), bn2=nn.BatchNorm2d(4)))
    made = prepared(QATMode.WithBN, model)
    assert types(made)["conv"] == types(made)["bn1"] == "ConvBN2d"
    assert made.conv.weight is made.bn1.weight
    torch.testing.assert_close(fuse_fx(model)(X), model(X))


@pytest.mark.parametrize(
    ("mode", "activation", "container"),
    [
        (ReLUMode.INHERIT, nn.ReLU, intrinsic.ConvReLU2d),
        (ReLUMode.INHERIT, nn.ReLU6, intrinsic.ConvReLU62d),
        (ReLUMode.FORCE_RELU6, nn.ReLU, intrinsic.ConvReLU62d),
        (ReLUMode.FORCE_RELU6, nn.ReLU6, intrinsic.ConvReLU62d),
        (ReLUMode.FORCE_RELU, nn.ReLU6, intrinsic.ConvReLU2d),
        (True, nn.ReLU, intrinsic.ConvReLU62d),
        (False, nn.ReLU6, intrinsic.ConvReLU2d),
    ],
)
def test_forced_activations(mode: Any, activation: type[nn.Module], container: type[nn.Module]) -> None:
    tricks.relu6 = mode
    fused = fuse_fx(Parts(lambda m, x: m.act(m.bn(m.conv(x))), conv=conv(), bn=nn.BatchNorm2d(4), act=activation()))
    assert type(fused.conv) is container
    x = 100 * X
    highest = fused.eval()(x).max()
    assert (highest == 6) == (container is intrinsic.ConvReLU62d)
