"""View of generated/docs/accuracy.md: how many tests hold an operator, and how far its integers are from QAT at worst.

In: the generated tests' cases, and the numbers of specs/ratchet.yaml that those tests measured. Out: one row an operator.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

from generator.compile import CompiledMarches
from generator.decide import Decisions
from generator.link import Catalog
from generator.ratchet import worst_steps
from generator.views.tests import kernel_tests, op_tests

UNMEASURED = "-"


@dataclass(frozen=True, slots=True)
class MarchAccuracy:
    """One operator on one march: numbers of tests, and "qint8 1, qint16 3" or "-"."""

    march: str
    exact: int
    compared: int
    worst: str


@dataclass(frozen=True, slots=True)
class AccuracyRowView:
    """One operator on all marches; `cells` is the rest of a table's row."""

    op: str
    title: str
    marches: tuple[MarchAccuracy, ...]
    cells: str


@dataclass(frozen=True, slots=True)
class AccuracyView:
    """Every operator that computes something, and the totals."""

    header: str
    rule: str
    rows: tuple[AccuracyRowView, ...]
    summary: str


class GeneratedTests:
    """The cases of every generated test, made when they are asked for, once."""

    def __init__(self, catalog: Catalog, decisions: Decisions, compiled: CompiledMarches) -> None:
        """Hold what they are made from."""
        self.kernels = cache(partial(kernel_tests, catalog, compiled))
        """March, or None for the kernels of no march -> the tests of its kernels."""
        self.ops = cache(partial(op_tests, catalog, decisions))
        """March -> the tests of the operators on it."""
        self.accuracy = cache(partial(accuracy_view, catalog, self))
        """Every operator's numbers."""


def accuracy_view(catalog: Catalog, tests: GeneratedTests) -> AccuracyView:
    """Count and look up."""
    rows = tuple(_rows(catalog, tests))
    exact = sum(len(tests.kernels(march).cases) for march in (*catalog.marches, None))
    compared = sum(len(tests.ops(march).supported) for march in catalog.marches)
    heads = [f"{march}: {what}" for march in catalog.marches for what in ("exact", "QAT", "worst steps")]
    return AccuracyView(
        header="| operator | " + " | ".join(heads) + " |",
        rule="|---|" + "---|" * len(heads),
        rows=rows,
        summary=f"{exact} tests of exactness, {compared} tests of QAT against integers.",
    )


def _rows(catalog: Catalog, tests: GeneratedTests) -> Iterator[AccuracyRowView]:
    exact = {
        march: Counter(case.kernel for case in (*tests.kernels(march).cases, *tests.kernels(None).cases))
        for march in catalog.marches
    }
    compared = {march: Counter(case.op for case in tests.ops(march).supported) for march in catalog.marches}
    for op in catalog.ops.values():
        spec = op.spec
        marches = []
        for march in catalog.marches:
            count = compared[march][spec.id]
            kernels = exact[march][spec.kernel] if spec.kernel and count else count  # without a kernel QAT is exact
            steps = ", ".join(f"{dtype} {worst}" for dtype, worst in worst_steps(catalog, spec.id, march).items())
            marches.append(MarchAccuracy(march, kernels, count, steps or UNMEASURED))
        if any(m.compared for m in marches):
            cells = " | ".join(f"{m.exact} | {m.compared} | {m.worst}" for m in marches)
            yield AccuracyRowView(spec.id, spec.title, tuple(marches), cells)
