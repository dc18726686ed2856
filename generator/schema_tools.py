"""What specs/tools.yaml may say: what the analysis tools write, measure and call conspicuous.

In: plain data, as for `schema`. Out: a typed spec.
"""

from typing import Annotated, Literal

from pydantic import Field

from generator.schema_base import Identifier, PythonName, Sentence, Spec

FileName = Annotated[str, Field(pattern=r"^[A-Za-z_{}]+\.(txt|html|pt)$", max_length=64)]


class ToolTable(Spec):
    """A text table that a tool writes or prints."""

    file: FileName = Field(description="Where it is written; tables of one file stand one below the other.")
    style: Literal["grid", "simple"] = Field(description="Drawn with lines around, or with one below the head.")
    title: Sentence | None = Field(default=None, description="A line above the table.")
    columns: tuple[Sentence, ...] = Field(min_length=1, description="The heads, in the order of the cells.")


class Metric(Spec):
    """One way to measure how far two tensors are apart."""

    doc: Sentence
    measure: PythonName = Field(description="The mechanism's function of both tensors.")
    better: Literal["higher", "lower"] = Field(description="Which direction is better.")
    threshold: float = Field(description="Values worse than this are told, unless a call says otherwise.")


class ToolMessages(Spec):
    """What check_qconfig says."""

    output_not_quantized: Sentence = Field(description="Of a layer whose output is not quantized.")
    fixed_scale: Sentence = Field(description="Of a layer whose scale is not observed; {scale} is the scale.")
    weight_dtype: Sentence = Field(description="Of a weight of an unexpected dtype; {dtype} is the dtype.")
    dtype_changes: Sentence = Field(description="Of a layer that changes the dtype: {inputs} and {output}.")


class ToolLimits(Spec):
    """From where on a value is worth a finding."""

    idle_range: float = Field(gt=1, description="The scale's range over the largest absolute value.")
    clipped: float = Field(gt=0, lt=1, description="The share of values beyond the scale's range.")
    op_sqnr: float = Field(description="Decibel of one layer, given the other model's input.")
    mean_error: float = Field(
        gt=0, description="Steps of the output: the mean error of one layer, given the other model's input."
    )
    weight_sqnr: float = Field(description="Decibel of one weight.")
    tiny_scale: float = Field(gt=0, description="A scale that only zeros can have had.")
    scales_apart: float = Field(gt=1, description="The ratio of the scales of operands.")


class Report(Spec):
    """How much the page shows."""

    histogram_bins: int = Field(gt=1, description="Bars of a histogram.")
    channels: int = Field(gt=1, description="The most channels of one weight that are drawn.")


class Devices(Spec):
    """What the devices of a deployed model are called."""

    quantized: Sentence = Field(description="Where quantized operations run.")
    float: Sentence = Field(description="Where float operations run.")


class Pages(Spec):
    """The files of pages that are looked at in a browser."""

    similarity: FileName = Field(description="Of featuremap_similarity.")
    statistics: FileName = Field(description="Of profile_featuremap.")
    profile: FileName = Field(description="Of model_profiler: everything on one page.")
    memory: FileName = Field(description="Of show_cuda_memory_consumption.")


class Tools(Spec):
    """specs/tools.yaml: what the analysis tools write, measure and call conspicuous."""

    schema_: Literal["tools/1"] = Field(alias="schema")
    doc: Sentence
    folder: PythonName = Field(description="Where model_profiler writes unless a call says otherwise.")
    pages: Pages
    files: dict[Identifier, FileName] = Field(description="Further files by name.")
    tables: dict[Identifier, ToolTable] = Field(description="Tables by name.")
    devices: Devices
    metrics: dict[PythonName, Metric] = Field(description="Metrics by name.")
    default_metric: PythonName = Field(description="The metric of comparisons where none is named.")
    sensitivity_metric: PythonName = Field(description="The metric of sensitivity where none is named.")
    expected_weight_dtypes: tuple[Identifier, ...] = Field(description="Dtypes of weights that are not remarked on.")
    messages: ToolMessages
    limits: ToolLimits
    report: Report
