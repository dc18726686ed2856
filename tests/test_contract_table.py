"""The support table is that of the public manual, row by row: dtypes on each march, and limits.

The manual's rows are in golden/contract_table.yaml, written by hand. Where we do something else, the row says what and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from golden import contract
from golden.contract import Row
from golden.operators import differences, named
from golden_support import ROOT

import horizon_plugin_pytorch
from generator.decide import Decisions
from generator.link import Catalog, Linked
from generator.pipeline import understand
from generator.schema_op import Op

ROWS = contract.rows()
BY_NAME = {row.name: row for row in ROWS}
MARCHES = contract.MARCHES
DECIDED = [row for row in ROWS if row.name not in contract.pending()]
CELLS = [(row, march) for row in DECIDED if not row.is_float for march in MARCHES]


@dataclass(frozen=True, slots=True)
class Ours:
    """The specs, and which operator a name of the manual is."""

    catalog: Catalog
    decisions: Decisions
    operators: Mapping[str, Linked[Op]]

    def differences(self, row: Row, march: str) -> list[str]:
        """What is not as the row says on a march."""
        return differences(self.catalog, self.decisions, self.operators, row, march)


@pytest.fixture(scope="module")
def ours() -> Ours:
    known = understand(ROOT).knowledge
    assert known is not None
    return Ours(known.catalog, known.decisions, named(known.catalog))


@pytest.mark.parametrize(("row", "march"), CELLS, ids=[f"{row.name}-{march}" for row, march in CELLS])
def test_row(ours: Ours, row: Row, march: str) -> None:
    assert ours.differences(row, march) == []


def exists(name: str) -> bool:
    """Whether the package has what the manual calls horizon.x.y."""
    found: Any = horizon_plugin_pytorch
    for step in name.split(".")[1:]:
        found = getattr(found, step, None)
    return callable(found)


@pytest.mark.parametrize("name", [row.name for row in DECIDED if row.is_float])
def test_float_row(name: str) -> None:
    assert exists(name)


def test_pending_rows_are_rows_that_still_differ(ours: Ours) -> None:
    rows = [BY_NAME[name] for name in contract.pending()]
    done = [
        row.name
        for row in rows
        if (exists(row.name) if row.is_float else not any(ours.differences(row, march) for march in MARCHES))
    ]
    assert done == [], "take these out of `pending`"


def test_a_deviation_deviates_and_says_why() -> None:
    for row in ROWS:
        for march, deviation in row.deviates.items():
            assert deviation.why
            assert deviation.cells != row.cells.get(march) or deviation.limits is not None, row.name
            assert deviation.limits is None or sorted(deviation.limits) != sorted(row.limits[march]), row.name


def test_limits_of_marches(ours: Ours) -> None:
    for march, limits in contract.march_limits().items():
        assert tuple(contract.notation(limit) for limit in ours.catalog.marches[march].spec.limits) == limits


def test_no_cell_is_undecided_and_todo_cells_are_only_those_of_pending_rows(ours: Ours) -> None:
    todo = {d.op for d in ours.decisions.values() if d.status == "todo" and d.march != "bernoulli"}
    allowed = {ours.operators[name].spec.id for name in contract.pending() if name in ours.operators}
    assert todo <= allowed


def test_the_table_has_every_row_of_the_manual() -> None:
    assert len(ROWS) == 143
