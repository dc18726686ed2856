"""Evaluators of everything that is no formula: marches, the support matrix, patterns, operators, training, prose.

In: a Comparison. Out: events. Each evaluator knows one kind of change, and in which direction it breaks.
"""

from collections.abc import Iterator

from generator.decide import Decision
from generator.patterns import Expanded
from generator.review.events import Comparison, Event, Severity
from generator.review.fields import WHOLE, FieldChange

_FUNCTIONS = "it decides what a call on a quantized tensor does"


def marches(comparison: Comparison) -> Iterator[Event]:
    """Marches that one side has."""
    old, new = comparison.old.catalog.marches, comparison.new.catalog.marches
    for name in (name for name in new if name not in old):
        parent = new[name].spec.extends
        text = f"is new, extends {parent}" if parent else "is new"
        yield Event("note", name, "march", text, "no model was converted for it", _whole(comparison, "march", name))
    for name in (name for name in old if name not in new):
        reason = "models of this march can be neither prepared nor loaded"
        yield Event("breaking", name, "march", "is gone", reason, _whole(comparison, "march", name))


def march_names(comparison: Comparison) -> Iterator[Event]:
    """Names by which users choose a march."""
    for field in comparison.fields_of("march"):
        if field.path[:1] and field.path[0] in ("constant", "aliases"):
            for name in field.marches:
                yield Event("warning", name, field.field, change_text(field), "scripts name the march by it", (field,))


def operators(comparison: Comparison) -> Iterator[Event]:
    """Operators that one side has."""
    old, new = comparison.old.catalog.ops, comparison.new.catalog.ops
    for name in (name for name in new if name not in old):
        cells = sum(d.op == name and d.status == "supported" for d in comparison.new.decisions.values())
        text = f"is new, {cells} cells supported"
        yield Event("note", "", f"operator {name}", text, "nothing used it before", _whole(comparison, "op", name))
    for name in (name for name in old if name not in new):
        reason = "models that use it can be neither prepared nor loaded"
        yield Event("breaking", "", f"operator {name}", "is gone", reason, _whole(comparison, "op", name))


def decisions(comparison: Comparison) -> Iterator[Event]:
    """Cells of the support matrix."""
    for key, after in comparison.new.decisions.items():
        before = comparison.old.decisions.get(key)
        if before is None or (before.status, before.outputs, before.reason) == (
            after.status,
            after.outputs,
            after.reason,
        ):
            continue
        severity, reason = _judged(before, after)
        causes = tuple(f for f in comparison.fields_of("op", "march") if _decides(comparison, f, after))
        yield Event(
            severity, after.march, f"cell {after.op} {after.dtype}", f"{_cell(before)} -> {_cell(after)}", reason, causes, (after.op,),
            neutral=before.status == after.status != "supported",
        )  # fmt: skip


def _judged(before: Decision, after: Decision) -> tuple[Severity, str]:
    lost = [output for output in before.outputs if output not in after.outputs]
    if before.status == "supported" != after.status:
        return "breaking", "models that were accepted are refused"
    if lost:
        return "breaking", f"an output that was allowed is refused: {', '.join(lost)}"
    if after.status == "supported":
        return "note", "more models are accepted; those accepted before stay as they are"
    return "note", "only the reason that a user reads changes"


def _cell(decision: Decision) -> str:
    return f"supported ({', '.join(decision.outputs)})" if decision.outputs else f"{decision.status}: {decision.reason}"


def _decides(comparison: Comparison, field: FieldChange, decision: Decision) -> bool:
    if field.kind == "march":
        return decision.march in field.marches and field.path[:2] == ("features", decision.dtype)
    ops = {linked.spec.id for linked in comparison.new.catalog.likes(decision.op)}
    marches_ = {*comparison.new.catalog.lineage(decision.march), "default"}
    in_support = field.path[:1] == ("support",) and (len(field.path) == 1 or field.path[1] in marches_)
    return field.id in ops and (in_support or field.path == ("like",))


def patterns(comparison: Comparison) -> Iterator[Event]:
    """Fusable chains, as many as one line of a spec stands for."""
    old, new = ({p.id: p for p in side.patterns} for side in (comparison.old, comparison.new))
    gone = [p for name, p in old.items() if name not in new]
    fresh = [p for name, p in new.items() if name not in old]
    for steps in dict.fromkeys(p.steps for p in gone):
        chains = [p for p in gone if p.steps == steps]
        text = f"{_chains(chains)} fused; {_instead(steps, tuple(new.values()))}"
        reason = "the parts are quantized one by one: other integers, other names in state dicts"
        yield _pattern(comparison, "breaking", steps, f"no longer {text}", reason, chains)
    for steps in dict.fromkeys(p.steps for p in fresh):
        chains = [p for p in fresh if p.steps == steps]
        reason = "models prepared before had these parts on their own, with names of their own in state dicts"
        yield _pattern(comparison, "warning", steps, f"now {_chains(chains)} fused", reason, chains)
    for name in (name for name in new if name in old and old[name].priority != new[name].priority):
        text = f"priority {old[name].priority} -> {new[name].priority}"
        reason = "where two chains of one length overlap the other one may be fused"
        yield _pattern(comparison, "warning", new[name].steps, f"{name}: {text}", reason, [new[name]])


