"""Traces are compared operation by operation; the course of memory follows the layers."""

from pathlib import Path

import pytest
import torch
from stages import stages
from torch import nn

from horizon_plugin_pytorch.utils import quant_profiler as qp


def test_the_values_of_a_trace_are_saved_and_equal_those_of_its_saved_form(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    net = stages("resnet")
    found = qp.script_profile(net.quantized, net.inputs, out_dir=tmp_path)
    said = capsys.readouterr().out
    assert "All ops in the ScriptModule and its saved form are same." in said
    assert "| name" in said
    assert "if equal |" in said
    saved = torch.load(tmp_path / "horizon_script_result.pt", weights_only=True)
    assert saved.keys() == found.keys()
    assert torch.equal(list(found.values())[-1], net.quantized(*net.inputs))
    assert any(name.startswith("_stem_0_aten_") for name in found)


def test_two_traces_of_one_model_are_the_same(capsys: pytest.CaptureFixture) -> None:
    net = stages("resnet")
    assert qp.compare_script_models(net.quantized, net.quantized, net.inputs)
    assert "All ops in two ScriptModules are same." in capsys.readouterr().out


def test_the_first_operation_that_differs_is_in_the_layer_that_was_changed(capsys: pytest.CaptureFixture) -> None:
    net, other = stages("resnet"), stages("resnet")
    other.quantized.get_submodule("layers.1.conv1").weight[0] += 1
    assert not qp.compare_script_models(net.quantized, other.quantized, net.inputs)
    differing = [line for line in capsys.readouterr().out.splitlines() if "False" in line]
    assert differing[0].startswith("| _layers_1_conv1_aten_")


def test_float_models_have_no_script_to_profile() -> None:
    net = stages("resnet")
    with pytest.raises(ValueError, match="converted model or its trace"):
        qp.script_profile(net.float, net.inputs)


@pytest.mark.parametrize("stage", ["float", "qat"])
def test_memory_grows_forward_and_is_freed_backward(stage: str, tmp_path: Path) -> None:
    net = stages("resnet")
    samples = qp.show_cuda_memory_consumption(getattr(net, stage).train(), net.inputs, "cpu", out_dir=tmp_path)
    forward = [size for _, phase, size in samples if phase == "forward"]
    backward = [(name, size) for name, phase, size in samples if phase == "backward"]
    assert forward[0] < forward[len(forward) // 2] < forward[-1]
    assert backward[-1][1] < forward[-1]
    assert backward[0][0] in {"dequant", "fc"}
    assert (tmp_path / "mem_info.html").exists()


def test_memory_of_a_known_layer_is_counted_exactly(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.Sigmoid())
    (_, _, first), (_, _, second), *_ = qp.show_cuda_memory_consumption(
        net, torch.rand(1, 1, 8, 8), "cpu", None, tmp_path
    )
    assert second - first == 4 * 8 * 8 * 4  # one more feature map of float32


def test_several_outputs_need_a_backward_of_their_own(tmp_path: Path) -> None:
    net = stages("retinanet")
    with pytest.raises(ValueError, match="custom_backward"):
        qp.show_cuda_memory_consumption(net.float, net.inputs, "cpu", out_dir=tmp_path)
    samples = qp.show_cuda_memory_consumption(
        net.float, net.inputs, "cpu", out_dir=tmp_path, custom_backward=lambda out: out[0][0].sum().backward()
    )
    assert samples
