"""Problems as values, and the one table of their codes.

Every stage of the formula compiler returns what is wrong instead of raising it, so that one run shows a spec author all
faults of a kernel. `Problem.where` is the key that the caller gave to the formula (the compiler never looks inside it);
`Problem.offset` is a column in that formula's text.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "F001": "the formula is not an expression (syntax)",
        "F002": "the formula is too long, too deep, or holds too large a literal",
        "F003": "the construct is outside the formula language",
        "F004": "unknown name",
        "F005": "unknown function",
        "F006": "wrong number of arguments, or an unknown or missing keyword",
        "F007": "type mismatch",
        "F008": "unknown march field",
        "F009": "unknown rounding site, or a site without a usable rounding mode",
        "F010": "a name is defined twice, reserved, or not a name",
        "F011": "a name is used before it is defined, or is not visible here",
        "F012": "a name is declared but never used",
        "F013": "wrong number of targets (only frexp has two)",
        "F014": "kernels call each other in a circle, or too deep",
        "F015": "unknown kernel, or a kernel called inside an expression",
        "F016": "unknown dtype, or a dtype that the called kernel does not accept",
        "F020": "a parameter has no proven finite range",
        "F021": "overflow: a value can leave its storage",
        "F022": "a shift count can be negative",
        "F023": "a shift count can exceed 62",
        "F024": "the result can leave its result type",
        "F025": "division by zero is possible",
        "F026": "an argument can leave the range that its declaration states",
        "F027": "a function can meet a value outside its domain",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a formula.

    Attributes:
        code: A key of `CODES`.
        message: What is wrong, with the numbers or names that show it.
        hint: What to do about it; may be empty.
        where: The caller's key of the formula.
        offset: Column (from 0) in the formula's text.
    """

    code: str
    message: str
    hint: str
    where: str
    offset: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands: the caller's key of its formula and a column in it."""

    where: str
    offset: int


def problem(code: str, place: Place, message: str, hint: str = "") -> Problem:
    """Make a Problem at a Place."""
    return Problem(code, message, hint, place.where, place.offset)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give a hint with the known words nearest to `word`, or with all of them when they are few."""
    words = sorted(set(known))
    near = difflib.get_close_matches(word, words, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    few = 12
    return f"known here: {', '.join(words)}" if 0 < len(words) <= few else ""


def distinct(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Drop repetitions: the same code at the same place, as one formula is visited for several dtypes."""
    seen: dict[tuple[str, str, int], Problem] = {}
    for item in problems:
        seen.setdefault((item.code, item.where, item.offset), item)
    return tuple(seen.values())
