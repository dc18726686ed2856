"""The numbers and choices of the specs, each with a name, and the specs with one of them changed.

In: the Docs of the specs. Out: `Leaf` values; a leaf gives its mutants as whole Docs, of which only one differs from
the originals. A number counts wherever it stands: as a YAML value, or as a literal inside a formula. What is no leaf is said
once, in `PROSE`, `FED`, `MEASURED` and `NAMES`.
"""

import copy
import io
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from generator.mutation import UNCHANGEABLE, kind_of
from generator.source import Doc

Pointer = tuple[str | int, ...]
PROSE = frozenset({"doc", "title", "source", "unsupported", "todo", "says", "remedy", "boards", "scales"})
"""Keys of what a reader reads: no behaviour follows from it."""
FED = frozenset({"cases"})
"""Keys of what tests are fed. A number in it moves a test, not the product; how many cases there are is held by a golden."""
MEASURED = UNCHANGEABLE
"""Kinds of specs that are no policy. Generated tests fail where integers are
further from QAT than the ratchet says, and `horizon-gen accuracy --measure` takes back a number that was loosened."""
NAMES = frozenset({"schema", "id"})
"""Keys under which a spec says what it is."""
SETS = frozenset(
    {
        "limits",
        "axes",
        "roles",
        "patterns",
        "methods",
        "functions",
        "modules",
        "support",
        "types",
        "aliases",
        "broadcast",
        "deprecated",
    }
)
"""Keys of lists whose order says nothing."""
FORMULAS = frozenset({"derive", "compute", "real", "shift", "formula", "inverse_formula", "right", "left", "graph"})
CHOICES = {"rounding", "algorithm"}
STEP, FACTOR = 1, 1.01


@dataclass(frozen=True, slots=True)
class Leaf:
    """A number or a choice: its name in reports, its place, and the literal's position when it stands in a formula."""

    name: str
    path: str
    pointer: Pointer
    value: int | float | str | bool
    column: int = -1

    @property
    def is_choice(self) -> bool:
        """Whether the leaf is the name of a mode or a variant."""
        return isinstance(self.value, str)


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """A Doc in which one leaf is changed; `how` says to what."""

    leaf: Leaf
    how: str
    doc: Doc

    def __str__(self) -> str:
        """The leaf and its change."""
        return f"{self.leaf.name} {self.how}"


def leaves(docs: tuple[Doc, ...]) -> tuple[Leaf, ...]:
    """Every number, switch and choice of the specs, in the order of the files."""
    return tuple(leaf for doc in docs if kind_of(doc) not in MEASURED for leaf in _walk(doc, (), doc.value))


def is_leaf(pointer: Pointer, value: Any) -> bool:
    """Whether what stands at a place is policy, or may hold some."""
    if not pointer:
        return True
    if "features" in pointer and isinstance(value, str):
        return value == "supported"  # else a reason
    return pointer[-1] not in PROSE | FED | NAMES and not _is_reason(value)


def _is_reason(value: Any) -> bool:
    """Whether it says nothing but reasons, as {qint8: {unsupported: why}} does."""
    return (
        isinstance(value, dict) and all(key in PROSE or _is_reason(item) for key, item in value.items()) and bool(value)
    )


def is_formula(pointer: Pointer) -> bool:
    """Whether a text at a place is a formula."""
    return bool(FORMULAS.intersection(map(str, pointer[-2:])))


def mutants(doc: Doc, leaf: Leaf, choices: Mapping[str, tuple[str, ...]]) -> Iterator[Mutant]:
    """The leaf one more, one less, a hundredth more, deleted, or another name."""
    if leaf.is_choice:
        values: tuple[Any, ...] = tuple(name for name in choices[_choice(leaf)] if name != leaf.value)
    elif isinstance(leaf.value, bool):
        values = (not leaf.value,)
    else:
        values = (leaf.value + STEP, leaf.value - STEP)  # type: ignore[operator]  # is_choice: no text
        if isinstance(leaf.value, float):
            values = (*values, leaf.value * FACTOR)
    for value in values:
        if value == leaf.value:
            continue  # a hundredth of 0
        yield Mutant(leaf, f"-> {value}", _changed(doc, leaf, value))
    if leaf.column < 0:
        yield Mutant(leaf, "deleted", _deleted(doc, leaf))


def value_at(doc: Doc, leaf: Leaf) -> Any:
    """What stands in a Doc where the leaf stood; None when nothing does."""
    value = doc.value
    for step in leaf.pointer:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    if leaf.column < 0:
        return value
    return next((number for column, _, number in _literals(str(value)) if column == leaf.column), None)


def _choice(leaf: Leaf) -> str:
    """What the leaf chooses from: "rounding", or the algorithm's role."""
    return "rounding" if leaf.pointer[0] == "rounding" else str(leaf.pointer[-1])


def _walk(doc: Doc, pointer: Pointer, value: Any) -> Iterator[Leaf]:
    if not is_leaf(pointer, value):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(doc, (*pointer, key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(doc, (*pointer, index), item)
    elif isinstance(value, (int, float)):
        yield Leaf(name_of(doc, pointer), doc.path, pointer, value)
    elif isinstance(value, str) and is_formula(pointer):
        for position, (column, _, number) in enumerate(_literals(value)):
            yield Leaf(f"{name_of(doc, pointer)}#{position}", doc.path, pointer, number, column)
    elif isinstance(value, str) and pointer[0] in CHOICES:
        yield Leaf(name_of(doc, pointer), doc.path, pointer, value)


def _literals(text: str) -> Iterator[tuple[int, str, int | float]]:
    """(column, text, value) of the numbers in a formula; a sign before it is not part of a number."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NUMBER:
            yield token.start[1], token.string, float(token.string) if "." in token.string else int(token.string)


def name_of(doc: Doc, pointer: Pointer) -> str:
    """`kernels/requantize.yaml:requantize[multiplier].derive.mult`: kernels by id and variant, not by number."""
    file = doc.path.removeprefix("specs/")
    if pointer[:1] == ("kernels",) and len(pointer) > 1:
        kernel = doc.value["kernels"][pointer[1]]
        variant = f"[{kernel['variant']}]" if "variant" in kernel else ""
        return f"{file}:{kernel['id']}{variant}.{'.'.join(map(str, pointer[2:]))}"
    return f"{file}:{'.'.join(map(str, pointer))}"


def _changed(doc: Doc, leaf: Leaf, value: Any) -> Doc:
    if leaf.column < 0:
        return _edited(doc, leaf.pointer, value)
    text = doc.value
    for step in leaf.pointer:
        text = text[step]
    written = next(written for column, written, _ in _literals(text) if column == leaf.column)
    shown = f"({value})" if value < 0 else str(value)
    return _edited(doc, leaf.pointer, text[: leaf.column] + shown + text[leaf.column + len(written) :])


def _edited(doc: Doc, pointer: Pointer, value: Any) -> Doc:
    changed = copy.deepcopy(doc.value)
    box = changed
    for step in pointer[:-1]:
        box = box[step]
    box[pointer[-1]] = value
    return replace(doc, value=changed)


def _deleted(doc: Doc, leaf: Leaf) -> Doc:
    changed = copy.deepcopy(doc.value)
    box = changed
    for step in leaf.pointer[:-1]:
        box = box[step]
    del box[leaf.pointer[-1]]
    return replace(doc, value=changed)
