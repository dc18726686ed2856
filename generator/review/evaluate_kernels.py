"""Evaluators of integer formulas: kernels of marches, and colour conversions, executed before and after.

In: a Comparison. Out: one event for each kernel whose code differs, with the executed delta.
"""

from collections.abc import Iterator
from functools import cache

from generator.formula.model import Compiled
from generator.review.delta import Delta, kernel_delta
from generator.review.events import Comparison, Event
from generator.review.fields import FieldChange

_INTEGERS = "models that are converted compute other integers than before"
_REALS = "scales, QAT or float tools compute other values; integers of models already converted stay"
_OPERANDS = "it takes other operands than before, so that callers and converted models do not fit any more"
_SAME = "every output of both versions is equal on all vectors"


def changed_kernels(comparison: Comparison) -> Iterator[Event]:
    """Kernels that both sides have."""
    execute = cache(lambda old, new: kernel_delta(_by_code[old], _by_code[new], *comparison.dtypes))
    _by_code: dict[object, Compiled] = {}
    for march, before, after in _kernel_sets(comparison):
        for role in (role for role in after if role in before):
            old, new = before[role], after[role]
            if _code(old) == _code(new) and not _dtypes_differ(comparison, new):
                continue
            keys = (("old", _code(old)), ("new", _code(new)))
            _by_code |= dict(zip(keys, (old, new), strict=True))
            yield _event(comparison, march, role, (old, new), execute(*keys))


def added_and_removed_kernels(comparison: Comparison) -> Iterator[Event]:
    """Kernels that one side has."""
    for march, before, after in _kernel_sets(comparison):
        for role, kernel in after.items():
            if role not in before:
                causes = _causes(comparison, march, kernel)
                yield Event(
                    "note",
                    march,
                    f"kernel {role}",
                    "is new",
                    "nothing computed with it before",
                    causes,
                    after=kernel.math,
                )
        for role, kernel in before.items():
            if role not in after:
                causes = _causes(comparison, march, kernel)
                yield Event(
                    "breaking",
                    march,
                    f"kernel {role}",
                    "is gone",
                    "what was computed with it cannot be converted",
                    causes,
                    before=kernel.math,
                )


def _kernel_sets(comparison: Comparison) -> Iterator[tuple[str, dict[str, Compiled], dict[str, Compiled]]]:
    old, new = comparison.old.compiled, comparison.new.compiled
    for march in comparison.marches:
        yield march, dict(old.by_march[march]), dict(new.by_march[march])
    yield "", dict(old.common), dict(new.common)


def _code(kernel: Compiled) -> tuple[object, ...]:
    """What a kernel does, as code; names that only people read are no part of it."""
    spec = kernel.proved.kernel
    declared = (tuple(spec.types.items()), tuple(spec.integers.items()), tuple(spec.tensors.items()), spec.result)
    return (kernel.torch_derive, kernel.torch_compute, kernel.params, kernel.derive_args, kernel.compute_args, declared)


def _dtypes_differ(comparison: Comparison, kernel: Compiled) -> bool:
    old, new = comparison.dtypes
    named = {id_ for allowed in kernel.proved.kernel.types.values() for id_ in allowed}
    return any(old.get(name) != new.get(name) for name in named)


def _event(
    comparison: Comparison, march: str, role: str, pair: tuple[Compiled, Compiled], delta: Delta | None
) -> Event:
    old, new = pair
    causes = tuple(dict.fromkeys((*_causes(comparison, march, new), *_causes(comparison, march, old))))
    operators = _operators(comparison, march, role)
    subject = f"kernel {role}"
    if delta is None:
        return Event(
            "breaking", march, subject, "takes other operands", _OPERANDS, causes, operators, old.math, new.math
        )
    if not delta.changed:
        return Event(
            "note", march, subject, str(delta), _SAME, causes, operators, old.math, new.math, delta, neutral=True
        )
    real = new.result == "real"
    severity, reason = ("warning", _REALS) if real else ("breaking", _INTEGERS)
    return Event(severity, march, subject, str(delta), reason, causes, operators, old.math, new.math, delta)  # type: ignore[arg-type]  # one of two severities


def _operators(comparison: Comparison, march: str, role: str) -> tuple[str, ...]:
    """Operators that compute with a kernel on a march that supports them."""
    known = comparison.new
    supported = {d.op for d in known.decisions.values() if d.status == "supported" and march in ("", d.march)}
    return tuple(name for name, op in known.catalog.ops.items() if op.spec.kernel == role and name in supported)


def _causes(comparison: Comparison, march: str, kernel: Compiled) -> tuple[FieldChange, ...]:
    """The changed fields that a kernel is made from."""
    return tuple(
        field for field in comparison.fields if not field.is_prose and _reaches(comparison, field, march, kernel)
    )


def _reaches(comparison: Comparison, field: FieldChange, march: str, kernel: Compiled) -> bool:
    labels = {kernel.label, *kernel.calls}
    match field.kind:
        case "kernels":
            return any(part.startswith("kernels[") and part[8:-1] in labels for part in field.path[:1])
        case "march" if march in field.marches:
            roles = {label.partition("/")[0] for label in labels}
            top, *rest = field.path or ("",)
            name = ".".join(rest)
            return (
                (top == "rounding" and name in kernel.sites)
                or field.field in kernel.constants
                or (top == "algorithm" and name in roles)
            )
        case "rounding":
            catalogs = (comparison.old.catalog, comparison.new.catalog)
            used = {c.marches[march].spec.rounding.get(site) for c in catalogs if march for site in kernel.sites}
            return len(field.path) > 1 and field.path[1] in used
        case "dtypes":
            named = {name for allowed in kernel.proved.kernel.types.values() for name in allowed}
            return len(field.path) > 1 and field.path[1] in named
    return False
