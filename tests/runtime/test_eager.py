"""The eager flow: fuse by name, prepare by attributes, convert; and its hybrid mode."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch import qconfig
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import intrinsic, qat, quantized
from horizon_plugin_pytorch.nn.identity import Identity
from horizon_plugin_pytorch.qat_mode import QATMode, set_qat_mode
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    calibrate,
    convert,
    convert_fx,
    fuse_known_modules,
    fuse_modules,
    prepare_qat,
    prepare_qat_fx,
    set_fake_quantize,
)

CHAINS = [["conv1", "bn1", "relu1"], ["conv2", "bn2", "add", "relu2"]]
X = torch.randn(4, 3, 8, 8)


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


class Net(nn.Module):
    """Two layers, the second with a residual; written for the eager flow."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = QuantStub(), torch.ao.quantization.DeQuantStub()
        self.conv1, self.bn1, self.relu1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.conv2, self.bn2, self.relu2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.add = quantized.FloatFunctional()
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Any:
        x = self.relu1(self.bn1(self.conv1(self.quant(x))))
        x = self.relu2(self.add.add(self.bn2(self.conv2(x)), x))
        return self.dequant(self.head(x))


def net() -> Net:
    torch.manual_seed(1)
    model = Net()
    for _ in range(3):
        model(torch.randn(8, 3, 8, 8))
    return model.eval()


def configured(model: nn.Module) -> nn.Module:
    model.qconfig = qconfig.default_qat_8bit_fake_quant_qconfig
    model.head.qconfig = qconfig.default_qat_8bit_weight_32bit_out_fake_quant_qconfig
    return model


def calibrated(model: nn.Module) -> nn.Module:
    return calibrate(model, [X], bias_correction=False)  # which a model that is not traced has not


def test_the_whole_flow() -> None:
    model = prepare_qat(configured(fuse_modules(net(), CHAINS)))
    assert type(model.conv1) is qat.ConvReLU2d
    assert type(model.add) is qat.ConvAddReLU2d
    assert type(model.head) is qat.Conv2d
    calibrated(model).train()
    set_fake_quantize(model, FakeQuantState.QAT)
    model(X).square().mean().backward()
    assert model.conv1.weight.grad is not None
    model.eval()
    set_fake_quantize(model, FakeQuantState.VALIDATION)
    integers = convert(model)
    assert type(integers) is Net
    assert type(integers.add) is quantized.ConvAddReLU2d
    assert (integers(X) - model(X)).abs().max() < 0.05 * model(X).abs().max()


def test_it_computes_what_the_traced_flow_computes() -> None:
    eager = convert(calibrated(prepare_qat(configured(fuse_modules(net(), CHAINS)))))
    traced = convert_fx(calibrated(prepare_qat_fx(configured(net()))))
    assert torch.equal(eager(X), traced(X))


def test_fusing_keeps_the_float_values_and_the_model() -> None:
    model = net()
    fused = fuse_modules(model, CHAINS)
    assert type(model.conv1) is nn.Conv2d
    assert isinstance(fused.conv2, Identity)
    assert isinstance(fused.relu2, Identity)
    torch.testing.assert_close(fused(X), model(X), rtol=1e-4, atol=1e-5)
    assert fuse_modules(model, ["conv1", "bn1", "relu1"], inplace=True) is model
    assert type(model.conv1) is intrinsic.ConvReLU2d


def test_fusing_in_a_mode_that_keeps_the_normalization() -> None:
    set_qat_mode(QATMode.WithBN)
    try:
        fused = fuse_modules(net(), CHAINS)
        model = calibrated(prepare_qat(configured(fused)))
    finally:
        set_qat_mode(QATMode.FuseBN)
    assert type(model.add) is qat.ConvBNAddReLU2d
    assert type(convert(model).add) is quantized.ConvAddReLU2d


def test_the_fuser_serves_torch() -> None:
    fused = torch.ao.quantization.fuse_modules(net(), CHAINS, fuser_func=fuse_known_modules)
    assert type(fused.add) is intrinsic.ConvAddReLU2d


