"""View of _tools.py: what the analysis tools are told.

In: the catalog. Out: rows of names and values.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from generator.link import Catalog


@dataclass(frozen=True, slots=True)
class ValueView:
    """A name and its value."""

    key: str
    value: str | float


@dataclass(frozen=True, slots=True)
class ToolTableView:
    """A text table."""

    name: str
    file: str
    style: str
    title: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricView:
    """A way to compare two tensors."""

    name: str
    measure: str
    higher_is_better: bool
    threshold: float


@dataclass(frozen=True, slots=True)
class ToolsView:
    """Everything in _tools.py."""

    folder: str
    pages: tuple[ValueView, ...]
    files: tuple[ValueView, ...]
    tables: tuple[ToolTableView, ...]
    quantized_device: str
    float_device: str
    metrics: tuple[MetricView, ...]
    default_metric: str
    sensitivity_metric: str
    expected_weight_dtypes: tuple[str, ...]
    messages: tuple[ValueView, ...]
    limits: tuple[ValueView, ...]
    histogram_bins: int
    channels: int


def tools_view(catalog: Catalog) -> ToolsView:
    """Build every row."""
    tools = catalog.tools.spec
    return ToolsView(
        folder=tools.folder,
        pages=_rows(tools.pages.model_dump()),
        files=_rows(tools.files),
        tables=tuple(
            ToolTableView(name, t.file, t.style, t.title or "", t.columns) for name, t in tools.tables.items()
        ),
        quantized_device=tools.devices.quantized,
        float_device=tools.devices.float,
        metrics=tuple(
            MetricView(name, m.measure, m.better == "higher", m.threshold) for name, m in tools.metrics.items()
        ),
        default_metric=tools.default_metric,
        sensitivity_metric=tools.sensitivity_metric,
        expected_weight_dtypes=tools.expected_weight_dtypes,
        messages=_rows(tools.messages.model_dump()),
        limits=_rows(tools.limits.model_dump()),
        histogram_bins=tools.report.histogram_bins,
        channels=tools.report.channels,
    )


def _rows(values: Mapping[str, str | float]) -> tuple[ValueView, ...]:
    return tuple(ValueView(key, value) for key, value in values.items())
