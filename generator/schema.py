"""What a spec may say: one frozen model a spec kind, nothing of any target language in it.

In: plain data read by `source` (mappings, tuples, scalars). Out: typed specs. The doc text of a field is what an editor
shows, for the JSON Schemas in generated/schema are made from these models.
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import DottedName, Formula, Identifier, PythonName, Sentence, Spec
from generator.schema_limits import Limit
from generator.schema_mutation import Mutation, Waivers
from generator.schema_onnx import Onnx
from generator.schema_op import Op
from generator.schema_policy import Color, Observers, Patterns, Qconfigs, QTensorFunctions
from generator.schema_ratchet import Ratchet
from generator.schema_tools import Tools


class Dtype(Spec):
    """A quantized dtype: its width, its range and the torch dtype that stores it."""

    bits: int = Field(ge=1, le=32, description="Width in bits.")
    min: int = Field(description="Smallest integer.")
    max: int = Field(description="Largest integer.")
    storage: Literal["bool", "int8", "int16", "int32"] = Field(description="The torch dtype of the stored integers.")


class Dtypes(Spec):
    """specs/dtypes.yaml: every quantized dtype."""

    schema_: Literal["dtypes/1"] = Field(alias="schema")
    doc: Sentence
    dtypes: dict[Identifier, Dtype]


class RoundingMode(Spec):
    """One rounding mode in its two forms."""

    doc: Sentence
    real: Formula = Field(description="The rounded value of a real x.")
    shift: Formula | None = Field(default=None, description="The integer x shifted right by n >= 0, rounded.")


class Rounding(Spec):
    """specs/rounding.yaml: every rounding mode."""

    schema_: Literal["rounding/1"] = Field(alias="schema")
    doc: Sentence
    modes: dict[Identifier, RoundingMode]


class Maximum(Spec):
    """An upper limit."""

    max: int = Field(ge=0, le=62, description="The largest shift the hardware makes.")


class Accumulator(Spec):
    """The accumulator of sums and products."""

    bits: int = Field(ge=8, le=48, description="Width in bits; sums wrap in two's complement.")


class Requantize(Spec):
    """The widths of the requantizing stage."""

    mid_bits: int | None = Field(default=None, ge=8, le=32, description="Saturation between pre shift and multiplier.")
    pre_shift: Maximum | None = Field(default=None, description="The shift before the multiplier.")
    post_shift: Maximum = Field(description="The last shift.")


class Sampling(Spec):
    """How values between elements are taken."""

    fraction_bits: int = Field(ge=8, le=16, description="Bits of a position below the whole element.")
    aligned_corners: bool = Field(description="Whether a resize can align the corners of input and output.")
    fractional_nearest: bool = Field(description="Whether a nearest resize can have another factor than a whole one.")


class Regions(Spec):
    """Which regions of interest can be aligned."""

    float_boxes: bool = Field(description="Whether boxes may be float32; integer boxes always may.")
    aligned: bool = Field(description="Whether regions can be moved by half an element.")
    mixed_scales: bool = Field(description="Whether the levels of a pyramid may have scales of their own.")


class Segments(Spec):
    """The sizes of a segment table."""

    tables: int = Field(ge=1, le=16, description="Tables between the two lines.")
    entries: int = Field(ge=2, le=1024, description="Entries of a table.")
    fraction_bits: int = Field(ge=0, le=16, description="Bits of a position that interpolate between two entries.")
    samples: int = Field(ge=2, le=4096, description="Steps at which the curvature of a function is sampled.")


class ScalarOperand(Spec):
    """A python number as an operand."""

    wide_unit: int = Field(
        ge=1,
        le=32767,
        description="The integer that stands for a number's size beside a feature map wider than 8 bits; 1 beside 8 bits.",
    )


class Detection(Spec):
    """How detection units behave."""

    stable_sort: bool = Field(description="Whether equal scores keep their order when boxes are sorted.")


class Training(Spec):
    """What QAT can do."""

    reverse_fold: bool = Field(
        default=True, description="Whether a kept normalization may be divided out of the folded weight's product."
    )


class March(Spec):
    """specs/marches/<id>.yaml: one hardware generation. With `extends`, whatever is not said is the parent's."""

    schema_: Literal["march/1"] = Field(alias="schema")
    id: Identifier
    extends: Identifier | None = Field(
        default=None, description="The march whose fields are taken where this is silent."
    )
    title: Sentence
    boards: tuple[str, ...] = ()
    constant: PythonName | None = Field(default=None, description="Name in class March; the id in capitals by default.")
    aliases: tuple[PythonName, ...] = Field(default=(), description="Further names in class March.")
    doc: Sentence
    features: dict[str, Sentence] = Field(
        description="Feature dtype -> 'supported', or why an operator without a rule of its own does not take it."
    )
    rounding: dict[DottedName, Identifier] = Field(description="Rounding site -> rounding mode.")
    accumulator: Accumulator
    sampling: Sampling
    regions: Regions
    scalar: ScalarOperand
    requantize: Requantize
    segments: Segments | None = None
    algorithm: dict[Identifier, Identifier] = Field(description="Kernel role -> variant; none: no such kernel.")
    detection: Detection
    training: Training = Field(default=Training(), description="What QAT can do.")
    limits: tuple[Limit, ...] = Field(
        default=(),
        description="What every operator keeps to; one that says its own of the same quantity keeps to that.",
    )


class Kernel(Spec):
    """An integer formula: how scales become integers (derive) and integers become integers (compute)."""

    id: Identifier = Field(description="The role.")
    variant: Identifier | None = Field(default=None, description="Chosen by a march's algorithm entry.")
    algorithm: Identifier | None = Field(
        default=None, description="The algorithm entry that chooses; the id by default."
    )
    doc: Sentence
    source: Sentence = Field(description="Where the rule is defined.")
    types: dict[Identifier, tuple[Identifier, ...]] = Field(default={})
    scales: dict[Identifier, Sentence] = Field(default={})
    integers: dict[Identifier, tuple[int, int]] = Field(default={})
    tensors: dict[Identifier, Identifier | tuple[int, int]] = Field(default={})
    tables: dict[Identifier, tuple[Identifier | tuple[int, int], int]] = Field(
        default={}, description="One-dimensional tables: the type of the entries and their number."
    )
    sites: dict[Identifier, DottedName] = Field(default={})
    derive: dict[str, Formula | int] = Field(default={})
    compute: dict[str, Formula | int]
    result: Identifier | tuple[int, int]
    library: bool = Field(
        default=False, description="Called by the mechanism or by templates, beside an operator's own kernel."
    )


class Kernels(Spec):
    """specs/kernels/<family>.yaml: the integer formulas of a family."""

    schema_: Literal["kernels/1"] = Field(alias="schema")
    family: Identifier
    scope: Literal["march", "common"] = Field(default="march", description="common: the same on every march.")
    doc: Sentence
    kernels: tuple[Kernel, ...]


KINDS: dict[str, type[Spec]] = {
    "dtypes": Dtypes,
    "rounding": Rounding,
    "march": March,
    "kernels": Kernels,
    "op": Op,
    "patterns": Patterns,
    "color": Color,
    "observers": Observers,
    "qconfigs": Qconfigs,
    "qtensor": QTensorFunctions,
    "ratchet": Ratchet,
    "mutation": Mutation,
    "waivers": Waivers,
    "onnx": Onnx,
    "tools": Tools,
}