def test_a_method_of_the_user() -> None:
    mapping = {(nn.Conv2d, nn.ReLU): lambda _, conv, relu: nn.Sequential(conv, relu)}
    fused = fuse_known_modules([nn.Conv2d(1, 1, 1), nn.ReLU()], additional_fuser_method_mapping=mapping)
    assert [type(module) for module in fused] == [nn.Sequential, Identity]


@pytest.mark.parametrize(
    ("chain", "error", "message"),
    [
        (
            ["conv1", "relu1", "bn1"],
            NotImplementedError,
            "Cannot fuse modules: Conv2d, ReLU, BatchNorm2d. Chains that start",
        ),
        (["bn1", "conv1"], NotImplementedError, "A chain starts with a weighted layer"),
        (["conv1", "bn3"], ValueError, "no module 'bn3'; did you mean 'bn"),
    ],
)
def test_what_cannot_be_fused(chain: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fuse_modules(net(), chain)


def test_preparing_in_place_and_not() -> None:
    model = configured(net())
    assert prepare_qat(model) is not model
    assert type(model.conv1) is nn.Conv2d
    assert prepare_qat(model, inplace=True) is model
    assert type(model.conv1) is qat.Conv2d
    assert "conv1" in str(model.qconfig_report)


def test_flows_must_not_be_mixed() -> None:
    model = prepare_qat(configured(net()))
    with pytest.raises(ValueError, match="must not be mixed"):
        prepare_qat_fx(model)
    with pytest.raises(TypeError, match=r"use quantization\.convert"):
        convert_fx(model)
    with pytest.raises(TypeError, match="use convert_fx"):
        convert(prepare_qat_fx(configured(net())))
    with pytest.raises(TypeError, match="call prepare_qat first"):
        convert(net())
    with pytest.raises(ValueError, match=r"set model\.qconfig before prepare_qat"):
        prepare_qat(net())


def test_converted_models_travel() -> None:
    model = convert(calibrated(prepare_qat(configured(net()))))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(X), model(X))


class TestHybrid:
    """A layer without a qconfig computes in float; the way back into integers is a stub."""

    class Stepwise(Net):
        def __init__(self) -> None:
            super().__init__()
            self.quant2 = QuantStub()

        def forward(self, x: Tensor) -> Any:
            x = self.quant2(self.relu1(self.bn1(self.conv1(self.quant(x)))))
            return self.dequant(self.head(x))

    def model(self, kind: type[Net], **kwargs: Any) -> nn.Module:
        torch.manual_seed(1)
        model = configured(kind().eval())
        for name in ("conv1", "bn1", "relu1"):
            model.get_submodule(name).qconfig = None
        return prepare_qat(model, **kwargs)

    def test_a_float_layer_takes_quantized_values(self) -> None:
        model = calibrated(self.model(self.Stepwise, hybrid=True))
        assert type(model.conv1) is nn.Conv2d
        integers = convert(model)
        torch.testing.assert_close(integers(X), model(X), rtol=0.05, atol=0.05)

    def test_without_hybrid_it_is_refused(self) -> None:
        with pytest.raises(NotImplementedError, match="conv2d"):
            calibrated(self.model(self.Stepwise))

    def test_only_inside_of_the_model(self) -> None:
        model = calibrated(self.model(self.Stepwise, hybrid=True))
        with pytest.raises(NotImplementedError):
            torch.linalg.norm(model.quant(X))
        with pytest.raises(RuntimeError):
            model(torch.randn(1))
        with pytest.raises(NotImplementedError):
            torch.linalg.norm(model.quant(X))

    def test_a_missing_stub_is_named(self) -> None:
        model = calibrated(self.model(Net, hybrid=True))
        integers = convert(model)
        with pytest.raises(ValueError, match=r"conv2 .*given the output of a float layer; put a QuantStub"):
            integers(X)
