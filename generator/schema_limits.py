"""What the spec of an operator or a march may say of limits: a small vocabulary of quantities and bounds.

In: plain data, as for `schema`. Out: typed `Limit`s, for example::

    - {attribute: kernel_size, min: 1, max: 7}
    - {attribute: stride, one_of: [1], when: {attribute: dilation, min: 2}}
    - {sizes: [C], of: inputs, max: 2048}
    - {product: [C, H, W], of: weight, max: 65535}
    - {attribute: padding, max: {attribute: kernel_size, plus: -1, over: 2}}

A limit names exactly one quantity and says in which bounds it lies. It holds of every element of a tuple attribute and of
every tensor that `of` names. `check_model` evaluates limits on the shapes of a run; nothing else depends on them.
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import Identifier, PythonName, Sentence, Spec

Axis = Literal["N", "C", "D", "H", "W"]
Which = Literal["input", "second", "first", "inputs", "output", "outputs", "tensors", "weight"]
Place = Literal["inside", "output"]

QUANTITIES = (
    "attribute", "sizes", "product", "scaling", "axes", "broadcast", "constants", "count", "dims", "bytes", "magnitude",
    "scale", "dtype", "place",
)  # fmt: skip
"""The fields of which a limit, or its condition, says exactly one."""

BOUNDS = ("min", "max", "above", "below", "one_of", "none_of", "step", "distinct", "equal")


class Derived(Spec):
    """The bound floor((attribute + plus) / over), element by element for tuple attributes."""

    attribute: PythonName
    plus: int = 0
    over: int | PythonName = Field(default=1, description="A number, or another attribute.")


class Bounded(Spec):
    """One quantity within bounds."""

    attribute: PythonName | None = Field(
        default=None, description="A module attribute or an argument of the call; each element of a tuple."
    )
    sizes: tuple[Axis, ...] | None = Field(default=None, description="Each of these sizes of a tensor.")
    product: tuple[Axis, ...] | None = Field(default=None, description="The product of these sizes of a tensor.")
    scaling: tuple[Axis, ...] | None = Field(
        default=None, description="Each of these sizes of the output over that of the input."
    )
    axes: PythonName | None = Field(
        default=None, description="An argument that names dimensions of the input; compared as letters."
    )
    broadcast: tuple[Axis, ...] | None = Field(
        default=None, description="The dimensions along which one operand, always the same one, may be repeated."
    )
    constants: Literal[True] | None = Field(default=None, description="How many operands are no computed feature.")
    count: Literal[True] | None = Field(default=None, description="How many tensors `of` names.")
    dims: Literal[True] | None = Field(default=None, description="The number of dimensions of a tensor.")
    bytes: Literal[True] | None = Field(default=None, description="The stored size of a tensor.")
    magnitude: Literal[True] | None = Field(default=None, description="The largest absolute real value of a tensor.")
    scale: Literal[True] | None = Field(default=None, description="The scale of a tensor.")
    dtype: Literal[True] | None = Field(default=None, description="The quantized dtype of a tensor.")
    place: Place | None = Field(
        default=None, description="output: what comes out leaves the model; inside: it is used further."
    )
    of: Which | None = Field(
        default=None,
        description="Which tensors are meant; first: those of the first argument, a list or a dict; the output of a place, all inputs of a count, else the input.",
    )
    item: int | None = Field(default=None, ge=0, le=63, description="One of several outputs, counted from 0.")

    min: int | float | Derived | None = None
    max: int | float | Derived | None = None
    above: int | float | None = Field(default=None, description="Greater than, for reals.")
    below: int | float | None = Field(default=None, description="Less than, for reals.")
    one_of: tuple[int | float | str | bool | None, ...] | None = None
    none_of: tuple[int | float | str | bool | None, ...] | None = None
    step: int | None = Field(default=None, ge=2, description="min, min + step, min + 2 step, ...")
    distinct: Literal[True] | None = Field(default=None, description="No two elements are the same.")
    equal: Literal[True] | None = Field(default=None, description="All elements are the same.")


class Limit(Bounded):
    """A rule that a layer keeps on a march, and what a user reads when it does not."""

    when: Bounded | None = Field(
        default=None, description="The limit holds only for layers where this does, of any element."
    )
    says: Sentence | None = Field(default=None, description="The rule in words; made from the fields by default.")
    remedy: Sentence | None = Field(default=None, description="What to do; made from the quantity by default.")


Limits = dict[Identifier, tuple[Limit, ...]]
