"""What the spec of an operator may say.

In: plain data, as for `schema`. Out: a typed `Op`: the float forms, the names of what is generated, what its family needs,
and for each march and dtype what it supports.
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import DottedName, Identifier, PythonName, Sentence, Spec
from generator.schema_case import Case
from generator.schema_composite import Composite
from generator.schema_limits import Limits


class Refusal(Spec):
    """Why a cell of the support matrix is empty."""

    unsupported: Sentence | None = Field(default=None, description="The reason a user reads.")
    todo: Sentence | None = Field(default=None, description="What is missing.")


Cell = tuple[str, ...] | Literal["same"] | Refusal


class FloatForms(Spec):
    """What a user writes in a float model."""

    modules: tuple[DottedName, ...] = ()
    by_name: tuple[DottedName, ...] = Field(
        default=(), description="Modules of packages that need not be installed, known by their names."
    )
    functions: tuple[DottedName, ...] = ()
    methods: tuple[PythonName, ...] = Field(default=(), description="Tensor methods.")
    constructor: tuple[PythonName, ...] = Field(
        default=(), description="Arguments of a function that its module takes."
    )
    parameters: tuple[PythonName, ...] = Field(
        default=(), description="Those of them that are parameters of the module."
    )
    number_first: bool = Field(default=False, description="The operand stands behind a number, which the module takes.")
    ignored: tuple[PythonName, ...] = Field(
        default=(), description="Arguments of a function without effect on the integers of a composite."
    )
    overloads: tuple[DottedName, ...] = Field(
        default=(), description="Functions of another operator that are this one for other kinds of operands."
    )


class PythonNames(Spec):
    """Names of the generated classes, functions or methods."""

    file: PythonName | None = Field(default=None, description="Module below nn.qat, nn.quantized and nn.intrinsic.")
    class_: PythonName | None = Field(default=None, alias="class")
    fused: str | None = Field(
        default=None,
        pattern=r"^\w*\{tail\}\w*$",
        description="Class name of a fused form; {tail} is what the fused operators say.",
    )
    child: PythonName | None = Field(default=None, description="Attribute of the layer inside a fused container.")
    module: PythonName | None = Field(default=None, description="Class in horizon_plugin_pytorch.nn of a function.")
    method: PythonName | None = Field(default=None, description="FloatFunctional method.")
    aliases: tuple[PythonName, ...] = Field(default=(), description="Further names of the method.")
    module_instead: bool = Field(default=False, description="Whether the method warns that the module is to be used.")
    quantized: PythonName | None = Field(
        default=None,
        description="Class in nn.quantized of a composite; none: its QAT class stays, with quantized children.",
    )
    function: PythonName | None = Field(default=None, description="Function in horizon_plugin_pytorch.functional.")


class Numbers(Spec):
    """What a method of two operands calls when one of them is a python number, over x and y."""

    right: str = Field(description="When y is a number.")
    left: str = Field(description="When x is a number.")
    own_scale: bool = Field(default=True, description="Whether the result needs a scale that is observed.")


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


class TensorUse(Spec):
    """The torch function that a module is."""

    function: DottedName
    arguments: tuple[PythonName | int | float, ...] = Field(
        description="After the input: attributes of the module, numbers."
    )
    mode: PythonName | None = Field(default=None, description="A word among the arguments, behind the first.")


class ColorUse(Spec):
    """Which colour space, and in which channel order."""

    space: Identifier
    channels: Literal["rgb", "bgr"]


class Table(Spec):
    """How a function of one variable is tabulated in segments."""

    divide: Literal["evenly", "curvature"] = Field(
        default="evenly", description="Segments of one length, or shorter ones where the function bends."
    )
    odd: bool = Field(default=False, description="f(-x) = -f(x): tabulated for x >= 0 only.")
    points: tuple[float, ...] | None = Field(
        default=None, description="The ends of the segments, instead of a strategy."
    )
    range: tuple[float | None, float | None] | None = Field(default=None, description="Tabulated from, to.")
    gradients: tuple[float | None, float | None] | None = Field(
        default=None, description="Slopes of the left and the right line, where they are not the function's."
    )
    inverse: DottedName | None = Field(default=None, description="The inverse function, which bounds the range below.")
    inverse_formula: str | None = Field(default=None, description="The same over x, where torch has no such function.")
    upper_inverse: DottedName | None = Field(
        default=None, description="The inverse of a rising function, which bounds the range above."
    )
    least_steps: dict[Identifier, int] = Field(
        default={}, description="Input dtype -> the smallest |x| in steps of the input; QAT keeps away from 0 likewise."
    )


class RuntimeNames(Spec):
    """The mechanism of an operator that loops, sorts or gathers: what generated code derives from or calls."""

    file: PythonName = Field(description="Module below _runtime.")
    function: PythonName | None = Field(default=None, description="Takes the operator's id first.")
    float: PythonName | None = Field(default=None, description="Base of the float class.")
    qat: PythonName | None = Field(default=None, description="Base of the QAT class.")
    quantized: PythonName | None = Field(default=None, description="Base of the quantized class.")
    uses: dict[PythonName, PythonName] = Field(
        default={}, description="Class attribute -> the function of horizon_plugin_pytorch.functional that it holds."
    )


Behaviour = Literal[
    "plain", "keep", "inert", "keep_list", "select", "value_and_index", "ordered", "leading", "compare", "pointwise", "unit",
    "scale", "unscale", "as_module", "bound", "fill", "choose", "take_in", "pad", "create", "dequantize", "refuse",
]  # fmt: skip
"""What a torch function does with a QTensor.

