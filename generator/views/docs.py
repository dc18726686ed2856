"""Views of generated/docs: the support matrix, the pattern catalogue, one page a march with its formulas.

In: decisions, patterns and compiled kernels. Out: rows of final text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from generator.decide import Decision, Decisions, feature_dtypes
from generator.inputs import Inputs
from generator.link import Catalog
from generator.patterns import Expanded
from generator.proven import CompiledMarches
from generator.schema_base import Spec


@dataclass(frozen=True, slots=True)
class MatrixRowView:
    """One operator: a cell a march, and the reasons why not; `op` names its page."""

    op: str
    title: str
    cells: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MatrixSectionView:
    """The operators of one namespace."""

    title: str
    rows: tuple[MatrixRowView, ...]


@dataclass(frozen=True, slots=True)
class MatrixView:
    """The support matrix."""

    header: str
    rule: str
    sections: tuple[MatrixSectionView, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class PatternRowView:
    """One fusable chain."""

    id: str
    chain: str
    result: str


@dataclass(frozen=True, slots=True)
class PatternsView:
    """The pattern catalogue."""

    doc: str
    rows: tuple[PatternRowView, ...]


@dataclass(frozen=True, slots=True)
class FormulaView:
    """One kernel's formulas."""

    name: str
    doc: str
    source: str
    lines: tuple[str, ...]
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactView:
    """One field of a march."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MarchPageView:
    """A page about one march."""

    title: str
    id: str
    boards: str
    doc: str
    facts: tuple[FactView, ...]
    formulas: tuple[FormulaView, ...]


def matrix_view(catalog: Catalog, decisions: Decisions, inputs: Inputs) -> MatrixView:
    """Every operator on every march."""
    marches = tuple(catalog.marches)
    todo = sum(d.status == "todo" for d in decisions.values())
    supported = sum(d.status == "supported" for d in decisions.values())
    return MatrixView(
        header="| operator | " + " | ".join(marches) + " |",
        rule="|---|" + "---|" * len(marches),
        sections=tuple(_sections(inputs.every("matrix", partial(_row, catalog, decisions)))),
        summary=f"{len(decisions)} cells: {supported} supported, {len(decisions) - supported - todo} unsupported, {todo} to do.",
    )


_SECTIONS = (
    "torch.nn.functional",
    "torch.nn",
    "torch.quantization",
    "torch.Tensor",
    "torch",
    "torchvision",
    "horizon",
    "",
)
"""Namespaces, in the order in which a title is looked for in them; the last one takes the others."""


def _sections(found: Iterable[MatrixRowView]) -> Iterator[MatrixSectionView]:
    """The rows by the namespace of their titles, in the order of the manual: functions first."""
    rows: dict[str, list[MatrixRowView]] = {}
    for row in found:
        section = next(name for name in _SECTIONS if row.title.startswith(f"{name}.") or not name)
        rows.setdefault(section, []).append(row)
    for section in sorted(rows, key=lambda name: (name != "torch", _SECTIONS.index(name))):
        in_order = sorted(rows[section], key=lambda row: row.title.casefold())
        yield MatrixSectionView(section or "Methods of FloatFunctional", tuple(in_order))


def _row(catalog: Catalog, decisions: Decisions, op: str) -> MatrixRowView:
    dtypes = feature_dtypes(catalog)
    cells = []
    reasons: dict[str, list[str]] = {}
    for march in catalog.marches:
        row = [decisions[op, march, dtype] for dtype in dtypes]
        where = " (host CPU)" if catalog.ops[op].spec.host else ""
        cells.append("<br>".join(f"{_cell(d)}{where}" for d in row if d.status == "supported") or "-")
        for d in row:
            if d.status != "supported" and not d.of_march:
                reasons.setdefault(f"{d.dtype}: {d.reason}", []).append(march)
    lines = tuple(f"{', '.join(names)}, {reason}" for reason, names in reasons.items())
    return MatrixRowView(op, catalog.ops[op].spec.title, " | ".join(cells), lines)


def _cell(decision: Decision) -> str:
    return f"{decision.dtype} -> {', '.join(decision.outputs)}"


def patterns_view(catalog: Catalog, patterns: tuple[Expanded, ...]) -> PatternsView:
    """Every chain, longest first."""
    doc = " ".join(family.spec.doc.strip() for family in catalog.patterns)
    return PatternsView(doc, tuple(PatternRowView(p.id, _chain(catalog, p), _result(p)) for p in patterns))


def _chain(catalog: Catalog, pattern: Expanded) -> str:
    titles = {
        "base": (pattern.base,),
        "norm": pattern.norms,
        "add": pattern.adds,
        "activation": (pattern.activation,),
    }
    return " -> ".join("/".join(catalog.ops[op].spec.title for op in titles[step]) for step in pattern.steps)


def _result(pattern: Expanded) -> str:
    if not pattern.tail:
        return "the base, folded, at its own name"
    return "at the add's name" if pattern.add else "at the base's name"


def march_view(catalog: Catalog, decisions: Decisions, compiled: CompiledMarches, march: str) -> MarchPageView:
    """A page about one march."""
    spec = catalog.marches[march].spec
    entries = {(e.kernel.id, e.kernel.variant): e.kernel for e in catalog.kernels}
    formulas = []
    for role, kernel in compiled.by_march[march].facts.items():
        source = entries[role, kernel.label.partition("/")[2] or None]
        formulas.append(FormulaView(kernel.label, source.doc.strip(), source.source, kernel.math, kernel.proof))
    facts = (*_facts(spec.requantize, "requantize"), *_facts(spec.accumulator, "accumulator"))
    facts += (*_facts(spec.sampling, "sampling"), *_facts(spec.regions, "regions"))
    facts += (*_facts(spec.detection, "detection"), *_facts(spec.training, "training"))
    facts += tuple(FactView(f"rounding of {site}", mode) for site, mode in spec.rounding.items())
    facts += tuple(FactView(f"algorithm of {role}", variant) for role, variant in spec.algorithm.items())
    supported = sum(d.status == "supported" for d in decisions.values() if d.march == march)
    facts += (FactView("supported cells", str(supported)),)
    return MarchPageView(spec.title, march, ", ".join(spec.boards), spec.doc.strip(), facts, tuple(formulas))


def _facts(spec: Spec, prefix: str) -> tuple[FactView, ...]:
    facts: list[FactView] = []
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Spec):
            facts.extend(_facts(value, f"{prefix} {name}"))
        elif value is not None:
            facts.append(FactView(f"{prefix} {name}".replace("_", " "), str(value)))
    return tuple(facts)
