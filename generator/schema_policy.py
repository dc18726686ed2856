"""What the specs of the package as a whole may say: patterns, colours, observers, qconfigs, tensor functions.

In: plain data, as for `schema`. Out: typed specs.
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import DottedName, Identifier, Number, PythonName, Sentence, Spec
from generator.schema_op import Behaviour


class TensorFunctions(Spec):
    """Functions of one behaviour."""

    functions: tuple[DottedName, ...] = ()
    methods: tuple[PythonName, ...] = ()
    kernel: Identifier | None = Field(default=None, description="The kernel that computes, or brings values to a grid.")


class QTensorFunctions(Spec):
    """specs/qtensor.yaml: torch functions on a QTensor that are no operators of their own."""

    schema_: Literal["qtensor/1"] = Field(alias="schema")
    doc: Sentence
    behaviours: dict[Behaviour, TensorFunctions]


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
    forced: dict[Identifier, Identifier] = Field(
        default={},
        description="Mode of fused activations -> the activation that it makes of every activation named here.",
    )
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
    arguments: dict[PythonName, Number | PythonName | tuple[Number, ...]] = Field(default={})
    weights: bool = Field(default=True, description="Whether it observes weights, too.")


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
    arguments: dict[PythonName, bool | int | float] = Field(default={})
    public: tuple[PythonName, ...] = Field(default=(), description="Names that users import it by.")


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
    search_observer: Identifier = Field(description="Of a qconfig whose ranges are to be searched.")
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
