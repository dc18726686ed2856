"""(operator, march, dtype) to a Decision: supported, unsupported with a reason, or todo with a reason.

In: the Catalog. Out: a decision for every cell, and a diagnostic for every cell that no spec decides; for a reader also the
chain of reasons and their places. A march takes its own entry, else its parent's, else the operator's `default`; else a float
operator of the host takes float32 alone; else what the march's `features` say of the dtype.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from generator.diag import Diagnostic, Span, did_you_mean
from generator.link import Catalog, Linked
from generator.memo import Memo, digest
from generator.schema_op import Cell, Op, Refusal

DEFAULT = "default"
FLOAT = "float32"
HOST = {
    "before_quant": "a float operator of the host CPU; use it on float32, before the QuantStubs",
    "after_dequant": "a float operator of the host CPU; use it on float32, after a DeQuantStub",
}
"""Why a float operator takes no integers, by where it stands in a model."""
Status = Literal["supported", "unsupported", "todo"]
_NOT_READ = ("title", "boards", "doc", "constant", "aliases", "rounding", "algorithm")
"""Fields of a march that reach operators through kernels alone, or not at all."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of a decision and where it was written."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Decision:
    """What one operator does with one input dtype on one march."""

    op: str
    march: str
    dtype: str
    status: Status
    outputs: tuple[str, ...]
    reason: str
    of_march: bool = False  # the operator says nothing: the march takes no such features from any


Decisions = Mapping[tuple[str, str, str], Decision]


def feature_dtypes(catalog: Catalog) -> tuple[str, ...]:
    """The columns of the support matrix: every dtype that some march's features mention, in order."""
    seen: dict[str, None] = {}
    for march in catalog.marches.values():
        seen.update(dict.fromkeys(march.spec.features))
    return tuple(seen)


def march_facts(catalog: Catalog) -> str:
    """A digest of what operators read of marches themselves, not through kernels, and of where it stands."""
    found = []
    for name, linked in catalog.marches.items():
        said = {key: value for key, value in linked.spec if key not in _NOT_READ}
        places = [linked.origin("features", dtype) for dtype in feature_dtypes(catalog)]
        found.append((name, tuple(catalog.lineage(name)), said, places))
    return digest(found, catalog.dtypes.digest)


def decide(catalog: Catalog, memo: Memo | None = None) -> tuple[Decisions, tuple[Diagnostic, ...]]:
    """Decide every cell; the memo knows those of operators that are as they were."""
    decisions: dict[tuple[str, str, str], Decision] = {}
    diagnostics: list[Diagnostic] = []
    facts, memo = march_facts(catalog), memo or Memo()
    for op in catalog.ops.values():
        follows = (facts, [linked.digest for linked in catalog.likes(op.spec.id)])
        cells, found = memo.remember("decide", (op.spec.id, follows), partial(_decide_op, catalog, op))
        decisions.update(cells)
        diagnostics.extend(found)
    return decisions, tuple(diagnostics)


def _decide_op(catalog: Catalog, op: Linked[Op]) -> tuple[Decisions, tuple[Diagnostic, ...]]:
    """Decide the cells of one operator."""
    decisions: dict[tuple[str, str, str], Decision] = {}
    columns = feature_dtypes(catalog)
    diagnostics = _dangling(catalog, op, columns)
    for march in sorted(catalog.marches, key=lambda march: len(tuple(catalog.lineage(march)))):
        for dtype in columns:
            found = _decide(catalog, op, march, dtype)
            if isinstance(found, Diagnostic):
                parent = catalog.marches[march].spec.extends
                if parent is None or (op.spec.id, parent, dtype) in decisions:
                    diagnostics.append(found)  # else the parent's cell is told already
            else:
                decisions[op.spec.id, march, dtype] = found
    return decisions, tuple(diagnostics)


