# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/page.py
"""One self-contained page of what the tools found, for a browser without a network.

In: what the tools computed. Out: an HTML file with its data, its style, its code and the plotting library (Vega-Lite, from
the package vl-convert) in it. Without that package there is no page, and a hint.
"""

import json
import math
import warnings
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from .findings import Finding
from .page_data import layer_rows, sensitivity_rows, weight_rows
from .page_graph import Drawing
from .page_histograms import feature_histograms
from .sensitivity import Sensitivity
from .similarity import Comparison
from .weights import WeightComparison

_PARTS = "page"
_HINT = (
    "{file} was not written: its plots need the package vl-convert-python: pip install 'open-horizon-plugin[report]'"
)


@dataclass(frozen=True, slots=True)
class Sections:
    """What a page shows; a section without data is left out.

    Attributes:
        title, subtitle: the head of the page.
        metric: name of the metric of `comparisons`.
        comparisons: of layers.
        findings: the most serious first.
        weights: comparisons of weights.
        sensitivity: the ranking; `sensitivity_metric` names what its values are.
        features: tensors whose histograms are drawn.
        references: the same in the other model, drawn behind them.
        show_per_channel: draw the range of each channel of features.
        graph: the model, laid out.
        facts: (label, value) tiles.
        memory: (layer, phase, bytes) in the order of time.
    """

    title: str = "Quantization profile"
    subtitle: str = ""
    metric: str = ""
    comparisons: tuple[Comparison, ...] = ()
    findings: tuple[Finding, ...] = ()
    weights: tuple[WeightComparison, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    sensitivity_metric: str = ""
    features: tuple[dict[str, Any], ...] = ()
    references: tuple[dict[str, Any], ...] = ()
    show_per_channel: bool = False
    graph: Drawing | None = None
    facts: tuple[tuple[str, str], ...] = ()
    memory: tuple[tuple[str, str, int], ...] = field(default=())


def write_page(file: Path, sections: Sections) -> bool:
    """Write a page; False, and a warning, when the plotting library is not installed."""
    try:
        library = _library()
    except ImportError:
        warnings.warn(_HINT.format(file=file.name), UserWarning, stacklevel=3)
        return False
    parts = resources.files(__package__) / _PARTS
    text = (parts / "page.html").read_text(encoding="utf-8")
    for name in ("page.css", "charts.js", "page.js"):
        text = text.replace(f"/*{name}*/", (parts / name).read_text(encoding="utf-8"))
    text = text.replace("/*library*/", library)
    file.write_text(text.replace("/*data*/null", _json(data_of(sections))), encoding="utf-8")
    return True


@cache
def _library() -> str:
    """The code of the plotting library; putting it together takes seconds."""
    bundle: str = import_module("vl_convert").javascript_bundle()
    return bundle


def data_of(sections: Sections) -> dict[str, Any]:
    """The data of a page, as its code reads them."""
    return {
        "title": sections.title,
        "subtitle": sections.subtitle,
        "facts": [list(fact) for fact in sections.facts],
        "metric": sections.metric,
        "layers": layer_rows(sections.comparisons, sections.findings),
        "findings": [{"layer": f.layer, "text": f.text, "remedy": f.remedy} for f in sections.findings],
        "weights": weight_rows(sections.weights),
        "sensitivity": sensitivity_rows(sections.sensitivity),
        "sensitivityMetric": sections.sensitivity_metric,
        "features": feature_histograms(sections.features, sections.references, per_channel=sections.show_per_channel),
        "graph": None if sections.graph is None else sections.graph.as_data(),
        "memory": [{"layer": layer, "phase": phase, "bytes": size} for layer, phase, size in sections.memory],
    }


def _json(value: Any) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def _plain(value: Any) -> Any:
    """Without values that JSON has not, and no digits that nobody sees."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
