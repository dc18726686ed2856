"""View of generated/docs/ops: one page an operator.

In: the specs of an operator, its decisions, limits, compiled formulas and measured numbers. Out: rows of final text. What is
the same on several marches is said once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from generator.decide import Decisions, feature_dtypes
from generator.limits import limits_of
from generator.limits_text import bounds_text, remedy_text, subject_text
from generator.link import Catalog
from generator.proven import CompiledMarches
from generator.schema_op import Op
from generator.views.accuracy import GeneratedTests, MarchAccuracy
from generator.views.docs import FactView

_PACKAGE = "horizon_plugin_pytorch"


@dataclass(frozen=True, slots=True)
class CellRowView:
    """What an input dtype gives on a march, or why nothing."""

    march: str
    source: str
    outputs: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """Lines of text that hold on some marches."""

    marches: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpPageView:
    """Everything about one operator."""

    title: str
    doc: str
    facts: tuple[FactView, ...]
    cells: tuple[CellRowView, ...]
    limits: tuple[GroupView, ...]
    formulas: tuple[GroupView, ...]
    accuracy: tuple[MarchAccuracy, ...]


def op_page(
    catalog: Catalog, decisions: Decisions, compiled: CompiledMarches, tests: GeneratedTests, op: str
) -> OpPageView:
    """The page of one operator."""
    spec = catalog.ops[op].spec
    accuracy = next((row.marches for row in tests.accuracy().rows if row.op == op), ())
    return OpPageView(
        title=spec.title,
        doc=spec.doc.strip(),
        facts=tuple(FactView(name, value) for name, value in _facts(spec) if value),
        cells=tuple(_cells(catalog, decisions, op)),
        limits=tuple(_groups((march, "", _limit_lines(catalog, op, march)) for march in catalog.marches)),
        formulas=tuple(_groups(_formulas(compiled, spec, tuple(catalog.marches)))),
        accuracy=accuracy,
    )


def _facts(spec: Op) -> Iterator[tuple[str, str]]:
    form, python = spec.float, spec.python
    yield "float modules", _code(form.modules)
    yield "float functions", _code(form.functions)
    yield "methods of a tensor", _code(form.methods)
    yield "method of FloatFunctional", _code((python.method,) if python.method else ())
    yield "arguments", _code(_arguments(spec))
    yield "only with", _code(f"{name}={value}" for name, value in spec.requires.items())
    for folder in ("qat", "quantized"):
        if python.class_ and python.file:
            yield f"{folder} class", _code((f"{_PACKAGE}.nn.{folder}.{python.file}.{python.class_}",))
    yield "scale of the output", "its own" if spec.scale == "own" else "that of the input"
    yield "values in QAT that are the integers", "; ".join(_integer_cells(spec))


def _integer_cells(spec: Op) -> Iterator[str]:
    for march, row in spec.integer_forward.items():
        yield f"{march}: {', '.join(f'{source} to {target}' for source, targets in row.items() for target in targets)}"


def _arguments(spec: Op) -> tuple[str, ...]:
    named = (*spec.float.constructor, *(spec.mac.arguments if spec.mac else ()))
    called = (name for case in spec.cases for name in (*case.make, *case.call))
    return tuple(dict.fromkeys((*named, *called)))


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cells(catalog: Catalog, decisions: Decisions, op: str) -> Iterator[CellRowView]:
    """Cells of the marches, those first that give something."""
    for march in catalog.marches:
        for dtype in feature_dtypes(catalog):
            decision = decisions[op, march, dtype]
            if decision.status == "supported":
                yield CellRowView(march, dtype, ", ".join(decision.outputs))
            elif not decision.of_march:
                yield CellRowView(march, dtype, f"{decision.status}: {decision.reason}")


def _limit_lines(catalog: Catalog, op: str, march: str) -> tuple[str, ...]:
    limits = (held.limit for held in limits_of(catalog, op, march))
    return tuple(f"{subject_text(limit)}: {bounds_text(limit)}. Else {remedy_text(limit)}." for limit in limits)


def _formulas(
    compiled: CompiledMarches, spec: Op, marches: tuple[str, ...]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    role = spec.kernel or ""
    for march in marches:
        kernel = compiled.by_march[march].facts.get(role) or compiled.common.facts.get(role)
        if kernel is not None:
            yield march, kernel.label, kernel.math


def _groups(items: Iterable[tuple[str, str, tuple[str, ...]]]) -> Iterator[GroupView]:
    """One group for each text, with the marches that have it."""
    marches: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for march, title, lines in items:
        if lines:
            marches.setdefault((title, lines), []).append(march)
    for (title, lines), names in marches.items():
        yield GroupView(", ".join(names), title, lines)