def _pattern(
    comparison: Comparison, severity: Severity, steps: tuple[str, ...], text: str, reason: str, chains: list[Expanded]
) -> Event:
    bases = tuple(dict.fromkeys(chain.base for chain in chains))
    return Event(severity, "", f"pattern {' -> '.join(steps)}", text, reason, comparison.fields_of("patterns"), bases)


def _chains(chains: list[Expanded]) -> str:
    noun = "1 chain" if len(chains) == 1 else f"{len(chains)} chains"
    return f"{noun} ({', '.join(chain.id for chain in chains)})"


def _instead(steps: tuple[str, ...], left: tuple[Expanded, ...]) -> str:
    """What of a chain is still fused."""
    shorter = [p.steps for p in left if p.steps == steps[: len(p.steps)]]
    if not shorter:
        return "its parts stay apart"
    longest = max(shorter, key=len)
    return f"{' -> '.join(longest)} still is, {', '.join(steps[len(longest) :])} stays behind it"


def operator_fields(comparison: Comparison) -> Iterator[Event]:
    """What an operator says beside its support and its limits."""
    for field in comparison.fields_of("op"):
        if field.path and field.path[0] not in ("support", "like") and not _is_limit(field):
            tests = field.path[0].startswith("cases")
            severity: Severity = "note" if tests else "warning"
            reason = "generated tests change, nothing else" if tests else "the modules that are generated for it change"
            subject = f"operator {field.id}: {field.field}"
            yield Event(severity, "", subject, change_text(field), reason, (field,), (field.id,), neutral=tests)


def limits(comparison: Comparison) -> Iterator[Event]:
    """Limits of shapes, of operators and of marches."""
    for field in comparison.fields_of("op", "march"):
        if _is_limit(field):
            reason = "the check of a model's shapes refuses or accepts others; integers stay as they are"
            for march in field.marches or ("",):
                yield Event(
                    "warning", march, f"{field.kind} {field.id}: {field.field}", change_text(field), reason, (field,)
                )


def _is_limit(field: FieldChange) -> bool:
    return bool(field.path) and field.path[0].partition("[")[0] == "limits"


def color_fields(comparison: Comparison) -> Iterator[Event]:
    """What a colour space says beside the rows of its matrices."""
    for field in comparison.fields_of("color"):
        matrix = len(field.path) > 2 and field.path[0] == "swings"  # noqa: PLR2004 - swings.<swing>.<field>
        if not matrix:
            yield Event(
                "breaking",
                "",
                f"colour {field.id}: {field.field or 'space'}",
                change_text(field),
                "conversions by default values change",
                (field,),
            )


def dtypes(comparison: Comparison) -> Iterator[Event]:
    """Dtypes."""
    for field in comparison.fields_of("dtypes"):
        yield Event(
            "breaking",
            "",
            f"dtype {field.field.removeprefix('dtypes.')}",
            change_text(field),
            "integers of converted models are stored so",
            (field,),
        )


def training(comparison: Comparison) -> Iterator[Event]:
    """Observers and qconfigs."""
    for field in comparison.fields_of("observers", "qconfigs"):
        reason = "models prepared from now on are calibrated or trained differently; converted ones stay"
        yield Event("warning", "", f"{field.kind} {field.field}", change_text(field), reason, (field,))


def tensor_functions(comparison: Comparison) -> Iterator[Event]:
    """Functions of quantized tensors."""
    for field in comparison.fields_of("qtensor"):
        yield Event("warning", "", f"functions of tensors: {field.field}", change_text(field), _FUNCTIONS, (field,))


def prose(comparison: Comparison) -> Iterator[Event]:
    """What only people read."""
    for field in comparison.fields:
        if field.is_prose:
            yield Event(
                "note",
                "",
                f"{field.kind} {field.id}: {field.field}",
                "another text",
                "documentation only",
                (field,),
                neutral=True,
            )


def _whole(comparison: Comparison, kind: str, name: str) -> tuple[FieldChange, ...]:
    return tuple(field for field in comparison.fields if (field.kind, field.id) == (kind, name))


def change_text(field: FieldChange) -> str:
    """`half_up -> floor`, `added`, `removed`."""
    if field.old_span is None:
        return "added" if field.new == WHOLE else f"added: {_short(field.new)}"
    if field.new_span is None:
        return "removed" if field.old == WHOLE else f"removed: {_short(field.old)}"
    return f"{_short(field.old)} -> {_short(field.new)}"


def _short(value: object) -> str:
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - what fits a line
