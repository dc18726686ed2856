"""View of generated/docs/accuracy.md: how many tests hold an operator, and how far its integers are from QAT at worst.

In: the generated tests' cases, and the numbers of specs/ratchet.yaml that those tests measured. Out: one row an operator,
and the supported cells that no test holds.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

from generator.decide import Decisions
from generator.inputs import Inputs
from generator.link import Catalog
from generator.proven import CompiledMarches
from generator.ratchet import worst_steps
from generator.views.names import sentence
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
class ReasonView:
    """A rule that moves integers away from QAT, and links to the operators that it moves."""

    text: str
    ops: str


@dataclass(frozen=True, slots=True)
class CosineView:
    """A composite, and the worst cosine of its int16 results and the float operator's."""

    op: str
    title: str
    cosine: str


@dataclass(frozen=True, slots=True)
class AccuracyView:
    """Every operator with a supported cell, the totals, why some are far from QAT, and the composites beside float."""

    header: str
    rule: str
    rows: tuple[AccuracyRowView, ...]
    summary: str
    reasons: tuple[ReasonView, ...]
    least_cosine: str
    cosines: tuple[CosineView, ...]


class GeneratedTests:
    """The cases of every generated test, made when they are asked for, once."""

    def __init__(self, catalog: Catalog, decisions: Decisions, compiled: CompiledMarches, inputs: Inputs) -> None:
        """Hold what they are made from."""
        self.kernels = cache(partial(kernel_tests, catalog, compiled, inputs))
        """March, or None for the kernels of no march -> the tests of its kernels."""
        self.ops = cache(partial(op_tests, catalog, decisions, inputs))
        """March -> the tests of the operators on it."""
        self.accuracy = cache(partial(accuracy_view, catalog, decisions, self))
        """Every operator's numbers."""


def accuracy_view(catalog: Catalog, decisions: Decisions, tests: GeneratedTests) -> AccuracyView:
    """Count and look up. A test of an operator counts twice: it compares with QAT, and each kernel with its definition."""
    compared = sum(len(tests.ops(march).supported) for march in catalog.marches)
    exact = compared + sum(len(tests.kernels(march).cases) for march in (*catalog.marches, None))
    untested = tuple(untested_cells(catalog, decisions, tests))
    heads = [f"{march}: {what}" for march in catalog.marches for what in ("exact", "QAT", "worst steps")]
    counts = f"{exact} tests of exactness, {compared} tests of QAT against integers"
    return AccuracyView(
        header="| operator | " + " | ".join(heads) + " |",
        rule="|---|" + "---|" * len(heads),
        rows=tuple(_rows(catalog, tests)),
        summary=f"{counts}, {len(untested)} supported cells without tests.",
        reasons=tuple(_reasons(catalog)),
        least_cosine=str(catalog.ratchet.spec.least_cosine),
        cosines=tuple(
            CosineView(op, catalog.ops[op].spec.title, f"{cosine:.6f}")
            for op, cosine in catalog.ratchet.spec.cosines.items()
        ),
    )


def _reasons(catalog: Catalog) -> Iterator[ReasonView]:
    for reason, text in catalog.ratchet.spec.reasons.items():
        ops = [op.spec for op in catalog.ops.values() if reason in op.spec.why]
        yield ReasonView(sentence(text), ", ".join(f"[{op.title}](ops/{op.id}.md)" for op in ops))


def untested_cells(catalog: Catalog, decisions: Decisions, tests: GeneratedTests) -> Iterator[str]:
    """The supported cells that no test holds: operator, march, input and output dtype."""
    tested = {
        (case.op, march, case.source, case.output) for march in catalog.marches for case in tests.ops(march).supported
    }
    for (op, march, dtype), decision in decisions.items():
        if decision.status == "supported":
            for output in decision.outputs:
                if (op, march, dtype, output) not in tested:
                    yield f"{op} on {march}, {dtype} -> {output}"


def _rows(catalog: Catalog, tests: GeneratedTests) -> Iterator[AccuracyRowView]:
    kernels = {
        march: Counter(case.kernel for case in (*tests.kernels(march).cases, *tests.kernels(None).cases))
        for march in catalog.marches
    }
    compared = {march: Counter(case.op for case in tests.ops(march).supported) for march in catalog.marches}
    for op in catalog.ops.values():
        spec = op.spec
        marches = []
        for march in catalog.marches:
            count = compared[march][spec.id]
            exact = count + kernels[march][spec.kernel or ""] if count else 0
            steps = ", ".join(f"{dtype} {worst}" for dtype, worst in worst_steps(catalog, spec.id, march).items())
            marches.append(MarchAccuracy(march, exact, count, steps or UNMEASURED))
        if any(m.compared for m in marches):
            cells = " | ".join(f"{m.exact} | {m.compared} | {m.worst}" for m in marches)
            yield AccuracyRowView(spec.id, spec.title, tuple(marches), cells)
