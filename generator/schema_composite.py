"""What the spec of an operator may say when it is a small graph of other operators.

In: plain data, as for `schema`. Out: a typed `Composite`: its children, and statements over them in the small expression
form that `generator.composite` reads, for example::

    children: {sub: {op: sub, dtype: qint16}, exp: {op: exp, dtype: qint16}, ...}
    graph: {top: "max(x, dim)", shifted: "sub(x, top)", e: exp(shifted), ...}
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import DottedName, Formula, Identifier, Number, PythonName, Spec


class Part(Spec):
    """A parameter of the float module, or one of its equal parts along the first dimension."""

    name: DottedName = Field(description="The parameter's name in the float module.")
    part: int = Field(default=0, ge=0, description="Which part, from 0.")
    of: int = Field(default=1, ge=1, description="How many parts there are.")


class Child(Spec):
    """One primitive operator of a composite."""

    op: Identifier = Field(description="The primitive operator.")
    dtype: Identifier | None = Field(default=None, description="Of its output; none: what the composite puts out.")
    make: dict[PythonName, object] = Field(default={}, description="Arguments of its float module.")
    given: dict[PythonName, PythonName] = Field(
        default={}, description="Arguments of its float module -> the composite's setting that they are."
    )
    parameters: dict[PythonName, Part] = Field(
        default={}, description="Its parameters -> where the composite's float module keeps them."
    )
    when: PythonName | None = Field(
        default=None, description="A constant or an optional input; where there is none, the first operand passes."
    )


class Composite(Spec):
    """The graph of an operator that is computed by others."""

    form: Literal["plain", "cell", "attention"] = Field(
        default="plain", description="How the module is called; plain: with the inputs."
    )
    inputs: tuple[PythonName, ...] = Field(default=("x",), min_length=1, description="Names of the inputs, in order.")
    optional: tuple[PythonName, ...] = Field(default=(), description="Inputs that may be missing, behind the others.")
    settings: tuple[PythonName, ...] = Field(default=(), description="Module attributes that the graph reads.")
    needs: tuple[PythonName, ...] = Field(default=(), description="Settings that must not be None.")
    refuses: dict[PythonName, bool | int | str | None] = Field(
        default={}, description="Arguments of the call -> the only value with an integer form."
    )
    constants: dict[PythonName, Identifier] = Field(default={}, description="Parameters that are operands -> dtype.")
    tunable: tuple[PythonName, ...] = Field(
        default=(), description="Children whose arguments a user may change before conversion, as <child>_kwargs."
    )
    masked: Number | None = Field(
        default=None, description="Of form attention: what a mask adds to a score that it hides, far below every score."
    )
    repeats: bool = Field(
        default=False,
        description="One instance serves several steps: inside, the extremes of all of them are observed.",
    )
    children: dict[PythonName, Child] = Field(min_length=1, description="Name -> primitive operator.")
    graph: dict[str, Formula] = Field(min_length=1, description="Target, or several of them -> expression.")
    returns: tuple[PythonName, ...] = Field(min_length=1, description="The targets that are put out.")
