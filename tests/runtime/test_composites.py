"""Operators that are graphs of others: accuracy, names, state dicts, conversion, refusals.

Accuracy is stated against the float module, fed with the integers' own input: cosine similarity at least 0.999 when the
output is int16.
"""

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.nn import Div, LayerNorm
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    default_calib_8bit_weight_16bit_act_fake_quant_qconfig,
    default_qat_8bit_weight_16bit_act_fake_quant_qconfig,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

COSINE = 0.999


class Model(nn.Module):
    """Stubs around one operator."""

    def __init__(self, op: nn.Module) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.op = op

    def forward(self, x: Tensor) -> object:
        return self.op(self.quant(x))


class SelfAttention(Model):
    """Attention of a sequence to itself, with an optional mask."""

    mask: Tensor | None = None

    def forward(self, x: Tensor) -> object:
        x = self.quant(x)
        return self.op(x, x, x, attn_mask=self.mask)


class Steps(Model):
    """Three steps of a cell."""

    def forward(self, x: Tensor) -> object:
        x, state = self.quant(x), None
        for step in range(3):
            state = self.op(x[:, step], state)
        return state


def qconfig(dtype: str) -> object:
    return get_default_qconfig(activation_qkwargs={"dtype": dtype})


def calibrated(model: nn.Module, x: Tensor, source: str, output: str) -> nn.Module:
    horizon.march.set_march("bayes")
    rules = {"": qconfig(output), "module_name": {"quant": qconfig(source)}}
    prepared = prepare_qat_fx(model.eval(), rules).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        prepared(x)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    return prepared


def flat(results: object) -> list[Tensor]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


def cosine(a: Tensor, b: Tensor) -> float:
    return torch.nn.functional.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0).item()


def affine(shape: int) -> nn.LayerNorm:
    norm = nn.LayerNorm(shape)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


ACCURATE = {
    "softmax": (lambda: Model(nn.Softmax(-1)), (4, 10, 20), "qint8"),
    "log_softmax": (lambda: Model(nn.LogSoftmax(-1)), (4, 10, 20), "qint8"),
    "layer_norm": (lambda: Model(affine(32)), (4, 10, 32), "qint8"),
    "layer_norm without weight": (lambda: Model(nn.LayerNorm(32, elementwise_affine=False)), (4, 10, 32), "qint8"),
    "glu": (lambda: Model(nn.GLU(-1)), (4, 10, 20), "qint8"),
    "attention": (lambda: SelfAttention(nn.MultiheadAttention(32, 4, batch_first=True)), (2, 10, 32), "qint8"),
    "attention of int16": (lambda: SelfAttention(nn.MultiheadAttention(32, 4)), (10, 2, 32), "qint16"),
    "cell": (lambda: Steps(nn.LSTMCell(16, 8)), (8, 3, 16), "qint8"),
    "cell without bias": (lambda: Steps(nn.LSTMCell(16, 8, bias=False)), (8, 3, 16), "qint16"),
}


@pytest.mark.parametrize("name", ACCURATE)
def test_integers_are_near_the_float_module(name: str) -> None:
    make, shape, source = ACCURATE[name]
    torch.manual_seed(0)
    model, x = make().eval(), torch.randn(shape) * 2
    quantized = convert_fx(calibrated(model, x, source, "qint16"))
    with torch.no_grad():
        seen = quantized.quant(x).dequantize()
        expected, results = flat(model(seen)), flat(quantized(x))
    assert all(result.is_quantized and str(result.dtype) == "qint16" for result in results)
    for a, b in zip(expected, results, strict=True):
        assert cosine(a, b.dequantize()) >= COSINE


def test_masked_scores_get_no_weight() -> None:
    torch.manual_seed(0)
    model = SelfAttention(nn.MultiheadAttention(16, 2, batch_first=True))
    model.mask = torch.triu(torch.ones(6, 6, dtype=torch.bool), 1)
    x = torch.randn(2, 6, 16)
    quantized = convert_fx(calibrated(model, x, "qint8", "qint16"))
    out, weights = quantized(x)
    assert int(weights.int_repr()[:, model.mask].abs().max()) == 0
    assert cosine(model(quantized.quant(x).dequantize())[0], out.dequantize()) >= COSINE


