"""What must hold of limits: one quantity, a range that something lies in, names that lead somewhere.

In: the Catalog. Out: diagnostics at the limit.
"""

from collections.abc import Callable, Iterator
from itertools import product

from generator.diag import Diagnostic, Span, did_you_mean
from generator.limits import quantities, quantity
from generator.link import Catalog, Linked
from generator.schema import March
from generator.schema_limits import BOUNDS, Bounded, Derived, Limit
from generator.schema_op import Op
from generator.source import Pointer

_UNBOUNDED = frozenset({"broadcast", "place"})
_OF_TENSORS = frozenset({"sizes", "product", "count", "dims", "bytes", "magnitude", "scale", "dtype", "place"})
_Place = tuple[Bounded, Pointer]


def check_limits(catalog: Catalog) -> Iterator[Diagnostic]:
    """Every limit of every operator and march."""
    for op in catalog.ops.values():
        known = _arguments(catalog, op.spec)
        for march, limits in op.spec.limits.items():
            if march not in (*catalog.marches, "default"):
                hint = did_you_mean(march, (*catalog.marches, "default"))
                span = op.key_span("limits", march)
                yield Diagnostic("C030", f"unknown march {march!r}", span, hint=hint)
            for bounded, pointer in _parts(limits, ("limits", march)):
                yield from _check(catalog, bounded, _spans(op, pointer))
                yield from _check_names(op, bounded, pointer, known)
    for linked in catalog.marches.values():
        for bounded, pointer in _parts(linked.spec.limits, ("limits",)):
            if linked.origin(*pointer).how == "own":
                yield from _check(catalog, bounded, _spans(linked, pointer))


def _parts(limits: tuple[Limit, ...], pointer: Pointer) -> Iterator[_Place]:
    """Each limit and each condition of one, with its place."""
    for index, limit in enumerate(limits):
        yield limit, (*pointer, index)
        if limit.when is not None:
            yield limit.when, (*pointer, index, "when")


def _spans(linked: Linked[Op] | Linked[March], pointer: Pointer) -> Callable[[str], Span]:
    return lambda field: linked.span(*pointer, field)


def _check(catalog: Catalog, bounded: Bounded, span: Callable[[str], Span]) -> Iterator[Diagnostic]:
    found = quantities(bounded)
    if len(found) != 1:
        says = f"says {' and '.join(found)}" if found else "says nothing of what is limited"
        yield Diagnostic("C050", f"a limit names one quantity; this one {says}", span(""), hint="split it")
        return
    name = found[0]
    bounds = [bound for bound in BOUNDS if getattr(bounded, bound) is not None]
    if bool(bounds) == (name in _UNBOUNDED):
        text = f"a limit of {name!r} takes no bound, such as {bounds[0]!r}" if bounds else f"{name!r} is not bounded"
        yield Diagnostic("C050", text, span(name), hint=f"bounds: {', '.join(BOUNDS)}")
    yield from _empty(bounded, span)
    if name == "dtype":
        for value in (*(bounded.one_of or ()), *(bounded.none_of or ())):
            if value not in (known := (*catalog.dtypes.spec.dtypes, "float32")):
                yield Diagnostic(
                    "C024", f"unknown dtype {value!r}", span("one_of"), hint=did_you_mean(str(value), known)
                )


def _empty(bounded: Bounded, span: Callable[[str], Span]) -> Iterator[Diagnostic]:
    """A range that no number lies in."""
    for low, high in product(("min", "above"), ("max", "below")):
        least, most = getattr(bounded, low), getattr(bounded, high)
        if least is None or most is None or isinstance(least, Derived) or isinstance(most, Derived):
            continue
        if least > most or (least == most and (low, high) != ("min", "max")):
            yield Diagnostic("C039", f"an empty range: {low} {least}, {high} {most}", span(low))


def _arguments(catalog: Catalog, op: Op) -> frozenset[str]:
    """The arguments of an operator that its spec, or that of one it is like, mentions anywhere."""
    names: set[str] = set()
    for source in catalog.likes(op.id):
        spec = source.spec
        names.update(spec.mac.arguments if spec.mac else (), spec.window.arguments if spec.window else ())
        names.update(spec.float.constructor, spec.requires)
        for case in spec.cases:
            names.update(case.make, case.call)
    return frozenset(names)


def _check_names(op: Linked[Op], bounded: Bounded, pointer: Pointer, known: frozenset[str]) -> Iterator[Diagnostic]:
    """Attributes that the operator has; a weight only where there is one."""
    named = [(name, getattr(bounded, name)) for name in ("attribute", "axes")]
    for field in ("min", "max"):
        if isinstance(bound := getattr(bounded, field), Derived):
            named.append((f"{field}.attribute", bound.attribute))
            named.append((f"{field}.over", bound.over))
    for field, name in named:
        if isinstance(name, str) and name not in known:
            span = op.span(*pointer, *field.split("."))
            hint = did_you_mean(name, known) or "arguments are those of mac, window, float.constructor and cases"
            yield Diagnostic("C051", f"{op.spec.id} has no argument {name!r}", span, hint=hint)
    if quantity(bounded) in _OF_TENSORS and bounded.of == "weight" and op.spec.mac is None:
        yield Diagnostic("C052", f"{op.spec.id} has no weight", op.span(*pointer, "of"))