def _dangling(catalog: Catalog, op: Linked[Op], columns: tuple[str, ...]) -> list[Diagnostic]:
    """Entries of the support table for marches or dtypes that do not exist."""
    found = []
    for march, row in op.spec.support.items():
        if march not in (*catalog.marches, DEFAULT):
            span = op.key_span("support", march)
            found.append(
                Diagnostic(
                    "D002",
                    f"{op.spec.id}: support for {march!r}, which is not a march",
                    span,
                    hint=did_you_mean(march, catalog.marches),
                )
            )
        for dtype, cell in row.items():
            named = (dtype, *(cell if isinstance(cell, tuple) else ()))
            for name in named:
                if name not in columns and (name == dtype or name not in catalog.dtypes.spec.dtypes):
                    place = ("support", march, dtype)
                    span = op.key_span(*place) if name == dtype else op.span(*place, named.index(name) - 1)
                    found.append(
                        Diagnostic(
                            "D003",
                            f"{op.spec.id}: {name!r} is not a feature dtype of any march",
                            span,
                            hint=did_you_mean(name, columns),
                        )
                    )
    return found


def _decide(catalog: Catalog, op: Linked[Op], march: str, dtype: str) -> Decision | Diagnostic:
    cell = next((cell for _, _, cell in _entries(catalog, op.spec.id, march, dtype) if cell is not None), None)
    if cell is not None:
        return _from_cell(op.spec.id, march, dtype, cell)
    if op.spec.host is not None:
        outputs, reason = ((FLOAT,), "") if dtype == FLOAT else ((), HOST[op.spec.host])
        return Decision(op.spec.id, march, dtype, "supported" if outputs else "unsupported", outputs, reason)
    linked = catalog.marches[march]
    feature = linked.spec.features.get(dtype)
    if feature is None or feature == "supported":
        origin = linked.origin("features", dtype)
        return Diagnostic(
            "D001",
            f"{op.spec.id} is undecided for {dtype} on {march}",
            op.key_span("support"),
            hint=f"say under support.{march}.{dtype} which dtypes come out, or {{unsupported: the reason}}",
            related=((origin.span, f"{march} computes {dtype} features, so the operator must decide"),),
        )
    return Decision(op.spec.id, march, dtype, "unsupported", (), feature, of_march=True)


def _entries(catalog: Catalog, op: str, march: str, dtype: str) -> Iterator[tuple[Linked[Op], str, Cell | None]]:
    """(operator, march, its cell or None) in the order in which they count; the first cell decides."""
    for source in catalog.likes(op):
        for ancestor in (*catalog.lineage(march), DEFAULT):
            yield source, ancestor, source.spec.support.get(ancestor, {}).get(dtype)


def reasons(catalog: Catalog, decision: Decision) -> Iterator[Reason]:
    """Why a decision is as it is: each place that was looked at, up to the one that decides."""
    march, dtype = decision.march, decision.dtype
    for source, ancestor, cell in _entries(catalog, decision.op, march, dtype):
        if cell is not None:
            own = "" if ancestor == march else f" (inherited by {march})"
            text = f"{source.spec.id} on {ancestor}, {dtype}: {_text(cell, dtype)}{own}"
            yield Reason(text, source.span("support", ancestor, dtype))
            return
        yield Reason(f"{source.spec.id} says nothing of {dtype} on {ancestor}", source.span("support"))
        if ancestor == DEFAULT and source.spec.like:
            yield Reason(f"{source.spec.id} is like {source.spec.like}", source.span("like"))
    if not decision.of_march:
        yield Reason(f"{decision.op} runs on the host CPU", catalog.ops[decision.op].span("host"))
        return
    origin = catalog.marches[march].origin("features", dtype)
    yield Reason(f"features.{dtype} of {march} ({origin.how}): {decision.reason}", origin.span)


def _text(cell: Cell, dtype: str) -> str:
    if isinstance(cell, Refusal):
        return f"unsupported: {cell.unsupported}" if cell.unsupported else f"todo: {cell.todo}"
    return "supported, output " + ", ".join(_outputs(cell, dtype))


def _outputs(cell: tuple[str, ...] | str, dtype: str) -> tuple[str, ...]:
    return (dtype,) if isinstance(cell, str) else cell


def _from_cell(op: str, march: str, dtype: str, cell: Cell) -> Decision:
    if isinstance(cell, Refusal):
        if cell.unsupported:
            return Decision(op, march, dtype, "unsupported", (), cell.unsupported)
        return Decision(op, march, dtype, "todo", (), cell.todo or "")
    return Decision(op, march, dtype, "supported", _outputs(cell, dtype), "")