def test_the_integer_chain_is_that_of_the_children() -> None:
    """Softmax by hand, child by child, on the integers."""
    x = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0)) * 3
    quantized = convert_fx(calibrated(Model(nn.Softmax(-1)), x, "qint8", "qint8"))
    op, given = quantized.op, quantized.quant(x)
    top = QTensor(given.int_repr().amax(-1, keepdim=True), given.q_scale(), given.dtype)
    share = op.exp(op.sub.sub(given, top))
    by_hand = op.mul.mul(share, op.reciprocal(op.sum.sum(share, -1, True)))
    assert torch.equal(op(given).int_repr(), by_hand.int_repr())


def test_children_are_named_and_int16_inside() -> None:
    prepared = calibrated(Model(nn.Softmax(-1)), torch.randn(2, 5), "qint8", "qint8")
    assert list(dict(prepared.op.named_children())) == ["sub", "exp", "sum", "reciprocal", "mul"]
    inside = {name: str(child.activation_post_process.dtype) for name, child in prepared.op.named_children()}
    assert inside == {"sub": "qint16", "exp": "qint16", "sum": "qint16", "reciprocal": "qint16", "mul": "qint8"}


@pytest.mark.parametrize("make", [make for make, _, _ in ACCURATE.values()])
def test_calibration_and_qat_models_load_each_other(make: object) -> None:
    horizon.march.set_march("bayes")
    calib = prepare_qat_fx(make(), {"": default_calib_8bit_weight_16bit_act_fake_quant_qconfig})
    qat = prepare_qat_fx(make(), {"": default_qat_8bit_weight_16bit_act_fake_quant_qconfig})
    assert qat.state_dict().keys() == calib.state_dict().keys()
    qat.load_state_dict(calib.state_dict())
    calib.load_state_dict(qat.state_dict())


def test_parameters_of_the_float_module_load() -> None:
    horizon.march.set_march("bayes")
    torch.manual_seed(0)
    source = nn.MultiheadAttention(8, 2)
    prepared = prepare_qat_fx(SelfAttention(nn.MultiheadAttention(8, 2)), {"": qconfig("qint16")})
    result = prepared.op.load_state_dict(source.state_dict(), strict=False)
    assert not result.unexpected_keys
    assert torch.equal(prepared.op.k_proj.weight, source.in_proj_weight[8:16])
    assert torch.equal(prepared.op.out_proj.weight, source.out_proj.weight)


def test_a_cell_keeps_the_parameter_objects() -> None:
    horizon.march.set_march("bayes")
    cell = nn.LSTMCell(4, 3)
    cell.qconfig = qconfig("qint16")
    qat = horizon.nn.qat.LSTMCell.from_float(cell)
    assert qat.linear_ih.weight is cell.weight_ih
    assert qat.linear_hh.bias is cell.bias_hh


def test_conversion_leaves_integers_only() -> None:
    quantized = convert_fx(calibrated(Model(affine(8)), torch.randn(4, 8), "qint8", "qint8"))
    assert not list(quantized.parameters())
    assert type(quantized.op) is horizon.nn.qat.LayerNorm
    assert quantized.op.weight_quant.data.dtype == torch.int16


def test_conversion_leaves_the_qat_model_usable() -> None:
    x = torch.randn(4, 8)
    prepared = calibrated(Model(affine(8)), x, "qint8", "qint8")
    before = prepared(x)
    convert_fx(prepared)
    assert torch.equal(before.dequantize(), prepared(x).dequantize())


@pytest.mark.parametrize("op", [affine(8), nn.Softmax(-1)])
def test_a_preserved_composite_stays_qat(op: nn.Module) -> None:
    """With everything in it; it takes the integers before it as their values."""
    x = torch.randn(4, 8)
    prepared = calibrated(Model(op), x, "qint8", "qint8")
    prepared.op.preserve_qat_mode = True
    converted = convert_fx(prepared)
    assert {type(m) for m in converted.op.modules()} == {type(m) for m in prepared.op.modules()}
    assert torch.equal(converted(x).dequantize(), prepared(x).dequantize())


def test_softmax_becomes_a_quantized_class() -> None:
    quantized = convert_fx(calibrated(Model(nn.Softmax(-1)), torch.randn(4, 8), "qint8", "qint8"))
    assert type(quantized.op) is horizon.nn.quantized.QuantSoftmax


