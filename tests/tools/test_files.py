"""Every tool runs on a ResNet and on a RetinaNet in every stage; its files have the documented columns."""

from pathlib import Path

import pytest
import torch
from stages import stages
from torch import nn

from horizon_plugin_pytorch.utils import quant_profiler as qp

NETS = ("resnet", "retinanet")
SIMILARITY = [
    *("Index", "Module Name", "Module Type", "Similarity", "qscale", "Acc Error (float atol)"),
    *("Acc Error (N out_qscale)", "Op Error with Same Input (N out_qscale)"),
]
STATISTIC = [
    *("Module Index", "Module Name", "Module Type", "Input/Output/Attr", "Min", "Max", "Mean", "Var", "Scale", "Dtype")
]
FILES = {
    "similarity.txt": [SIMILARITY],
    "ordered_op_error_similarity.txt": [SIMILARITY],
    "statistic.txt": [STATISTIC] * 3,
    "weight_comparison.txt": [["Weight Name", "Similarity", "Atol"]],
    "qconfig_info.txt": [
        ["Module Name", "Module Type", "Input dtype", "out dtype", "ch_axis"],
        ["Module Name", "Module Type", "weight dtype", "ch_axis"],
        ["Module Name", "Module Type", "Msg"],
    ],
    "output_SQNR_sensitive_ops.txt": [["Op Name", "Sensitive Type", "Op Type", "SQNR", "Quant Dtype"]],
    "findings.txt": [["Module Name", "Finding", "Remedy"]],
}


def heads(file: Path) -> list[list[str]]:
    """The heads of the grid tables in a file."""
    lines = file.read_text().splitlines()
    return [
        [cell.strip() for cell in lines[i + 1].strip("|").split("|")]
        for i, line in enumerate(lines[:-2])
        if line.startswith("+") and lines[i + 2].startswith("|-")
    ]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("mode", "pair"), [("FvsQ", ("float", "calibrated")), ("QvsQ", ("qat", "quantized"))])
def test_the_profiler_writes_every_file_with_its_columns(name: str, mode: str, pair: tuple, tmp_path: Path) -> None:
    net = stages(name)
    qp.model_profiler(getattr(net, pair[0]), getattr(net, pair[1]), net.inputs, mode, out_dir=tmp_path)
    assert {file: heads(tmp_path / file) for file in FILES} == FILES
    assert (tmp_path / "called_count.txt").read_text().splitlines()[0].split("  ")[0] == "name"


def test_the_profiler_compares_calibration_with_qat(tmp_path: Path) -> None:
    net = stages("resnet")
    qp.model_profiler(net.calibrated, net.qat, net.inputs, "CvsQ", out_dir=tmp_path)
    assert "| 1          |" in (tmp_path / "similarity.txt").read_text()  # equal scales: equal values


def test_the_profiler_writes_where_the_manual_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = stages("retinanet")
    qp.model_profiler(net.float, net.qat, net.inputs, "FvsQ")
    assert (tmp_path / "horizon_quant_debug" / "similarity.txt").exists()


@pytest.mark.parametrize(("mode", "text"), [("FvsF", "unknown mode"), ("QvsQ", "model1 must be a qat model")])
def test_the_profiler_refuses_models_of_other_stages(mode: str, text: str, tmp_path: Path) -> None:
    net = stages("resnet")
    with pytest.raises(ValueError, match=text):
        qp.model_profiler(net.float, net.calibrated, net.inputs, mode, out_dir=tmp_path)


def test_the_profiler_refuses_arguments_that_it_sets_itself(tmp_path: Path) -> None:
    net = stages("resnet")
    kwargs = {"featuremap_similarity": {"inputs": net.inputs}}
    with pytest.raises(ValueError, match="must not contain inputs"):
        qp.model_profiler(net.float, net.calibrated, net.inputs, "FvsQ", tmp_path, kwargs)


@pytest.mark.parametrize("name", NETS)
def test_similarity_returns_a_row_a_call(name: str, tmp_path: Path) -> None:
    net = stages(name)
    rows = qp.featuremap_similarity(net.float, net.calibrated, net.inputs, out_dir=tmp_path)
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert all(row[3] > 0.99 for row in rows)
    quantized = [row for row in rows if row[4] is not None]
    assert quantized
    assert all(
        row[7] <= 1.5 for row in quantized if row[7] is not None
    )  # a layer alone: rounding of its weights and output


def test_qat_and_integers_differ_by_a_scale_at_most(tmp_path: Path) -> None:
    net = stages("resnet")
    rows = qp.featuremap_similarity(net.qat, net.quantized, net.inputs, out_dir=tmp_path)
    assert max(row[7] for row in rows if row[7] is not None) <= 1.01


