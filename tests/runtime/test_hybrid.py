"""Hybrid mode of the traced flow: stubs where values change sides, step-wise quantization, segmented deployment."""

from typing import Any

import pytest
import torch
from fx_models import Parts, conv, table
from torch import Tensor, nn

from horizon_plugin_pytorch import qconfig
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import intrinsic, qat, quantized
from horizon_plugin_pytorch.quantization import (
    QuantStub,
    calibrate,
    check_model,
    convert_fx,
    prepare_qat_fx,
)

X = torch.randn(2, 4, 6, 6)
QAT = qconfig.default_qat_8bit_fake_quant_qconfig


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def stubs() -> dict[str, nn.Module]:
    return {"quant": QuantStub(), "dequant": torch.ao.quantization.DeQuantStub()}


def chain(m: Parts, x: Tensor) -> Any:
    return m.dequant(m.conv3(m.conv2(m.conv1(m.quant(x)))))


def three() -> Parts:
    torch.manual_seed(0)
    return Parts(chain, **stubs(), conv1=conv(), conv2=conv(), conv3=conv()).eval()


def prepared(model: nn.Module, hybrid_dict: Any = None, rules: Any = None) -> Any:
    return prepare_qat_fx(model, rules or {"": QAT}, hybrid=True, hybrid_dict=hybrid_dict)


def calibrated(model: Any) -> Any:
    return calibrate(model, [X])


def test_the_documented_surgery() -> None:
    model = prepared(three(), {"module_name": ["conv2"]})
    assert [name for _, name, _, _ in table(model.graph)] == [
        *("x", "quant", "conv1", "conv2_input_dequant_0", "conv2", "conv2_activation_post_process", "conv3", "dequant"),
        "output",
    ]
    assert type(model.conv2) is nn.Conv2d
    assert not hasattr(model.conv2, "qconfig")
    assert type(model.conv2_input_dequant) is qat.DeQuantStub
    assert type(model.conv2_activation_post_process) is qat.QuantStub


@pytest.mark.parametrize("hybrid_dict", [{"module_name": ["conv2"]}, {"module_type": [nn.Conv2d]}, None])
def test_the_converted_model_computes_the_same(hybrid_dict: Any) -> None:
    model = calibrated(prepared(three(), hybrid_dict))
    integers = convert_fx(model)
    torch.testing.assert_close(integers(X), model(X), rtol=0.0, atol=0.05)
    if hybrid_dict and "module_name" in hybrid_dict:
        assert type(integers.conv2_activation_post_process) is quantized.Quantize


def test_a_model_of_float_layers_alone_is_the_float_model() -> None:
    model = calibrated(prepared(three(), {"module_type": [nn.Conv2d]}))
    values = model.quant(X).dequantize()
    torch.testing.assert_close(model(X), three().conv3(three().conv2(three().conv1(values))))


def test_a_fused_part_keeps_the_whole_chain_on_the_cpu() -> None:
    parts = {"conv": conv(), "bn": nn.BatchNorm2d(4), "relu": nn.ReLU()}
    model = Parts(lambda m, x: m.dequant(m.relu(m.bn(m.conv(m.quant(x))))), **stubs(), **parts)
    for hybrid_dict in ({"module_name": ["bn"]}, {"module_type": [nn.BatchNorm2d]}):
        assert type(prepared(model, hybrid_dict).conv) is intrinsic.ConvReLU2d


def test_an_operator_that_the_march_lacks_goes_to_the_cpu() -> None:
    set_march("bernoulli")
    model = Parts(
        lambda m, x: m.dequant(m.conv(m.norm(m.quant(x)))), **stubs(), conv=conv(), norm=nn.LayerNorm([4, 6, 6])
    )
    with pytest.raises(NotImplementedError, match="norm: "):
        prepare_qat_fx(model, {"": QAT})
    made = prepared(model)
    assert type(made.norm) is nn.LayerNorm
    assert type(made.norm_activation_post_process) is qat.QuantStub


def test_a_function_without_a_quantized_form_computes_in_float() -> None:
    model = Parts(lambda m, x: m.dequant(m.conv(torch.cumsum(m.quant(x), 1))), **stubs(), conv=conv())
    made = calibrated(prepared(model))
    assert type(made.cumsum_input_dequant) is qat.DeQuantStub
    torch.testing.assert_close(convert_fx(made)(X), made(X), rtol=0.0, atol=0.05)


def test_the_first_operator_on_the_cpu_needs_no_stub() -> None:
    model = Parts(lambda m, x: m.dequant(m.conv2(m.conv1(x))), conv1=conv(), conv2=conv(), **stubs())
    made = calibrated(prepared(model, {"module_name": ["conv1"]}))
    assert type(made.conv1_activation_post_process) is qat.QuantStub


def test_a_place_without_a_qconfig_is_named() -> None:
    with pytest.raises(ValueError, match="conv3 is quantized and reads the float values of conv2, which no qconfig"):
        prepared(three(), None, {"": QAT, "module_name": {"conv2": None}})
    model = Parts(lambda m, x: m.dequant(m.conv(x)), conv=conv(), **stubs())
    with pytest.raises(ValueError, match="conv is quantized and reads the float values of x"):
        prepared(model)


@pytest.mark.parametrize(
    ("hybrid_dict", "error", "message"),
    [
        ({"module_names": ["a"]}, ValueError, "unknown key 'module_names'.*did you mean 'module_name'"),
        ({"module_name": ["conv9"]}, ValueError, "no module 'conv9'"),
        ({"module_type": ["Conv2d"]}, TypeError, "a list of classes"),
        ([], TypeError, "must be a dict or None, not list"),
    ],
)
def test_a_wrong_hybrid_dict(hybrid_dict: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        prepared(three(), hybrid_dict)


def test_hybrid_dict_needs_hybrid() -> None:
    with pytest.raises(ValueError, match="with hybrid=True only"):
        prepare_qat_fx(three(), {"": QAT}, hybrid_dict={"module_name": ["conv2"]})


def test_segmented_deployment() -> None:
    """A stub at the split point has the scale of the first part, so the second part alone computes the same integers."""

    def run(m: Parts, x: Tensor) -> Any:
        return m.dequant(m.conv2(m.split(m.conv1(m.quant(x)))))

    model = calibrated(prepare_qat_fx(Parts(run, **stubs(), conv1=conv(), split=QuantStub(), conv2=conv()), {"": QAT}))
    assert torch.equal(model.split.activation_post_process.scale, model.conv1.activation_post_process.scale)
    whole = convert_fx(model)
    first = whole.conv1(whole.quant(X)).dequantize()
    second = torch.jit.trace(Parts(lambda m, x: m.dequant(m.conv2(m.split(x))), **dict(whole.named_children())), first)
    assert torch.equal(second(first), whole(X))


def test_a_stub_behind_a_layer_passes_and_check_model_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole model runs, as segmented deployment wants it; on the BPU there are two models, or one without the stub."""
    with_stub = Parts(lambda m, x: m.dequant(m.split(m.conv1(m.quant(x)))), **stubs(), conv1=conv(), split=QuantStub())
    quantized = convert_fx(calibrated(prepare_qat_fx(with_stub, {"": QAT})))
    integers = quantized.conv1(quantized.quant(X))
    assert quantized.split(integers) is integers
    assert check_model(quantized, X) == 1
    assert "remove it, or split the model there and check each part" in capsys.readouterr().out
