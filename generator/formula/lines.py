"""A flat kernel: parsed lines, and the functions of the language that they may call.

In: nothing; these are definitions. Out: what `flatten` makes and the stages after it read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generator.formula.syntax import Expr, Name, Num, names

if TYPE_CHECKING:
    from generator.formula.model import Formula
    from generator.formula.problems import Place

FUNCTIONS: dict[str, tuple[int, ...]] = {
    "clip": (3,), "min": (2,), "max": (2,), "abs": (1,), "floor": (1,), "ceil": (1,), "trunc": (1,),
    "round_half_away": (1,), "round_half_even": (1,), "frexp": (1,), "log2": (1,), "sqrt": (1,), "select": (3,),
    "exp2": (1,), "shift_left": (2,), "shift_right": (3,), "saturate": (2,), "wrap": (2,), "real": (1,),
    "round": (2,), "round_real": (2,), "lookup": (2,), "search": (2,), "fma": (3,),
}  # fmt: skip
"""Functions of the language and how many arguments they take."""


@dataclass(frozen=True, slots=True)
class Line:
    """`targets = expr`, parsed."""

    targets: tuple[str, ...]
    expr: Expr
    place: Place
    own: bool


@dataclass(slots=True)
class Flat:
    """A kernel without calls of other kernels."""

    derive: list[Line] = field(default_factory=list)
    compute: list[Line] = field(default_factory=list)
    sites: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Section:
    """Where the line of a formula will stand: its name, the lines before it, the sites that were read."""

    target: str
    lines: list[Line]
    sites: set[str]

    @classmethod
    def of(cls, formula: Formula, lines: list[Line], sites: set[str]) -> Section:
        """The section of a formula."""
        return cls(formula.targets[0] if formula.targets else "", lines, sites)

    def bound(self, value: Expr) -> Expr:
        """A name for a value, unless it has one."""
        if isinstance(value, Name | Num):
            return value
        taken = {name for line in self.lines for name in line.targets}
        wanted = (f"{self.target}_wide{i or ''}" for i in range(len(taken) + 1))
        name = next(name for name in wanted if name not in taken)
        self.lines.append(Line((name,), value, value.place, own=False))
        return Name(name, value.place)


def used_names(lines: list[Line]) -> set[str]:
    """The roots of all names that lines read."""
    return {name.root for line in lines for name in names(line.expr)}