def test_shared_layers_are_told_apart(tmp_path: Path) -> None:
    net = stages("retinanet")
    titles = [row[1] for row in qp.featuremap_similarity(net.float, net.qat, net.inputs, out_dir=tmp_path)]
    assert {"head.scores(0)", "head.scores(1)"} <= set(titles)


def test_functions_have_their_method_in_their_title() -> None:
    net = stages("retinanet")
    names = {feature["module_name"] for feature in qp.get_raw_features(net.qat, net.inputs)}
    assert any(name.endswith("[add]") for name in names) or "neck_generated_add_0" in names


@pytest.mark.parametrize("stage", ["float", "calibrated", "qat", "quantized"])
def test_features_have_the_documented_keys(stage: str) -> None:
    net = stages("resnet")
    features = qp.get_raw_features(getattr(net, stage), net.inputs)
    assert all(
        {"module_name", "attr", "data", "scale", "ch_axis", "ff_method"} <= feature.keys() for feature in features
    )
    assert all(feature["data"].is_floating_point() for feature in features)
    assert {"input", "output", "weight", "bias"} <= {feature["attr"] for feature in features}


def test_features_are_chosen_by_prefix_and_type() -> None:
    net = stages("resnet")
    chosen = qp.get_raw_features(net.float, net.inputs, prefixes=("stem",), types=(nn.AvgPool2d,))
    assert {feature["module_name"].split(".")[0] for feature in chosen} == {"stem", "pool"}


def test_features_can_keep_their_integers() -> None:
    net = stages("resnet")
    kept = qp.get_raw_features(net.quantized, net.inputs, prefixes=("stem.0",), preserve_int=True)
    by_attr = {feature["attr"]: feature["data"].dtype for feature in kept}
    assert by_attr["output"] == by_attr["weight"] == torch.int8


def test_weights_are_returned_as_float_values(tmp_path: Path) -> None:
    net = stages("resnet")
    found = qp.compare_weights(net.float, net.quantized, out_dir=tmp_path)
    assert set(found["stem.0.weight"]) == {"float", "quantized"}
    pair = found["fc.weight"]
    assert torch.allclose(pair["float"], pair["quantized"], atol=float(pair["float"].abs().max()) / 127)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("stage", ["qat", "quantized"])
def test_devices_are_told_for_every_operation(name: str, stage: str, tmp_path: Path) -> None:
    net = stages(name)
    found = qp.check_deploy_device(getattr(net, stage), print_tabulate=False, out_dir=tmp_path)
    stubs = {key: device for key, (device, _) in found.items() if "quant" in key}
    assert set(stubs.values()) == {"CPU"}
    assert {device for key, (device, _) in found.items() if key not in {*stubs, "getitem"}} == {"BPU"}
    assert (tmp_path / "deploy_device.txt").read_text().split("\n")[0].split() == ["name", "deploy", "device", "type"]


@pytest.mark.parametrize("stage", ["float", "qat", "quantized"])
def test_calls_are_counted(stage: str) -> None:
    net = stages("retinanet")
    counts = qp.get_module_called_count(getattr(net, stage), net.inputs, print_tabulate=False)
    assert counts["head.scores"] == 2
    assert counts["backbone.quant"] == 1


def test_a_module_under_two_names_is_counted_once() -> None:
    net = stages("resnet").float
    net.alias = net.fc
    with pytest.warns(UserWarning, match="alias"):
        counts = qp.get_module_called_count(net, torch.rand(1, 3, 32, 32), print_tabulate=False)
    assert counts["fc"] == 1
    assert "alias" not in counts


def test_chains_that_could_be_fused_are_found() -> None:
    net = stages("retinanet")
    chains = qp.check_unfused_operations(net.float, net.inputs, print_tabulate=False)
    assert ["backbone.stem.0", "backbone.stem.1", "backbone.stem.2"] in chains
    assert ["head.tower.0(shared)", "head.tower.1(shared)"] in chains


def test_preserved_modules_stay_qat() -> None:
    from horizon_plugin_pytorch.quantization import convert_fx

    net = stages("resnet")
    qp.set_preserve_qat_mode(net.qat, types=(nn.AvgPool2d,))
    converted = convert_fx(net.qat)
    assert type(converted.pool).__module__.startswith("horizon_plugin_pytorch.nn.qat")
    assert type(converted.stem[0]).__module__.startswith("horizon_plugin_pytorch.nn.quantized")


def test_a_misspelled_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match="no module has the prefix"):
        qp.set_preserve_qat_mode(stages("resnet").qat, prefixes=("stam",))
