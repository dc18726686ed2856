"""What a user may rely on of operators, held against the hand-written tables.

In: a catalog with its decisions, and the files properties.yaml and contract_table.yaml. Out: the first contradiction, in words.
What contract_table.yaml says of an operator (dtypes, limits) is not said again in properties.yaml.
"""

from collections.abc import Collection, Iterator, Mapping

from generator.decide import Decisions, feature_dtypes
from generator.limits import limits_of
from generator.link import Catalog, Linked
from generator.schema_op import Op

from . import contract
from .contract import Cells, Row
from .properties import Property, properties, written

ELSEWHERE = ("support", "limits", "like", "cases")
"""Of these the cells and limits that follow are held; the number of cases is."""


class OperatorFacts:
    """What the tables say of operators; names of the manual are those of the catalog that it is made from."""

    def __init__(self, catalog: Catalog) -> None:
        """Which operator and march the manual's rows speak of."""
        operators = named(catalog)
        self.rows = tuple(row for row in contract.rows() if not row.is_float and row.name not in contract.pending())
        self.of_row = {row.name: operators[row.name].spec.id for row in self.rows}
        self.pinned = {(self.of_row[row.name], march) for row in self.rows for march in row.marches()}

    def contradiction(self, catalog: Catalog, decisions: Decisions, ops: Collection[str]) -> str:
        """What the tables say otherwise of some operators; '' when nothing."""
        if any(self.properties(catalog, decisions, catalog.ops[op]) != written().get(op) for op in ops):
            return "properties"
        operators = named(catalog)
        rows = (row for row in self.rows if self.of_row[row.name] in ops)
        return next((f"manual {row.name}" for row in rows if any(contradicted(catalog, decisions, operators, row))), "")

    def properties(self, catalog: Catalog, decisions: Decisions, op: Linked[Op]) -> frozenset[Property]:
        """The fields of an operator, how many cases test it, and the cells and limits of which the manual says nothing."""
        found = {*properties(op.spec, ELSEWHERE), ("cases", str(len(op.spec.cases)))}
        for march in catalog.marches:
            if (op.spec.id, march) not in self.pinned:
                cells = cells_of(catalog, decisions, op.spec.id, march)
                said = "; ".join(f"{dtype} -> {', '.join(outputs)}" for dtype, outputs in cells.items()) or "none"
                found.add((f"cells.{march}", said))
                if cells:
                    found |= {(f"limits.{march}", text) for text in own_limits(catalog, op.spec.id, march)}
        return frozenset(found)


def contradicted(
    catalog: Catalog, decisions: Decisions, operators: Mapping[str, Linked[Op]], row: Row
) -> Iterator[str]:
    """What is not as the manual's row says, on any march."""
    for march in contract.MARCHES:
        yield from differences(catalog, decisions, operators, row, march)


def cells_of(catalog: Catalog, decisions: Decisions, op: str, march: str) -> Cells:
    """Input dtype -> output dtypes, of the supported ones."""
    row = [decisions[op, march, dtype] for dtype in feature_dtypes(catalog)]
    return {decision.dtype: decision.outputs for decision in row if decision.status == "supported"}


def own_limits(catalog: Catalog, op: str, march: str) -> tuple[str, ...]:
    """The limits of an operator without those of the march."""
    general = catalog.marches[march].spec.limits
    held = (held.limit for held in limits_of(catalog, op, march))
    return tuple(contract.notation(limit) for limit in held if limit not in general)


def named(catalog: Catalog) -> Mapping[str, Linked[Op]]:
    """Which operator a name of the manual is."""
    operators: dict[str, Linked[Op]] = {}
    for op in catalog.ops.values():
        form = op.spec.float
        methods = (f"torch.Tensor.{name}" for name in form.methods)
        own = (f"horizon.nn.{name}" for name in (op.spec.python.class_, op.spec.python.module) if name)
        names = (op.spec.title, *form.by_name, *form.modules, *form.functions, *methods, *own)
        if op.spec.python.method:
            names = (*names, f"FloatFunctional.{op.spec.python.method}")
        for name in names:
            operators.setdefault(name, op)
            operators.setdefault(name.replace("torch.ao.quantization", "torch.quantization"), op)
    return operators


def differences(
    catalog: Catalog, decisions: Decisions, operators: Mapping[str, Linked[Op]], row: Row, march: str
) -> list[str]:
    """What is not as the manual's row says on a march."""
    op = operators.get(row.name)
    if op is None:
        return ["no operator has this name"]
    expected, limits = row.expected(march)
    found = []
    cells = cells_of(catalog, decisions, op.spec.id, march)
    if expected is not None and cells != expected:
        found.append(f"cells: {cells}, the table says {expected}")
    if cells and sorted(own := own_limits(catalog, op.spec.id, march)) != sorted(limits):
        found.append(f"limits: {sorted(own)}, the table says {sorted(limits)}")
    return found
