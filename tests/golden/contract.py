"""The operator table of the public manual, as `contract_table.yaml` has it, in the terms of the specs.

In: the hand-written file. Out: `Row`s: what a march takes and gives, and the limits in one notation. `notation` writes a
limit of the specs in the same notation, so that both can be compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from generator.limits import quantity, tensors_of
from generator.schema_limits import Bounded, Derived, Limit

FILE = Path(__file__).parent / "contract_table.yaml"
COLUMNS = {"b2": ("bernoulli2",), "by": ("bayes", "bayes-e")}
MARCHES = tuple(march for marches in COLUMNS.values() for march in marches)
UNSAID = "-"
_DTYPES = {"8": "qint8", "16": "qint16", "32": "qint32", "f32": "float32", "bool": "qbool"}

Cells = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the manual.

    Attributes:
        name: what the manual calls it.
        cells: march -> input dtype -> output dtypes; a march without an entry is one that the manual is silent of.
        limits: march -> limits.
        deviates: march -> (cells instead of the manual's or None, limits instead or None, why).
        is_float: a function of float32 without a cell.
    """

    name: str
    cells: dict[str, Cells]
    limits: dict[str, tuple[str, ...]]
    deviates: dict[str, "Deviation"]
    is_float: bool

    def expected(self, march: str) -> tuple[Cells | None, tuple[str, ...]]:
        """(cells, limits) that hold on a march, deviations applied; no cells where the manual is silent."""
        deviation = self.deviates.get(march)
        cells = deviation.cells if deviation and deviation.cells is not None else self.cells.get(march)
        return cells, deviation.limits if deviation and deviation.limits is not None else self.limits[march]

    def marches(self) -> tuple[str, ...]:
        """The marches whose dtypes it says."""
        return tuple(march for march in MARCHES if self.expected(march)[0] is not None)


@dataclass(frozen=True, slots=True)
class Deviation:
    """What is done instead, and why; None: as the manual says."""

    cells: Cells | None
    limits: tuple[str, ...] | None
    why: str


def rows() -> tuple[Row, ...]:
    """Every row, in the order of the manual."""
    table = yaml.safe_load(FILE.read_text())
    entries = {entry["row"]: entry for entry in table["rows"]}
    assert len(entries) == len(table["rows"]), "a row stands twice"
    return tuple(_row(entry, entries, table) for entry in entries.values())


def pending() -> tuple[str, ...]:
    """Rows whose operators are not there yet."""
    return tuple(yaml.safe_load(FILE.read_text())["pending"])


def march_limits() -> dict[str, tuple[str, ...]]:
    """March -> limits of all its operators."""
    table = yaml.safe_load(FILE.read_text())
    return {march: tuple(table["march_limits"][column]) for column, march in _marches()}


def _marches() -> Iterator[tuple[str, str]]:
    yield from ((column, march) for column, marches in COLUMNS.items() for march in marches)


def _row(entry: dict[str, Any], entries: dict[str, Any], table: dict[str, Any]) -> Row:
    merged: dict[str, Any] = {}
    for source in reversed(tuple(_likes(entry, entries))):
        merged |= source
    deviates = {
        march: _deviation(said, table["words"])
        for column, march in _marches()
        if (said := entry.get("deviates", {}).get(column)) is not None
    }
    cells = {
        march: read_cells(merged[column], table["words"])
        for column, march in _marches()
        if merged.get(column, UNSAID) != UNSAID
    }
    limits = {march: tuple(merged.get("limits", {}).get(column, ())) for column, march in _marches()}
    return Row(entry["row"], cells, limits, deviates, bool(entry.get("float")))


def _likes(entry: dict[str, Any], entries: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield entry
    if "like" in entry:
        yield from _likes(entries[entry["like"]], entries)


def _deviation(said: dict[str, Any], words: dict[str, str]) -> Deviation:
    cells = read_cells(said["cells"], words) if "cells" in said else None
    return Deviation(cells, tuple(said["limits"]) if "limits" in said else None, said["why"])


def read_cells(text: str, words: dict[str, str]) -> Cells:
    """ "8,16 -> 8,16" as a mapping; "X" is empty; several groups are separated by a semicolon."""
    cells: Cells = {}
    for group in words.get(text, text).split(";"):
        if group.strip() == "X":
            continue
        sources, _, targets = (part.strip() for part in group.partition("->"))
        for source in sources.split(","):
            same = targets == "same"
            cells[_DTYPES[source]] = tuple(_DTYPES[t] for t in ([source] if same else targets.split(",")))
    return cells


def notation(limit: Limit) -> str:
    """A limit of the specs as the table writes limits."""
    text = _bounded(limit)
    return f"{text} if {_bounded(limit.when)}" if limit.when else text


def _bounded(bounded: Bounded) -> str:
    name = quantity(bounded)
    value, of = getattr(bounded, name), tensors_of(bounded)
    if name == "place":
        item = "" if bounded.item is None else f" {bounded.item}"
        return "inside" if value == "inside" else f"output{item} place output"
    subjects = {
        "attribute": value, "sizes": f"{of} {_joined(value, ',')}", "product": f"{of} {_joined(value, '*')}",
        "scaling": f"scaling {_joined(value, ',')}", "axes": f"{value} axes", "broadcast": f"broadcast {_joined(value, ',')}",
        "constants": "constants",
    }  # fmt: skip
    return " ".join([subjects.get(name, f"{of} {name}"), *_bounds(bounded)])


def _joined(value: Any, sign: str) -> str:
    return sign.join(value) if isinstance(value, tuple) else ""


def _bounds(bounded: Bounded) -> Iterator[str]:
    if bounded.min is not None or bounded.max is not None:
        yield f"{_number(bounded.min)}..{_number(bounded.max)}"
    if bounded.above is not None:
        yield f">{bounded.above:.16g}"
    if bounded.below is not None:
        yield f"<{bounded.below:.16g}"
    for word, choice in (("in", bounded.one_of), ("not", bounded.none_of)):
        if choice is not None:
            yield f"{word} {'|'.join(map(str, choice))}"
    if bounded.step is not None:
        yield f"step {bounded.step}"
    yield from (word for word in ("distinct", "equal") if getattr(bounded, word))


def _number(bound: float | Derived | None) -> str:
    if not isinstance(bound, Derived):
        return "" if bound is None else f"{bound:.16g}"
    text = f"({bound.attribute}{bound.plus:+d})" if bound.plus else bound.attribute
    return text if bound.over == 1 else f"{text}/{bound.over}"
