"""FloatFunctional: its methods in float, in QAT and in integers; what operators and functions become of it."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fx_models import Parts, calls
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn.quantized import FloatFunctional
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    fuse_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(3))


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def converted(call: Callable[[Any, Tensor], Any], dtype: str = "qint8") -> tuple[QTensor, QTensor, nn.Module]:
    """(QAT result, integer result, integer model) of a function of the model and its quantized input."""
    model = Parts(lambda m, x: call(m, m.quant(x)), quant=QuantStub(), ff=FloatFunctional()).eval()
    prepared = prepare_qat_fx(model, {"": get_default_qconfig(activation_qkwargs={"dtype": dtype})}).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    prepared(X)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    with torch.no_grad():
        qat, integers = prepared(X), convert_fx(prepared)
        return qat, integers(X), integers


def steps_apart(qat: QTensor, integers: QTensor) -> int:
    assert integers.is_quantized
    assert torch.equal(qat.q_scale(), integers.q_scale())
    return int((qat.int_repr().int() - integers.int_repr().int()).abs().max())


OPERATORS: list[tuple[str, Callable[[Any], Any], str]] = [
    ("add", lambda x: x + 0.3, "_generated_add_0"),
    ("radd", lambda x: 0.3 + x, "_generated_add_0"),
    ("add method", lambda x: x.add(-2), "_generated_add_0"),
    ("add function", lambda x: torch.add(x, 1), "_generated_add_0"),
    ("sub", lambda x: x - 0.3, "_generated_sub_0"),
    ("rsub", lambda x: 0.3 - x, "_generated_sub_0"),
    ("rsub function", lambda x: torch.rsub(x, 0.3), "_generated_rsub_0"),
    ("matmul", lambda x: x @ x, "_generated_matmul_0"),
    ("maximum", lambda x: torch.maximum(x, x * 0.5), "_generated_maximum_0"),
    ("max of two", lambda x: torch.max(x, x * -1.0), "_generated_maximum_0"),
    ("min of two", lambda x: x.min(x * -1.0), "_generated_minimum_0"),
    ("stack", lambda x: torch.stack([x, x * 2.0], 1), "_generated_stack_0"),
    ("sum", lambda x: x.sum(1), "_generated_sum_0"),
    ("masked", lambda x: x * (x > 0.5), "_generated_mul_0"),
]


@pytest.mark.parametrize(("name", "call", "module"), OPERATORS, ids=[name for name, *_ in OPERATORS])
def test_operators_become_modules(name: str, call: Callable[[Any], Any], module: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a scale that nothing was observed for would be warned of
        qat, integers, model = converted(lambda _, x: call(x))
    assert module in dict(model.named_modules())
    assert steps_apart(qat, integers) <= 1
    torch.testing.assert_close(integers.dequantize(), call(X), rtol=0, atol=4 * float(integers.q_scale()))


@pytest.mark.parametrize("call", [lambda x: x * 1.7, lambda x: -2.5 * x, lambda x: -x, lambda x: x * 0])
def test_scaling_stays_a_function(call: Callable[[Any], Any]) -> None:
    qat, integers, model = converted(lambda _, x: call(x))
    assert not [name for name, _ in model.named_modules() if "_generated_" in name]
    assert steps_apart(qat, integers) == 0
    torch.testing.assert_close(integers.dequantize(), call(X), rtol=0, atol=2 * float(integers.q_scale()) + 1e-6)


METHODS: list[Callable[[Any, Any], Any]] = [
    lambda m, x: m.ff.add(x, 0.3),
    lambda m, x: m.ff.add(0.3, x),
    lambda m, x: m.ff.add_scalar(x, 0.3),
    lambda m, x: m.ff.sub(x, 1.5),
    lambda m, x: m.ff.sub(1.5, x),
    lambda m, x: m.ff.__rsub__(x, 1.5),
    lambda m, x: m.ff.mul(x, 1.5),
    lambda m, x: m.ff.mul(-1.5, x),
    lambda m, x: m.ff.mul(x, x > 0),
    lambda m, x: m.ff.mul(x > 0, x),
    lambda m, x: m.ff.mul_scalar(x, -1.5),
    lambda m, x: m.ff.concat([x, x], 1),
    lambda m, x: m.ff.concatenate([x, x], dim=1),
    lambda m, x: m.ff.stack([x, x], dim=1),
    lambda m, x: m.ff.matmul(x, x, y_trans=True),
    lambda m, x: m.ff.matmul(x, x, True),
    lambda m, x: m.ff.sum(x, (1, 2), keepdim=True),
    lambda m, x: m.ff.mean(x, 1),
    lambda m, x: m.ff.maximum(x, x),
    lambda m, x: m.ff.minimum(x, x),
]


@pytest.mark.parametrize("call", METHODS)
@pytest.mark.parametrize("dtype", ["qint8", "qint16"])
def test_methods(call: Callable[[Any, Any], Any], dtype: str) -> None:
    qat, integers, _ = converted(call, dtype)
    expected = call(Parts(lambda *_: None, ff=FloatFunctional()), X)
    assert integers.shape == expected.shape
    assert steps_apart(qat, integers) <= (1 if dtype == "qint8" else 16)
    torch.testing.assert_close(integers.dequantize(), expected, rtol=0.02, atol=6 * float(integers.q_scale()) + 1e-3)


def test_a_fused_add_needs_two_feature_maps() -> None:
    model = Parts(lambda m, x: m.conv(x) + 1.0, conv=nn.Conv2d(4, 4, 1))
    fused = fuse_fx(model)
    assert calls(fused)[0] == "conv"
    assert "_generated_add_0" in dict(fused.named_modules())
    assert torch.equal(fused(X), model(X))


def test_no_forward() -> None:
    with pytest.raises(RuntimeError, match="use one of its methods"):
        FloatFunctional()(X)


class TestMeanOfOldCheckpoints:
    def test_dimensions_go_by_default(self) -> None:
        assert FloatFunctional().mean(X, 1).shape == (2, 6, 6)
        assert FloatFunctional().mean(X, 1, keepdim=True).shape == (2, 1, 6, 6)

    def test_an_old_checkpoint_keeps_them_and_warns(self) -> None:
        model = nn.ModuleDict({"ff": FloatFunctional()})
        state = model.state_dict()
        state._metadata["ff"]["version"] = 1
        with pytest.warns(UserWarning, match="ff: a FloatFunctional was loaded from a checkpoint of an older version"):
            model.load_state_dict(state)
        assert model["ff"].mean(X, 1).shape == (2, 1, 6, 6)
        assert model["ff"].mean(X, 1, keepdim=False).shape == (2, 6, 6)

    def test_a_new_one_does_not(self) -> None:
        model = nn.ModuleDict({"ff": FloatFunctional()})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.load_state_dict(model.state_dict())
        assert not model["ff"].keeps_reduced_dims


def test_a_plain_operand_is_told() -> None:
    _, _, model = converted(lambda m, x: m.ff.add(x, x))
    x = QTensor(torch.zeros(2, dtype=torch.int8), torch.ones(1), "qint8")
    with pytest.raises(TypeError, match="an operand of add is no QTensor but a Tensor; give a constant its scale"):
        model.ff.add(x, torch.ones(2))


def test_accumulators_of_bernoulli2() -> None:
    set_march("bernoulli2")
    from horizon_plugin_pytorch.quantization.qconfig import QConfig

    full = get_default_qconfig()
    model = Parts(lambda m, x: m.ff.sum(m.quant(x), 1), quant=QuantStub(), ff=FloatFunctional()).eval()
    qconfig = {"": QConfig(activation=None, weight=full.weight), "module_name": {"quant": full}}
    prepared = prepare_qat_fx(model, qconfig).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    prepared(X)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    out = convert_fx(prepared)(X)
    assert (str(out.dtype), out.int_repr().dtype) == ("qint32", torch.int32)
    assert torch.equal(out.q_scale(), prepared.quant.activation_post_process.scale)
    torch.testing.assert_close(out.dequantize(), prepared(X))
