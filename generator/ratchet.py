"""The ratchet: numbers that may only fall, compared with what the specs say.

In: the catalog and the decisions. Out: the numbers of a march, and diagnostics for a number that rose, one that fell and was
not lowered, and names that lead nowhere. The worst steps are compared by the generated tests, which measure them.
"""

from collections.abc import Collection, Iterator, Mapping

from generator.decide import Decisions, feature_dtypes
from generator.diag import Diagnostic, did_you_mean
from generator.link import Catalog

_REMEASURE = "remove it, or run: horizon-gen accuracy --measure"


def worst_steps(catalog: Catalog, op: str, march: str) -> Mapping[str, int]:
    """Output dtype -> worst steps measured on a march; a march without numbers of its own has those of its parent."""
    measured = catalog.ratchet.spec.worst_steps.get(op, {})
    return next((measured[name] for name in catalog.lineage(march) if name in measured), {})


def check_ratchet_names(catalog: Catalog) -> Iterator[Diagnostic]:
    """Operators, marches and dtypes that numbers are kept of."""
    ratchet = catalog.ratchet
    dtypes = {*catalog.dtypes.spec.dtypes, *feature_dtypes(catalog)}
    for op in ratchet.spec.cosines.keys() - catalog.ops.keys():
        hint = did_you_mean(op, catalog.ops) or _REMEASURE
        yield Diagnostic("C053", f"unknown operator {op!r}", ratchet.key_span("cosines", op), hint=hint)
    for op, by_march in ratchet.spec.worst_steps.items():
        named: list[tuple[str, str, Collection[str], tuple[str, ...]]] = [("operator", op, catalog.ops, (op,))]
        named += [("march", march, catalog.marches, (op, march)) for march in by_march]
        named += [("dtype", dtype, dtypes, (op, march, dtype)) for march, row in by_march.items() for dtype in row]
        for what, name, known, place in named:
            if name not in known:
                span = ratchet.key_span("worst_steps", *place)
                hint = did_you_mean(name, known) or _REMEASURE
                yield Diagnostic("C053", f"unknown {what} {name!r}", span, hint=hint)


def check_todo_cells(catalog: Catalog, decisions: Decisions) -> Iterator[Diagnostic]:
    """The number of cells that are to do is the one that is written."""
    todo = [f"{d.op} on {d.march}, {d.dtype}" for d in decisions.values() if d.status == "todo"]
    written = catalog.ratchet.spec.todo_cells
    if len(todo) != written:
        rose = len(todo) > written
        hint = f"decide them: {'; '.join(todo[:3])}{' ...' if len(todo) > 3 else ''}" if rose else f"write {len(todo)}"  # noqa: PLR2004 - enough to find them
        message = f"{len(todo)} cells are to do, {'more than' if rose else 'fewer than'} the {written} written here"
        yield Diagnostic("D004", message, catalog.ratchet.span("todo_cells"), hint=hint)


def check_reasons(catalog: Catalog) -> Iterator[Diagnostic]:
    """An operator that is further from QAT than others may be says why, by reasons that are written and used."""
    ratchet = catalog.ratchet
    reasons = ratchet.spec.reasons
    used: set[str] = set()
    for op in catalog.ops.values():
        used.update(op.spec.why)
        for number, reason in enumerate(op.spec.why):
            if reason not in reasons:
                hint = did_you_mean(reason, reasons) or f"write it under `reasons` of {ratchet.doc.path}"
                yield Diagnostic("C054", f"unknown reason {reason!r}", op.span("why", number), hint=hint)
        far = _far(catalog, op.spec.id)
        place = ratchet.key_span("worst_steps", op.spec.id) if far else None
        if far and op.spec.family not in ratchet.spec.explained_families:
            message = f"{op.spec.id} is {far} from QAT, which no operator of family {op.spec.family} may be"
            yield Diagnostic("C055", message, place, hint=_NEARER)
        elif far and not op.spec.why:
            yield Diagnostic("C055", f"{op.spec.id} is {far} from QAT and does not say why", place, hint=_REMEDY)
    for reason in sorted(reasons.keys() - used):
        yield Diagnostic(
            "C054", f"no operator names reason {reason!r}", ratchet.key_span("reasons", reason), hint="remove it"
        )


_REMEDY = "find out which rule it comes from, and name that reason of ratchet.yaml in `why` of the operator"

_NEARER = "let QAT take the march's integers there: name the cell in `integer_forward` of the operator"


def _far(catalog: Catalog, op: str) -> str:
    """The first number beyond what needs no reason, or nothing."""
    bounds = catalog.ratchet.spec.explain_above
    for march in catalog.marches:
        for dtype, steps in worst_steps(catalog, op, march).items():
            if steps > bounds.get(dtype, steps):
                return f"{steps} steps of {dtype}"
    return ""
