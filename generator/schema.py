"""What a spec may say: one frozen model a spec kind, nothing of any target language in it.

In: plain data read by `source` (mappings, tuples, scalars). Out: typed specs. The doc text of a field is what an editor
shows, for the JSON Schemas in generated/schema are made from these models.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$", max_length=64)]
DottedName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=128)]
PythonName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
Formula = Annotated[str, Field(min_length=1, max_length=500)]
Number = int | float


class Spec(BaseModel):
    """Base of every model: nothing unknown, nothing changed after reading, nothing coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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
    requantize: Requantize
    algorithm: dict[Identifier, Identifier] = Field(description="Kernel role -> variant.")


class Kernel(Spec):
    """An integer formula: how scales become integers (derive) and integers become integers (compute)."""

    id: Identifier = Field(description="The role.")
    variant: Identifier | None = Field(default=None, description="Chosen by a march's algorithm entry.")
    algorithm: Identifier | None = Field(
        default=None, description="The algorithm entry that chooses; the id by default."
    )
    doc: Sentence
    source: Sentence = Field(description="Where the rule is defined.")
    types: dict[Identifier, tuple[Identifier, ...]] = {}
    scales: dict[Identifier, Sentence] = {}
    integers: dict[Identifier, tuple[int, int]] = {}
    tensors: dict[Identifier, Identifier | tuple[int, int]] = {}
    sites: dict[Identifier, DottedName] = {}
    derive: dict[str, Formula | int] = {}
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


class Refusal(Spec):
    """Why a cell of the support matrix is empty."""

    unsupported: Sentence | None = Field(default=None, description="The reason a user reads.")
    todo: Sentence | None = Field(default=None, description="What is missing.")


Cell = tuple[str, ...] | Literal["same"] | Refusal


class FloatForms(Spec):
    """What a user writes in a float model."""

    modules: tuple[DottedName, ...] = ()
    functions: tuple[DottedName, ...] = ()
    methods: tuple[PythonName, ...] = Field(default=(), description="Tensor methods.")
    constructor: tuple[PythonName, ...] = Field(
        default=(), description="Arguments of a function that its module takes."
    )


class PythonNames(Spec):
    """Names of the generated classes, functions or methods."""

    file: PythonName | None = Field(default=None, description="Module below nn.qat, nn.quantized and nn.intrinsic.")
    class_: PythonName | None = Field(default=None, alias="class")
    fused: str | None = Field(
        default=None,
        pattern=r"^\w*\{tail\}\w*$",
        description="Class name of a fused form; {tail} is Add, ReLU, AddReLU ...",
    )
    child: PythonName | None = Field(default=None, description="Attribute of the layer inside a fused container.")
    method: PythonName | None = Field(default=None, description="FloatFunctional method.")
    function: PythonName | None = Field(default=None, description="Function in horizon_plugin_pytorch.functional.")


class Mac(Spec):
    """The multiply-accumulate of a weighted operator."""

    function: DottedName = Field(description="The torch function that sums products.")
    arguments: tuple[PythonName, ...] = Field(description="Module attributes it takes after input, weight and bias.")
    spatial_dims: int = Field(ge=0, le=3)
    weight_layout: Literal["out_in", "in_out"] = Field(
        default="out_in", description="Which weight dimension is the output channel."
    )


class Window(Spec):
    """The sliding window of a pooling operator."""

    function: DottedName
    arguments: tuple[PythonName, ...] = Field(description="Module attributes it takes after input.")


class ColorUse(Spec):
    """Which colour space, and in which channel order."""

    space: Identifier
    channels: Literal["rgb", "bgr"]


class Case(Spec):
    """One generated test: how to construct the operator and which inputs to feed."""

    make: dict[str, object] = {}
    inputs: tuple[tuple[int, ...], ...]
    arguments: tuple[object, ...] = ()
    call: dict[str, object] = {}


class Op(Spec):
    """specs/ops/<family>/<id>.yaml: a float operator, its QAT and quantized forms, and where it is supported."""

    schema_: Literal["op/1"] = Field(alias="schema")
    id: Identifier
    family: Literal[
        "weighted", "norm", "binary", "concat", "reduction", "window_max", "window_mean", "clamp",
        "passthrough", "identity", "quantize_stub", "dequantize_stub", "color_inverse",
    ]  # fmt: skip
    title: Sentence
    doc: Sentence
    float: FloatForms = FloatForms()
    python: PythonNames = PythonNames()
    mac: Mac | None = None
    window: Window | None = None
    color: ColorUse | None = None
    requires: dict[PythonName, bool | int | str | None] = Field(
        default={}, description="Module attribute -> the only value with an integer form."
    )
    formula: str | None = Field(default=None, description="The float value, over x and y.")
    kernel: Identifier | None = Field(default=None, description="The kernel that computes it.")
    tail: PythonName | None = Field(default=None, description="What a fused class name says when this is fused behind.")
    scale: Literal["own", "input"] = Field(default="own", description="Whether the output has a scale of its own.")
    march_scale: dict[Identifier, Literal["own", "input"]] = Field(
        default={}, description="The same, where a march differs."
    )
    returns: Literal["one", "list"] = "one"
    steps: dict[Identifier, dict[Identifier, int]] = Field(
        default={},
        description="March -> output dtype -> how many steps integers may be from QAT, where the rule is coarse.",
    )
    support: dict[Identifier, dict[str, Cell]] = Field(
        description="March (or default) -> input dtype -> output dtypes, or why not."
    )
    cases: tuple[Case, ...] = ()


