"""convert_fx: what is swapped, what stays, what is warned of."""

import warnings

import pytest
import torch
from fx_models import Parts, Seed, conv, randomized, table
from torch import nn

from horizon_plugin_pytorch import set_march
from horizon_plugin_pytorch._runtime.graph_module import QuantizedGraphModule
from horizon_plugin_pytorch.nn import qat as qat_nn
from horizon_plugin_pytorch.nn import quantized as quantized_nn
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, prepare_qat_fx
from horizon_plugin_pytorch.quantization.qconfig import default_qat_8bit_fake_quant_qconfig

X = torch.rand(2, 3, 8, 8)


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def prepared(model: nn.Module | None = None) -> torch.fx.GraphModule:
    qat = prepare_qat_fx(randomized(model or Seed()), {"": default_qat_8bit_fake_quant_qconfig})
    qat.train()(X)
    return qat


def test_the_rgb888_recipe() -> None:
    """Convert, insert an operation behind the stub, set its scale, recompile."""
    traced = convert_fx(prepared())
    before = [
        ("placeholder", "input_1", "input", "()"),
        ("call_module", "quant", "quant", "(input_1,)"),
        ("call_module", "conv", "conv", "(quant,)"),
        ("output", "output", "output", "(conv,)"),
    ]
    assert table(traced.graph) == before
    for n in traced.graph.nodes:
        if n.target == "quant":
            with traced.graph.inserting_after(n):
                new_node = traced.graph.call_function(torch.clone, (n,), {})
                n.replace_all_uses_with(new_node)
                new_node.args = (n,)
    traced.quant.scale.fill_(1.0)
    traced.recompile()
    names = [(op, name, args) for op, name, _, args in table(traced.graph)]
    assert names[1:4] == [
        ("call_module", "quant", "(input_1,)"),
        ("call_function", "clone", "(quant,)"),
        ("call_module", "conv", "(clone,)"),
    ]
    traced(X)


def test_classes() -> None:
    qat = prepared()
    quantized = convert_fx(qat)
    assert isinstance(quantized, QuantizedGraphModule)
    assert isinstance(quantized, Seed)
    assert isinstance(quantized.quant, quantized_nn.Quantize)
    assert isinstance(quantized.conv, quantized_nn.ConvReLU2d)
    assert not any(m.training for m in quantized.modules())
    assert not any("qconfig" in vars(m) for m in quantized.modules())


def test_the_qat_model_stays_usable() -> None:
    qat = prepared()
    twin_before = {n: (type(m), m.training) for n, m in qat.named_modules()}
    state = {n: t.clone() for n, t in qat.state_dict().items()}
    quantized = convert_fx(qat)
    quantized(X)
    assert {n: (type(m), m.training) for n, m in qat.named_modules()} == twin_before
    assert all(torch.equal(t, state[n]) for n, t in qat.state_dict().items())
    assert isinstance(qat.conv, qat_nn.ConvReLU2d)
    assert qat.conv.qconfig
    qat(X)


def test_in_place() -> None:
    qat = prepared()
    quantized = convert_fx(qat, inplace=True)
    assert quantized is qat
    assert isinstance(qat, QuantizedGraphModule)
    qat(X)


def test_tensors_of_other_modules_are_shared() -> None:
    model = Parts(lambda m, x: m.conv(m.q(x)), q=QuantStub(), conv=conv(3), norm=nn.GroupNorm(1, 3))
    qat = prepared(model)
    quantized = convert_fx(qat)
    assert quantized.norm is not qat.norm
    assert quantized.norm.weight is qat.norm.weight


def test_the_qconfig_may_stay() -> None:
    assert any("qconfig" in vars(m) for m in convert_fx(prepared(Root()), _remove_qconfig=False).modules())


class Root(Seed):
    def __init__(self) -> None:
        super().__init__()
        self.qconfig = default_qat_8bit_fake_quant_qconfig


def test_preserved_modules_stay_qat() -> None:
    qat = prepared().eval()
    qat.conv.preserve_qat_mode = True
    quantized = convert_fx(qat)
    assert isinstance(quantized.conv, qat_nn.ConvReLU2d)
    assert isinstance(quantized.quant, quantized_nn.Quantize)
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(quantized(x).dequantize(), qat(x).dequantize())


def test_missing_statistics_are_one_warning() -> None:
    qat = prepare_qat_fx(Seed(), {"": default_qat_8bit_fake_quant_qconfig})
    with pytest.warns(
        UserWarning, match="has not collected any statistics of activations and its scale is 1"
    ) as caught:
        convert_fx(qat)
    texts = [str(w.message) for w in caught if "statistics" in str(w.message)]
    assert len(texts) == 1
    assert "quant (" in texts[0]
    assert "conv (" in texts[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        convert_fx(prepared())


def test_what_cannot_be_converted() -> None:
    quantized = convert_fx(prepared())
    with pytest.raises(ValueError, match="already converted"):
        convert_fx(quantized)
    with pytest.raises(TypeError, match="call prepare_qat_fx first"):
        convert_fx(Seed())
    with pytest.raises(TypeError, match="call prepare_qat_fx first"):
        convert_fx(3)
    eager = nn.Sequential(prepared().conv)
    with pytest.raises(TypeError, match="eager"):
        convert_fx(eager)
    with pytest.raises(ValueError, match="unknown key"):
        convert_fx(prepared(), convert_custom_config_dict={"preserve": []})
    convert_fx(prepared(), fast_mode=True)