plain: run on the data, the result is an ordinary value. keep: scale and dtype are the input's; keep_list: of each item.
inert: changes values in training only.
select: keep, by a float function that only picks values. value_and_index: keep the values, indices are ordinary; the lowest
index on ties. ordered: the same, sorted stably; leading: of the first ones. compare: order both operands at the larger
scale. pointwise: the kernel, element by element; unit: its result is int8 of scale 1. scale: times a number, which goes
into the scale; unscale: divided by one. as_module: run the module that stands for it, with the input's scale. bound, fill, choose, take_in, pad, create: numbers and tensors are brought to the input's grid, by the
kernel where they are no QTensors, then limit, replace or extend it. dequantize: run on the values. refuse: no rule.
"""


class Op(Spec):
    """specs/ops/<family>/<id>.yaml: a float operator, its QAT and quantized forms, and where it is supported."""

    schema_: Literal["op/1"] = Field(alias="schema")
    id: Identifier
    family: Literal[
        "weighted", "norm", "binary", "pairwise", "concat", "reduction", "product", "scalar", "scaling", "window_max", "window_mean", "clamp",
        "tensor_function", "tensor_module",
        "passthrough", "identity", "quantize_stub", "dequantize_stub", "color_inverse", "table", "unary", "slope", "power",
        "composite", "recurrent",
        "runtime_module", "runtime_function",
    ]  # fmt: skip
    title: Sentence
    doc: Sentence
    float: FloatForms = FloatForms()
    python: PythonNames = PythonNames()
    mac: Mac | None = None
    window: Window | None = None
    tensor: TensorUse | None = Field(default=None, description="What it does as a function of tensors.")
    color: ColorUse | None = None
    composite: Composite | None = Field(default=None, description="The small graph that computes it.")
    cell: Identifier | None = Field(default=None, description="The operator that computes one step of a recurrent one.")
    table: Table | None = None
    runtime: RuntimeNames | None = None
    host: Literal["before_quant", "after_dequant"] | None = Field(
        default=None,
        description="A float operator of the host CPU: it takes float32 and no integers; where it stands in a model.",
    )
    requires: dict[PythonName, bool | int | str | None] = Field(
        default={}, description="Module attribute -> the only value with an integer form."
    )
    formula: str | None = Field(
        default=None, description="The float value, over x (and y), where it is no function of torch."
    )
    numbers: Numbers | None = None
    masks: bool = Field(default=False, description="Whether an operand may be bool: scale and dtype are the other's.")
    keepdim_before: int | None = Field(
        default=None,
        description="State dicts of modules before this version reduce with keepdim where nothing is said.",
    )
    kernel: Identifier | None = Field(default=None, description="The kernel that computes it.")
    tail: PythonName | None = Field(default=None, description="What a fused class name says when this is fused behind.")
    scale: Literal["own", "input"] = Field(default="own", description="Whether the output has a scale of its own.")
    march_scale: dict[Identifier, Literal["own", "input"]] = Field(
        default={}, description="The same, where a march differs."
    )
    returns: Literal["one", "list"] = "one"
    behaviour: Behaviour | None = Field(default=None, description="What it does as a function of a QTensor.")
    integer_forward: dict[Identifier, dict[Identifier, tuple[Identifier, ...]]] = Field(
        default={},
        description="March -> input dtype -> output dtypes whose values in QAT are the march's integers, straight-through, "
        "for float arithmetic is further than a step from them; a march without takes its parent's.",
    )
    steps: dict[Identifier, dict[Identifier, int]] = Field(
        default={},
        description="March -> output dtype -> how many steps integers may be from QAT, where the rule is coarse.",
    )
    why: tuple[Identifier, ...] = Field(
        default=(), description="Reasons of ratchet.yaml why integers are further from QAT than others may be."
    )
    like: Identifier | None = Field(
        default=None, description="The operator whose support holds where this one's says nothing."
    )
    support: dict[Identifier, dict[str, Cell]] = Field(
        default={}, description="March (or default) -> input dtype -> output dtypes, or why not."
    )
    limits: Limits = Field(
        default={}, description="March (or default) -> what a layer must keep to; a march without takes its parent's."
    )
    cases: tuple[Case, ...] = ()
