"""What the cases of an operator may say: how a generated test makes it, feeds it and writes its call.

In: plain data, as for `schema`. Out: a typed `Case`. A call is the text of a Python expression, as a user would write it in a
forward method; it is parsed here, so that a misspelled operand is an error of the spec.
"""

import ast
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from generator.schema_base import PythonName, Spec

INPUTS = ("x", "y", "z")
"""What a call names the quantized inputs."""


def _expression(text: str) -> str:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"not a Python expression: {error.msg}") from None
    return text


class Given(Spec):
    """A further operand, the same in all tests of a case, that is not quantized: boxes, an index, a mask."""

    values: tuple[object, ...] = Field(description="Numbers, nested like the tensor.")
    dtype: PythonName = Field(default="float32", description="A dtype of torch.")


class Case(Spec):
    """One generated test: how to construct the operator and which inputs to feed."""

    make: dict[str, object] = Field(
        default={}, description="Arguments of the constructor; {function: a.b} is a function."
    )
    inputs: tuple[tuple[int, ...], ...] = Field(max_length=len(INPUTS))
    given: dict[PythonName, Given] = Field(default={}, description="Further operands by the names that a call uses.")
    values: tuple[float, float] | None = Field(
        default=None, description="Ends of the inputs; normal values by default."
    )
    arguments: tuple[object, ...] = ()
    call: dict[str, object] = Field(default={})
    write: Annotated[str, AfterValidator(_expression)] | None = Field(
        default=None,
        description="The call over op, x, y, z and the names of `given`, where it is not op(x, y, z, arguments, call).",
    )

    expected: Annotated[str, AfterValidator(_expression)] | None = Field(
        default=None, description="The float values over x of an operator that a deployed model has, and QAT has not."
    )

    @property
    def operands(self) -> tuple[str, ...]:
        """The names of all that is fed, in order."""
        return (*INPUTS[: len(self.inputs)], *self.given)

    @model_validator(mode="after")
    def _names(self) -> Self:
        if self.write is None:
            if self.given:
                raise ValueError("`given` is used by `write` only; add it")
            return self
        used = {node.id for node in ast.walk(ast.parse(self.write, mode="eval")) if isinstance(node, ast.Name)}
        known = {"op", *self.operands}
        if used != known:
            wrong = ", ".join(sorted(used ^ known))
            raise ValueError(f"`write` uses op and every operand, and nothing else; see {wrong}")
        if self.arguments or self.call:
            raise ValueError("`write` says all arguments; remove `arguments` and `call`")
        return self
