"""A fault that is planted into one layer is found, and named before anything else."""

from pathlib import Path
from typing import Any

import pytest
from stages import prepared, stages
from torch import Tensor

from horizon_plugin_pytorch.quantization import calibrate
from horizon_plugin_pytorch.utils import quant_profiler as qp

LAYERS = {"resnet": "layers.1.conv1", "retinanet": "backbone.deep.0"}


def first_finding(float_or_qat: Any, other: Any, inputs: Any, mode: str, folder: Path) -> str:
    qp.model_profiler(float_or_qat, other, inputs, mode, out_dir=folder)
    rows = (folder / "findings.txt").read_text().splitlines()[4:]
    return rows[0]


@pytest.mark.parametrize("name", LAYERS)
def test_a_scale_that_is_8_times_too_large(name: str, tmp_path: Path) -> None:
    net, layer = stages(name), LAYERS[name]
    net.calibrated.get_submodule(layer).activation_post_process.scale.mul_(8)
    found = first_finding(net.float, net.calibrated, net.inputs, "FvsQ", tmp_path)
    assert found.startswith(f"| {layer} ")
    assert "8.0 times what there is" in found


@pytest.mark.parametrize("name", LAYERS)
def test_a_scale_of_a_quantized_model_that_is_8_times_too_large(name: str, tmp_path: Path) -> None:
    net, layer = stages(name), LAYERS[name]
    net.quantized.get_submodule(layer).scale.mul_(8)
    found = first_finding(net.qat, net.quantized, net.inputs, "QvsQ", tmp_path)
    assert found.startswith(f"| {layer} ")


def test_a_scale_that_is_8_times_too_small(tmp_path: Path) -> None:
    net = stages("resnet")
    net.calibrated.get_submodule("layers.1.conv1").activation_post_process.scale.div_(8)
    found = first_finding(net.float, net.calibrated, net.inputs, "FvsQ", tmp_path)
    assert found.startswith("| layers.1.conv1 ")
    assert "beyond its range" in found


def test_a_weight_scale_that_is_8_times_too_large(tmp_path: Path) -> None:
    net = stages("resnet")
    net.calibrated.get_submodule("layers.1.conv1").weight_fake_quant.scale.mul_(8)
    found = first_finding(net.float, net.calibrated, net.inputs, "FvsQ", tmp_path)
    assert found.startswith("| layers.1.conv1 ")
    assert "scale of its weight" in found


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_was_left_out_of_calibration(name: str, tmp_path: Path) -> None:
    net, layer = stages(name), LAYERS[name]
    model = prepared(net.float, net.wide, qat=False)
    skipped = model.get_submodule(layer).activation_post_process
    observe = type(skipped)._observe
    type(skipped)._observe = lambda self, *given: None if self is skipped else observe(self, *given)
    try:
        calibrate(model, [net.inputs])
    finally:
        type(skipped)._observe = observe
    found = first_finding(net.float, model, net.inputs, "FvsQ", tmp_path)
    assert found.startswith(f"| {layer} ")
    assert "as before any calibration" in found


def test_a_layer_without_calibration_is_the_most_sensitive(tmp_path: Path) -> None:
    net = stages("resnet")
    net.calibrated.get_submodule("layers.1.conv1").activation_post_process.scale.fill_(1.0)
    ranking = qp.sensitivity(net.calibrated, net.inputs, out_dir=tmp_path)
    assert (ranking[0].layer, ranking[0].kind) == ("layers.1.conv1", "activation")


def test_an_evaluation_can_rank_the_layers(tmp_path: Path) -> None:
    net = stages("resnet")
    expected = net.float(*net.inputs)

    def evaluate(model: Any) -> float:
        return -float((model(*net.inputs) - expected).abs().max())

    ranking = qp.sensitivity(net.calibrated, evaluate=evaluate, out_dir=tmp_path)
    assert [s.value for s in ranking] == sorted(s.value for s in ranking)
    assert (tmp_path / "output_evaluation_sensitive_ops.txt").exists()


@pytest.mark.parametrize(("steps", "sign"), [(1.0, "+"), (-1.0, "-")])
def test_a_layer_whose_values_are_moved(steps: float, sign: str, tmp_path: Path) -> None:
    net = stages("resnet")
    layer = net.calibrated.get_submodule("layers.1.conv1")
    layer.bias.data += steps * layer.activation_post_process.scale
    found = first_finding(net.float, net.calibrated, net.inputs, "FvsQ", tmp_path)
    assert found.startswith("| layers.1.conv1 ")
    assert f"alone it moves its values by {sign}0." in found
    assert "correct biases" in found


@pytest.mark.parametrize("same_object", [True, False])
def test_a_float_twin_compared_with_itself(same_object: bool, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one, two = stages("resnet"), stages("resnet")
    qp.featuremap_similarity(one.float, one.float if same_object else two.float, one.inputs, out_dir=tmp_path)
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith("Both models are one object" if same_object else "Neither model quantizes anything")


def test_a_model_compared_with_itself_is_the_first_finding(tmp_path: Path) -> None:
    net = stages("resnet")
    found = first_finding(net.qat, net.qat, net.inputs, "CvsQ", tmp_path)
    assert "Both models are one object" in found


def test_a_layer_that_puts_out_nan_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    net = stages("resnet")
    net.float.layers[1].conv1.weight.data[0] = float("nan")
    found = first_finding(net.float, net.calibrated, net.inputs, "FvsQ", tmp_path)
    assert found.startswith("| layers.1.conv1 ")
    features = qp.get_raw_features(net.float, net.inputs)
    capsys.readouterr()
    qp.profile_featuremap(features, out_dir=tmp_path)
    table = capsys.readouterr().out.splitlines()
    assert "NaN" in table[0]
    assert "layers.1.conv1" in table[4]


def test_the_widest_layer_leads_the_statistics_by_range(tmp_path: Path) -> None:
    net = stages("resnet")
    net.calibrated.get_submodule("layers.1.conv1").activation_post_process.scale.mul_(100)
    qp.profile_featuremap(qp.get_raw_features(net.calibrated, net.inputs), out_dir=tmp_path)
    second = (tmp_path / "statistic.txt").read_text().split("descending order...")[1]
    assert "layers.1.conv1" in second.splitlines()[4]


def test_a_custom_check_is_a_remark(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    net = stages("resnet")

    def narrow(module: Any, inputs: Any, output: Any) -> str | None:
        return "narrow" if isinstance(output, Tensor) and output.shape[1] == 8 else None

    qp.check_qconfig(net.qat, net.inputs, prefixes=("stem",), custom_check_func=narrow, out_dir=tmp_path)
    assert "narrow" in capsys.readouterr().out


def test_dtypes_that_change_and_outputs_that_are_not_quantized_are_remarked_on(tmp_path: Path) -> None:
    net = stages("resnet")
    qp.check_qconfig(net.qat, net.inputs, out_dir=tmp_path)
    remarks = (tmp_path / "qconfig_info.txt").read_text().split("expected..")[1]
    assert "Fixed scale [0.0078125]" in remarks
    assert "activation not quantized on output layer" in remarks
