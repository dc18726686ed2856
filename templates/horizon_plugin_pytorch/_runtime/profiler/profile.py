# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/profile.py
"""`model_profiler`: all tools at once, for two adjacent stages of a model.

In: two models, inputs, and which stages they are. Out: a folder with every tool's files and one page for a browser.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..._tools import TOOLS
from ..check_model import as_inputs
from ..errors import ArgumentError
from ..graph_module import GraphModuleWithAttr
from ..qat_module import QATModule
from ..quantized_module import QuantizedModule
from ..user_input import did_you_mean
from .called_count import count_table, get_module_called_count
from .findings import Finding, find
from .findings import rows as finding_rows
from .layers import aligned
from .measures import is_worse
from .page import Sections, write_page
from .page_graph import lay_out
from .qconfig_check import check_qconfig
from .sensitivity import Sensitivity, sensitivity
from .similarity import Comparison, compare_layers, metric_name, report_similarity, same_model
from .statistics import get_raw_features, profile_featuremap
from .text_table import draw, folder, say, table_of, write
from .unfused import unfused_chains, unfused_tables
from .weights import compare_weights, weight_comparisons

_MODES = {"FvsQ": ("float", "qat"), "QvsQ": ("qat", "quantized"), "CvsQ": ("qat", "qat")}
_TITLES = {
    "FvsQ": "Float model against calibrated or QAT model",
    "QvsQ": "QAT model against quantized model",
    "CvsQ": "Calibrated model against QAT model",
}
_TOOLS = (
    *("featuremap_similarity", "get_raw_features", "profile_featuremap", "get_module_called_count"),
    *("check_unfused_operations", "compare_weights", "check_qconfig"),
)


def model_profiler(
    model1: nn.Module,
    model2: nn.Module,
    example_inputs: Any,
    mode: str,
    out_dir: str | Path | None = None,
    kwargs_dict: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Run every tool on two adjacent stages of one model and print what to look at first.

    Args:
        model1: the earlier stage.
        model2: the later stage. Both are copied, not changed.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        mode: "FvsQ" (float and calibrated or QAT), "QvsQ" (QAT and converted) or "CvsQ" (calibrated and QAT).
        out_dir: where files go; None: the folder horizon_quant_debug.
        kwargs_dict: tool -> further arguments of it.

    Raises:
        ArgumentError: an unknown mode or tool, or models of other stages than the mode says.
    """
    options = _checked(model1, model2, mode, kwargs_dict or {})
    target = folder(out_dir or TOOLS.folder)
    inputs = as_inputs(example_inputs)
    prepared = model1 if mode == "QvsQ" else model2
    layers, metric = _write_similarity(model1, model2, inputs, options["featuremap_similarity"], target)
    compare_weights(model1, model2, **{**options["compare_weights"], "out_dir": target})
    weights = weight_comparisons(model1, model2, TOOLS.default_metric)
    features = get_raw_features(model2, inputs, **options["get_raw_features"])
    profile_featuremap(features, **{**options["profile_featuremap"], "out_dir": target})
    check_qconfig(prepared, inputs, **{**options["check_qconfig"], "out_dir": target})
    _write_counts(model2, inputs, options["get_module_called_count"], target)
    _write_unfused(model1, model2, inputs, target)
    costs = sensitivity(prepared, inputs, out_dir=target)
    found = find(model1, model2, layers, weights)
    _write_findings(found, target)
    page = Sections(
        title=_TITLES[mode],
        subtitle=type(model2).__name__,
        metric=metric_name(metric),
        comparisons=layers,
        findings=found,
        weights=weights,
        sensitivity=costs,
        sensitivity_metric=TOOLS.sensitivity_metric,
        features=_outputs(features),
        references=_outputs(get_raw_features(aligned(model1, model2), inputs, **options["get_raw_features"])),
        graph=lay_out(model2) if isinstance(model2, GraphModuleWithAttr) else None,
        facts=_facts(layers, metric, costs, len(found)),
    )
    write_page(target / TOOLS.pages["profile"], page)


def _write_similarity(
    model1: nn.Module, model2: nn.Module, inputs: tuple[Any, ...], options: Mapping[str, Any], target: Path
) -> tuple[tuple[Comparison, ...], Any]:
    """(the comparisons of layers, the metric)."""
    metric = options.get("similarity_func") or TOOLS.default_metric
    layers = compare_layers(model1, model2, inputs, metric, options.get("devices"))
    report_similarity(layers, metric, options.get("threshold"), target, same_model(model1, model2))
    return layers, metric


def _write_findings(found: tuple[Finding, ...], target: Path) -> None:
    table = table_of("findings")
    drawn = draw(table, finding_rows(found))
    write(target, (table, drawn))
    say(drawn if found else "Nothing conspicuous was found.")


def _outputs(features: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple(feature for feature in features if feature["attr"] in {"output", "weight"})


def _facts(
    layers: tuple[Comparison, ...], metric: Any, costs: tuple[Sensitivity, ...], findings: int
) -> tuple[tuple[str, str], ...]:
    beyond = sum(is_worse(metric, c.similarity, None) for c in layers)
    last = f"{layers[-1].similarity:.5g}" if layers else "-"
    return (
        ("findings", str(findings)),
        ("layers compared", str(len(layers))),
        ("beyond the threshold", str(beyond)),
        (f"{metric_name(metric)} of the last layer", last),
        ("most sensitive", f"{costs[0].layer} ({costs[0].kind})" if costs else "-"),
    )


def _write_counts(model: nn.Module, inputs: Any, options: Mapping[str, Any], target: Path) -> None:
    counts = get_module_called_count(model, inputs, **{**options, "print_tabulate": False})
    write(target, (table_of("called_count"), count_table(counts)))


def _write_unfused(model1: nn.Module, model2: nn.Module, inputs: Any, target: Path) -> None:
    """Of a float model: what is left when it is fused as the other one was."""
    if not _is_stage(model1, "float"):
        return
    table = table_of("unfused")
    text = "\n".join(unfused_tables(unfused_chains(aligned(model1, model2), inputs)))
    write(target, (table, text or "Every chain that a pattern describes is fused.\n"))


def _checked(
    model1: nn.Module, model2: nn.Module, mode: str, kwargs: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    if mode not in _MODES:
        raise ArgumentError(f"model_profiler: unknown mode {mode!r}; known: {', '.join(_MODES)}")
    for number, (model, stage) in enumerate(zip((model1, model2), _MODES[mode], strict=True), 1):
        if not _is_stage(model, stage):
            raise ArgumentError(
                f"model_profiler: in mode {mode!r} model{number} must be a {stage} model; {_TITLES[mode]}"
            )
    for tool, arguments in kwargs.items():
        if tool not in _TOOLS:
            near = did_you_mean(tool, _TOOLS)
            raise ArgumentError(f"kwargs_dict: unknown tool {tool!r}; known: {', '.join(_TOOLS)}{near}")
        if taken := sorted({"model", "model1", "model2", "example_inputs", "inputs"} & set(arguments)):
            raise ArgumentError(f"kwargs_dict[{tool!r}] must not contain {', '.join(taken)}")
    return {tool: dict(kwargs.get(tool, {})) for tool in _TOOLS}


def _is_stage(model: nn.Module, stage: str) -> bool:
    integers = any(isinstance(module, QuantizedModule) for module in model.modules())
    fake = any(isinstance(module, QATModule) for module in model.modules())
    return {"float": not integers and not fake, "qat": fake and not integers, "quantized": integers}[stage]
