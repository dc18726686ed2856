# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/policy.py
"""The shapes of what the tools are told: files, columns, metrics, messages, limits.

In: nothing; these are definitions. Out: the types of `horizon_plugin_pytorch._tools.TOOLS`, which the generator fills from
the specs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Table:
    """A text table: the file it is written to, how it is drawn, a line above it or "", and the heads of its columns."""

    file: str
    style: Literal["grid", "simple"]
    title: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to compare two tensors.

    Attributes:
        measure: the function in `measures`.
        higher_is_better: whether larger values mean more alike.
        threshold: values worse than this are told.
    """

    measure: str
    higher_is_better: bool
    threshold: float


@dataclass(frozen=True, slots=True)
class Messages:
    """What `check_qconfig` says, with the fields {scale}, {dtype}, {inputs} and {output}."""

    output_not_quantized: str
    fixed_scale: str
    weight_dtype: str
    dtype_changes: str


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a value is worth a finding; the spec says of each what it is compared with."""

    idle_range: float
    clipped: float
    op_sqnr: float
    mean_error: float
    weight_sqnr: float
    tiny_scale: float
    scales_apart: float


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything the tools have to be told.

    Attributes:
        folder: where `model_profiler` writes unless a call says otherwise.
        pages: page -> file name.
        files: further files by name.
        tables: tables by name.
        quantized_device, float_device: what the devices of a deployed model are called.
        metrics: metrics by name.
        default_metric, sensitivity_metric: the ones that are meant where none is named.
        expected_weight_dtypes: dtypes of weights that are not remarked on.
        histogram_bins: bars of a histogram.
        channels: the most channels of one weight that are drawn.
    """

    folder: str
    pages: Mapping[str, str]
    files: Mapping[str, str]
    tables: Mapping[str, Table]
    quantized_device: str
    float_device: str
    metrics: Mapping[str, Metric]
    default_metric: str
    sensitivity_metric: str
    expected_weight_dtypes: tuple[str, ...]
    messages: Messages
    limits: Limits
    histogram_bins: int
    channels: int
