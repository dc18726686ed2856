"""The graph of a composite: statements over values that flow from the inputs to the results.

In: nothing, these are definitions. Out: what `read` makes, `check` follows and `generator.views.composite` lowers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from generator.composite.functions import Function
    from generator.formula.problems import Place
    from generator.schema_composite import Child, Composite
    from generator.schema_op import Op


@dataclass(frozen=True, slots=True)
class Variable:
    """A tensor: an input of the composite, or the target of a statement."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Constant:
    """A parameter as an operand."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Setting:
    """A plain value as Python: `self.dim`, `4`."""

    code: str
    place: Place


@dataclass(frozen=True, slots=True)
class Use:
    """A child at work on operands."""

    name: str
    child: Child
    op: Op
    args: tuple[Value, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Layout:
    """A function that moves elements or selects among them: the result has the scale of its first operand."""

    function: Function
    args: tuple[Value, ...]
    place: Place


Value = Variable | Constant | Setting | Use | Layout


@dataclass(frozen=True, slots=True)
class Statement:
    """Targets and the value that they get; several targets share a list."""

    targets: tuple[str, ...]
    value: Value


@dataclass(frozen=True, slots=True)
class Graph:
    """A composite, read and free of mistakes."""

    op: Op
    composite: Composite
    statements: tuple[Statement, ...]

    def value_of(self, name: str) -> Value | None:
        """What a variable was given; None for an input."""
        return next((s.value for s in self.statements if name in s.targets), None)

    def uses(self) -> dict[str, Use]:
        """Every child by its name, in the order of the graph."""
        return {use.name: use for s in self.statements for use in uses_in(s.value)}


def uses_in(value: Value) -> Iterator[Use]:
    """Every child at work inside a value, operands first."""
    if isinstance(value, Use | Layout):
        for arg in value.args:
            yield from uses_in(arg)
    if isinstance(value, Use):
        yield value
