"""The support table is that of the public manual, row by row: dtypes on each march, and limits.

The manual's rows are in golden/contract_table.yaml, written by hand. Where we do something else, the row says what and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from golden import contract
from golden.contract import Cells, Row
from golden_support import ROOT

import horizon_plugin_pytorch
from generator.decide import Decisions, feature_dtypes
from generator.limits import limits_of
from generator.link import Catalog, Linked
from generator.pipeline import understand
from generator.schema_op import Op

ROWS = contract.rows()
BY_NAME = {row.name: row for row in ROWS}
MARCHES = [march for marches in contract.COLUMNS.values() for march in marches]
DECIDED = [row for row in ROWS if row.name not in contract.pending()]
CELLS = [(row, march) for row in DECIDED if not row.is_float for march in MARCHES]


@dataclass(frozen=True, slots=True)
class Ours:
    """The specs, and which operator a name of the manual is."""

    catalog: Catalog
    decisions: Decisions
    operators: Mapping[str, Linked[Op]]

    def cells(self, op: str, march: str) -> Cells:
        """Input dtype -> output dtypes, of the supported ones."""
        row = [self.decisions[op, march, dtype] for dtype in feature_dtypes(self.catalog)]
        return {decision.dtype: decision.outputs for decision in row if decision.status == "supported"}

    def limits(self, op: str, march: str) -> tuple[str, ...]:
        """The limits of an operator without those of the march."""
        general = self.catalog.marches[march].spec.limits
        held = (held.limit for held in limits_of(self.catalog, op, march))
        return tuple(contract.notation(limit) for limit in held if limit not in general)


@pytest.fixture(scope="module")
def ours() -> Ours:
    known = understand(ROOT).knowledge
    assert known is not None
    operators: dict[str, Linked[Op]] = {}
    for op in known.catalog.ops.values():
        form = op.spec.float
        methods = (f"torch.Tensor.{name}" for name in form.methods)
        own = (f"horizon.nn.{name}" for name in (op.spec.python.class_, op.spec.python.module) if name)
        names = (op.spec.title, *form.by_name, *form.modules, *form.functions, *methods, *own)
        if op.spec.python.method:
            names = (*names, f"FloatFunctional.{op.spec.python.method}")
        for name in names:
            operators.setdefault(name, op)
            operators.setdefault(name.replace("torch.ao.quantization", "torch.quantization"), op)
    return Ours(known.catalog, known.decisions, operators)


def differences(ours: Ours, row: Row, march: str) -> list[str]:
    """What is not as the row says on a march."""
    op = ours.operators.get(row.name)
    if op is None:
        return ["no operator has this name"]
    deviation = row.deviates.get(march)
    cells = deviation.cells if deviation and deviation.cells is not None else row.cells.get(march)
    limits = deviation.limits if deviation and deviation.limits is not None else row.limits[march]
    found = []
    if cells is not None and ours.cells(op.spec.id, march) != cells:
        found.append(f"cells: {ours.cells(op.spec.id, march)}, the table says {cells}")
    if ours.cells(op.spec.id, march) and sorted(ours.limits(op.spec.id, march)) != sorted(limits):
        found.append(f"limits: {sorted(ours.limits(op.spec.id, march))}, the table says {sorted(limits)}")
    return found


@pytest.mark.parametrize(("row", "march"), CELLS, ids=[f"{row.name}-{march}" for row, march in CELLS])
def test_row(ours: Ours, row: Row, march: str) -> None:
    assert differences(ours, row, march) == []


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
        if (exists(row.name) if row.is_float else not any(differences(ours, row, march) for march in MARCHES))
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