class PlainFunctions(Spec):
    """Functions that leave the quantized world."""

    functions: tuple[DottedName, ...] = ()
    methods: tuple[PythonName, ...] = ()


class ScaleKeepingFunctions(Spec):
    """Functions that move elements and keep their scale."""

    functions: tuple[DottedName, ...] = ()
    methods: tuple[PythonName, ...] = ()


class QTensorFunctions(Spec):
    """specs/qtensor.yaml: torch functions on a QTensor that are no operators of their own."""

    schema_: Literal["qtensor/1"] = Field(alias="schema")
    doc: Sentence
    plain: PlainFunctions
    same_scale: ScaleKeepingFunctions


class PatternAxes(Spec):
    """Values that a pattern is expanded over."""

    base: tuple[Identifier, ...]
    activation: tuple[Identifier, ...]


class PatternRoles(Spec):
    """Steps that match any of several operators."""

    norm: tuple[Identifier, ...]
    add: tuple[Identifier, ...]


StepName = Literal["base", "norm", "add", "activation"]


class Patterns(Spec):
    """specs/patterns/<family>.yaml: chains of operators that are computed as one."""

    schema_: Literal["patterns/1"] = Field(alias="schema")
    family: Identifier
    doc: Sentence
    axes: PatternAxes
    roles: PatternRoles
    patterns: tuple[tuple[StepName, ...], ...]
    priority: int = Field(default=0, description="Among patterns of one length the higher wins.")


Triple = tuple[int, int, int]
RealTriple = tuple[float, float, float]


class Swing(Spec):
    """One range convention of a colour space."""

    doc: Sentence
    forward: tuple[Triple, Triple, Triple]
    forward_offset: Triple
    inverse: tuple[RealTriple, RealTriple, RealTriple]
    inverse_scale: RealTriple
    inverse_offset: float


class Gray(Spec):
    """Which row of which swing is the gray value."""

    swing: Identifier
    row: int = Field(ge=0, le=2)


class Normalization(Spec):
    """Defaults of the inverse conversion."""

    mean: float
    std: float
    scale: float


class Color(Spec):
    """specs/colors/<id>.yaml: a colour space."""

    schema_: Literal["color/1"] = Field(alias="schema")
    id: Identifier
    title: Sentence
    doc: Sentence
    default: Identifier
    swings: dict[Identifier, Swing]
    gray: Gray
    normalization: Normalization


class Observer(Spec):
    """One way to observe ranges."""

    doc: Sentence
    class_: PythonName = Field(alias="class")
    granularity: tuple[Literal["per_tensor", "per_channel"], ...]
    arguments: dict[PythonName, Number] = {}


class FakeQuant(Spec):
    """One way to choose the scale in training."""

    class_: PythonName = Field(alias="class")
    doc: Sentence


class Observers(Spec):
    """specs/observers.yaml: observers and fake quantizers by name."""

    schema_: Literal["observers/1"] = Field(alias="schema")
    doc: Sentence
    observers: dict[Identifier, Observer]
    fake_quants: dict[Identifier, FakeQuant]


class Quantizer(Spec):
    """A fake quantizer with its observer and arguments."""

    fake_quant: Identifier
    observer: Identifier
    dtype: Identifier
    qscheme: Literal["per_tensor_symmetric", "per_channel_symmetric"] = "per_tensor_symmetric"
    ch_axis: int = -1
    arguments: dict[PythonName, bool | int | float] = {}


class Preset(Spec):
    """A named qconfig."""

    stage: Literal["qat", "calibration"] | None = Field(default=None, description="None: usable in both stages.")
    activation: Identifier = Field(description="A quantizer, or none.")
    weight: Identifier
    aliases: tuple[PythonName, ...] = ()
    deprecated: tuple[PythonName, ...] = Field(default=(), description="Old names, still importable.")


class QconfigDefaults(Spec):
    """What the functions that make qconfigs take where nothing is said."""

    fake_quant: Identifier
    observer: Identifier
    calibration_observer: Identifier
    dtype: Identifier
    weight_fake_quants: dict[Identifier, Identifier] = Field(
        default={}, description="Fake quantizer -> the one that weights get in its place."
    )


class Qconfigs(Spec):
    """specs/qconfigs.yaml: the named qconfigs."""

    schema_: Literal["qconfigs/1"] = Field(alias="schema")
    doc: Sentence
    defaults: QconfigDefaults
    quantizers: dict[Identifier, Quantizer]
    presets: dict[PythonName, Preset]


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
}