def test_conversion_derives_every_integer() -> None:
    """Scales flow through the graphs of composites; only a reduction waits for the size that it reduces."""
    torch.manual_seed(0)
    model = nn.Sequential(QuantStub(), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.Softmax(-1))
    horizon.march.set_march("bayes")
    prepared = prepare_qat_fx(model, {"": qconfig("qint8")}).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    x = torch.randn(2, 8)
    prepared(x)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    quantized = convert_fx(prepared)
    sized = {"2.mean", "2.var", "4.sum"}
    modules = {name: m for name, m in quantized.named_modules() if hasattr(m, "_bindings") and name not in sized}
    counts = {name: len(module._bindings) for name, module in modules.items()}
    quantized(x)
    assert counts == {name: len(module._bindings) for name, module in modules.items()}
    assert counts["4.exp"] == counts["2.rsqrt"] == counts["2.bias_add"] == 1


def test_a_fixed_output_scale_is_that_of_the_output_alone() -> None:
    horizon.march.set_march("bayes")
    fixed = get_default_qconfig(activation_observer="fixed_scale", activation_qkwargs={"dtype": "qint8", "scale": 0.01})
    prepared = prepare_qat_fx(Model(nn.Softmax(-1)), {"": fixed})
    assert prepared.op.mul.activation_post_process.scale.item() == pytest.approx(0.01)
    assert prepared.op.exp.activation_post_process.scale.item() == 1.0


def test_the_table_of_a_layer_norm_can_be_tuned() -> None:
    horizon.march.set_march("bayes")
    norm = LayerNorm(8)
    norm.rsqrt_kwargs = {"auto_divide_strategy": "evenly"}
    prepared = prepare_qat_fx(Model(norm), {"": qconfig("qint8")})
    assert prepared.op.rsqrt.options.auto_divide_strategy == "evenly"
    prepared.op.rsqrt_kwargs = {"auto_divide_strategy": "curvature"}
    assert prepared.op.rsqrt.options.auto_divide_strategy == "curvature"


def test_gradients_reach_every_parameter() -> None:
    horizon.march.set_march("bayes")
    torch.manual_seed(0)
    qat = prepare_qat_fx(SelfAttention(nn.MultiheadAttention(8, 2)), {"": qconfig("qint16")}).train()
    set_fake_quantize(qat, FakeQuantState.QAT)
    qat(torch.randn(5, 2, 8))[0].dequantize().square().mean().backward()
    missing = [name for name, p in qat.named_parameters() if p.grad is None]
    assert not missing


def test_a_copy_computes_the_same() -> None:
    x = torch.randn(4, 8)
    quantized = convert_fx(calibrated(Model(affine(8)), x, "qint8", "qint8"))
    assert torch.equal(copy.deepcopy(quantized)(x).int_repr(), quantized(x).int_repr())


@pytest.mark.parametrize(
    "module", [nn.Softmax(-1), nn.LayerNorm(8), nn.GLU(), nn.MultiheadAttention(8, 2), nn.LSTMCell(8, 8)]
)
@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_other_marches_say_why_not(module: nn.Module, march: str) -> None:
    horizon.march.set_march(march)
    with pytest.raises(NotImplementedError, match=rf"op: .*{march}.*bayes"):
        prepare_qat_fx(Model(copy.deepcopy(module)), {"": qconfig("qint8")})


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        (nn.MultiheadAttention(8, 2, add_bias_kv=True), "bias_k"),
        (nn.MultiheadAttention(8, 2, add_zero_attn=True), "add_zero_attn"),
        (nn.MultiheadAttention(8, 2, kdim=4, vdim=4), "same_embed_dim"),
        (nn.Softmax(), "dim"),
    ],
)
def test_what_has_no_integer_form_is_refused(module: nn.Module, remedy: str) -> None:
    horizon.march.set_march("bayes")
    with warnings.catch_warnings(), pytest.raises(ValueError, match=remedy):
        prepare_qat_fx(Model(module), {"": qconfig("qint8")})


def test_division_with_rounding_is_refused() -> None:
    with pytest.raises(ValueError, match="rounding_mode"):
        Div()(torch.ones(2), torch.ones(2), rounding_mode="floor")


def test_an_unquantized_output_is_refused() -> None:
    horizon.march.set_march("bayes")
    unquantized = horizon.qconfig.default_qat_8bit_weight_32bit_out_fake_quant_qconfig
    with pytest.raises(ValueError, match=r"op: .*output must be quantized"):
        prepare_qat_fx(Model(nn.Softmax(-1)), {"": qconfig("qint8"), "module_name": {"op": unquantized}})
