"""ONNX files, run in onnxruntime: converted models equal to the bit, QAT models within a step of their outputs."""

import io

import pytest
import torch
from out_models import MODELS, equal, listed, made, march_of
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.utils.onnx_helper import export_quantized_onnx, export_to_onnx, onnx_gaps

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


def _run(file: io.BytesIO, x: Tensor) -> tuple[Tensor, ...]:
    """All outputs, computed node by node as the file says: no fusion into kernels with other rounding."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(file.getvalue(), options)
    return tuple(map(torch.from_numpy, session.run(None, {session.get_inputs()[0].name: x.numpy()})))


def _operators(file: io.BytesIO) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(file.getvalue()).graph.node}


def _steps(model: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """The scales of what enters the last stub, call by call."""
    found: list[Tensor] = []
    handle = model.dequant.register_forward_pre_hook(lambda _, args: found.append(args[0].q_scale().max()))
    with torch.no_grad():
        model(x)
    handle.remove()
    return tuple(found)


@pytest.mark.parametrize("name", MODELS)
class TestModels:
    """The two kinds of files."""

    def test_integers_are_equal(self, name: str) -> None:
        horizon.march.set_march(march_of(name))
        _, quantized, x = made(name)
        file = io.BytesIO()
        export_quantized_onnx(quantized, x, file)
        assert equal(_run(file, -x), quantized(-x))
        assert not _operators(file) & {"Conv", "MatMul", "QLinearConv", "Round"}

    def test_qat_is_within_a_step(self, name: str) -> None:
        horizon.march.set_march(march_of(name))
        qat, _, x = made(name)
        file = io.BytesIO()
        export_to_onnx(qat, x, file)
        horizon.quantization.set_fake_quantize(qat, horizon.quantization.FakeQuantState.VALIDATION, exact=False)
        with torch.no_grad():
            expected = listed(qat(x))
        for given, wanted, step in zip(_run(file, x), expected, _steps(qat, x), strict=True):
            assert (given - wanted.as_subclass(Tensor)).abs().max() <= 1.01 * step
        assert {"QuantizeLinear", "DequantizeLinear"} <= _operators(file)


def test_weights_have_a_quantizer_for_each_channel() -> None:
    horizon.march.set_march("bayes")
    qat, _, x = made("residual")
    file = io.BytesIO()
    export_to_onnx(qat, x, file)
    nodes = onnx.load_from_string(file.getvalue()).graph.node
    axes = [a.i for node in nodes if node.op_type == "QuantizeLinear" for a in node.attribute if a.name == "axis"]
    assert axes.count(0) == 3


def test_export_leaves_the_model_as_it_was() -> None:
    horizon.march.set_march("bayes")
    qat, _, x = made("residual")
    with torch.no_grad():
        before = qat(x).clone()
        export_to_onnx(qat, x, io.BytesIO())
        assert torch.equal(qat(x), before)


def test_integers_leave_in_their_own_type() -> None:
    horizon.march.set_march("bayes")
    _, quantized, x = made("residual")
    stem = nn.Sequential(quantized.quant, quantized.stem[0])
    file = io.BytesIO()
    export_quantized_onnx(stem, x, file)
    (given,) = _run(file, x)
    expected = stem(x)
    assert isinstance(expected, QTensor)
    assert torch.equal(given, expected.int_repr())
    assert given.dtype == torch.int8


def test_files_have_the_names_that_were_given() -> None:
    horizon.march.set_march("bayes")
    _, quantized, x = made("residual")
    file = io.BytesIO()
    export_quantized_onnx(quantized, x, file, input_names=["image"], output_names=["logits"])
    graph = onnx.load_from_string(file.getvalue()).graph
    assert ([i.name for i in graph.input], [o.name for o in graph.output]) == (["image"], ["logits"])


class _Fft(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x).real


def test_an_operator_without_exact_form_is_named() -> None:
    with pytest.raises(NotImplementedError, match=r"no exact ONNX form is known for .*aten\._fft_r2c"):
        export_quantized_onnx(_Fft(), torch.rand(2, 4), io.BytesIO())
    assert "aten._fft_r2c" in onnx_gaps(_Fft(), torch.rand(2, 4))


def test_what_has_no_gap_says_nothing() -> None:
    horizon.march.set_march("bayes")
    _, quantized, x = made("residual")
    assert not onnx_gaps(quantized, x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"opset_version": 11}, "writes opset 17, not 11"), ({"dynamic_axes": {"arg0": [0]}}, "inputs of fixed sizes")],
)
def test_what_cannot_be_written_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export_quantized_onnx(_Fft(), torch.rand(2, 4), io.BytesIO(), **arguments)


def test_a_converted_model_has_no_fake_quantizers_to_write() -> None:
    horizon.march.set_march("bayes")
    _, quantized, x = made("residual")
    with pytest.raises(ValueError, match="use export_quantized_onnx"):
        export_to_onnx(quantized, x, io.BytesIO())
