"""Methods of FloatFunctional beyond arithmetic, functions with parameters, a number over a tensor: as their modules compute."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fx_models import Parts, types
from torch import Tensor, nn

from horizon_plugin_pytorch import nn as horizon_nn
from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn.quantized import FloatFunctional

X = torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(5)) * 3.8 + 0.2


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def run(model: nn.Module, dtype: str) -> tuple[nn.Module, Any, Any]:
    """(prepared model, QAT result, integers of the converted model)."""
    qconfig = hq.get_default_qconfig(activation_qkwargs={"dtype": dtype})
    prepared = hq.calibrate(hq.prepare_qat_fx(model.eval(), {"": qconfig}), [X])
    with torch.no_grad():
        return prepared, prepared(X), hq.convert_fx(prepared)(X)


def same(first: Callable[..., Any], second: Callable[..., Any], dtype: str, **layers: nn.Module) -> None:
    """Assert that two ways to write a forward give equal QAT values and equal integers."""
    results = []
    for call in (first, second):
        _, qat, integers = run(
            Parts(lambda m, x, call=call: call(m, m.quant(x)), quant=hq.QuantStub(), **layers), dtype
        )
        results.append((qat.dequantize(), integers.int_repr()))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert results[0][1].unique().numel() > 3


@pytest.mark.filterwarnings("ignore:FloatFunctional")
@pytest.mark.parametrize("dtype", ["qint8", "qint16"])
@pytest.mark.parametrize(("method", "module"), [("exp", "Exp"), ("ceil", "Ceil"), ("floor", "Floor")])
def test_methods_compute_as_their_modules(method: str, module: str, dtype: str) -> None:
    layers = {"ff": FloatFunctional(), "op": getattr(horizon_nn, module)()}
    same(lambda m, x: getattr(m.ff, method)(x), lambda m, x: m.op(x), dtype, **layers)


@pytest.mark.filterwarnings("ignore:FloatFunctional")
def test_a_traced_division_is_the_module() -> None:
    same(
        lambda m, x: m.ff.div(x, x + 1.0),
        lambda m, x: m.op(x, x + 1.0),
        "qint16",
        ff=FloatFunctional(),
        op=horizon_nn.Div(),
    )


@pytest.mark.filterwarnings("ignore:FloatFunctional")
def test_a_traced_division_takes_the_qconfig_of_its_functional() -> None:
    model = Parts(lambda m, x: m.ff.div(m.quant(x), m.quant(x)), quant=hq.QuantStub(), ff=FloatFunctional())
    sixteen = hq.default_qat_8bit_weight_16bit_act_fake_quant_qconfig
    prepared = hq.prepare_qat_fx(model, {"module_name": {"ff": sixteen, "quant": sixteen}})
    assert types(prepared)["ff"] == "Div"
    assert str(prepared.ff.mul.activation_post_process.dtype) == "qint16"


def test_a_division_needs_a_functional_of_its_own() -> None:
    model = Parts(lambda m, x: m.ff.div(x, m.ff.add(x, x)), ff=FloatFunctional())
    with pytest.raises(ValueError, match="ff: a FloatFunctional whose div is called serves 2 calls"):
        hq.fuse_fx(model)


def test_without_tracing_a_division_names_the_module() -> None:
    model = Parts(lambda m, x: m.ff.div(m.quant(x), m.quant(x)), quant=hq.QuantStub(), ff=FloatFunctional())
    model.qconfig = hq.default_qat_8bit_fake_quant_qconfig
    with pytest.raises(NotImplementedError, match=r"use horizon_plugin_pytorch.nn.Div\(\)"):
        hq.prepare_qat(model)(X)


@pytest.mark.parametrize(("method", "module"), [("exp", "Exp"), ("div", "Div")])
def test_deprecated_methods_name_the_module(method: str, module: str) -> None:
    arguments = (X, X) if method == "div" else (X,)
    with pytest.warns(FutureWarning, match=rf"use horizon_plugin_pytorch.nn.{module}\(\)"):
        out = getattr(FloatFunctional(), method)(*arguments)
    assert torch.equal(out, X / X if method == "div" else X.exp())


def test_methods_work_without_tracing() -> None:
    model = Parts(lambda m, x: m.ff.floor(m.quant(x)), quant=hq.QuantStub(), ff=FloatFunctional()).eval()
    model.qconfig = hq.default_qat_8bit_fake_quant_qconfig
    prepared = hq.calibrate(hq.prepare_qat(model), [X])
    assert torch.equal(hq.convert(prepared)(X).int_repr(), prepared(X).int_repr())


def test_exact_qat_gives_the_integers_of_methods() -> None:
    prepared, _, integers = run(
        Parts(lambda m, x: m.ff.ceil(m.quant(x)), quant=hq.QuantStub(), ff=FloatFunctional()), "qint16"
    )
    hq.set_fake_quantize(prepared.eval(), hq.FakeQuantState.VALIDATION, exact=True)
    assert torch.equal(prepared(X).int_repr(), integers.int_repr())


class Weighted(nn.Module):
    """A function that is given parameters of the model."""

    def __init__(self, call: Callable[["Weighted", Tensor], Tensor], **tensors: Tensor | None) -> None:
        super().__init__()
        self.quant = hq.QuantStub()
        self.call = call
        for name, tensor in tensors.items():
            self.register_parameter(name, None if tensor is None else nn.Parameter(tensor))

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, self.quant(x))


def spread(count: int) -> Tensor:
    return torch.linspace(0.05, 0.4, count)


FUNCTIONS = [
    pytest.param(lambda m, x: nn.functional.prelu(x - 2.0, m.w), "PReLU", {"w": spread(4)}, id="prelu"),
    pytest.param(lambda m, x: torch.prelu(x - 2.0, weight=m.w), "PReLU", {"w": spread(1)}, id="one slope"),
    pytest.param(
        lambda m, x: nn.functional.layer_norm(x, (6,), m.w, m.b, 1e-3),
        "LayerNorm",
        {"w": spread(6), "b": spread(6)},
        id="layer_norm",
    ),
    pytest.param(lambda m, x: nn.functional.layer_norm(x, (6,), m.w), "LayerNorm", {"w": spread(6)}, id="without bias"),
    pytest.param(lambda _m, x: nn.functional.layer_norm(x, [6, 6], eps=1e-3), "LayerNorm", {}, id="without parameters"),
]


@pytest.mark.parametrize(("call", "kind", "tensors"), FUNCTIONS)
def test_functions_with_parameters_become_modules(call, kind: str, tensors: dict[str, Tensor]) -> None:
    model = Weighted(call, **tensors)
    prepared, qat, integers = run(model, "qint8")
    assert kind in types(prepared).values()
    assert torch.allclose(qat.dequantize(), model(X), atol=6 * qat.q_scale().item())
    assert (integers.int_repr().int() - qat.int_repr().int()).abs().max() <= 2


def test_parameters_of_functions_go_on_training() -> None:
    model = Weighted(lambda m, x: nn.functional.prelu(x - 2.0, m.w), w=spread(4))
    prepared = hq.prepare_qat_fx(model, {"": hq.default_qat_8bit_fake_quant_qconfig})
    assert prepared._generated_prelu_0.weight is prepared.w
    hq.set_fake_quantize(prepared.train(), hq.FakeQuantState.QAT)
    prepared(X).dequantize().sum().backward()
    assert prepared.w.grad is not None


def test_computed_parameters_stay_functions() -> None:
    fused = hq.fuse_fx(Weighted(lambda m, x: nn.functional.prelu(x, m.w * 2.0), w=spread(4)))
    assert "PReLU" not in types(fused).values()


@pytest.mark.parametrize("dtype", ["qint8", "qint16"])
def test_one_over_a_tensor_is_its_reciprocal(dtype: str) -> None:
    same(lambda _m, x: 1.0 / x, lambda _m, x: torch.reciprocal(x), dtype)


def test_a_number_over_a_tensor_is_a_table() -> None:
    prepared, qat, integers = run(Parts(lambda m, x: 3 / m.quant(x), quant=hq.QuantStub()), "qint8")
    assert types(prepared)["_generated_number_over_0"] == "NumberOver"
    assert torch.allclose(qat.dequantize(), 3 / X, atol=1.0)
    assert (integers.int_repr().int() - qat.int_repr().int()).abs().max() <= 8
