"""View of `_limits.py`: the limits of each operator on each march.

In: the catalog. Out: rows whose limits are Python expressions, for example::

    Limit(Condition("attribute", ("kernel_size",), bounds=Bounds(max=7)), rule="kernel_size", limit="at most 7", remedy="...")
"""

from dataclasses import dataclass
from functools import partial

from generator.inputs import Inputs
from generator.limits import limits_of, quantity, tensors_of
from generator.limits_text import bounds_text, remedy_text, subject_text
from generator.link import Catalog
from generator.schema_limits import BOUNDS, Bounded, Derived, Limit


@dataclass(frozen=True, slots=True)
class LimitRowView:
    """One operator on the marches where its limits are the same."""

    op: str
    marches: tuple[str, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GeneralView:
    """The limits of a march."""

    march: str
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LimitsView:
    """Everything in `_limits.py`."""

    general: tuple[GeneralView, ...]
    rows: tuple[LimitRowView, ...]


def limits_view(catalog: Catalog, inputs: Inputs) -> LimitsView:
    """Every limit of every operator."""
    return LimitsView(
        general=tuple(
            GeneralView(march, tuple(map(_limit, linked.spec.limits))) for march, linked in catalog.marches.items()
        ),
        rows=tuple(row for rows in inputs.every("limits", partial(_rows, catalog)) for row in rows),
    )


def _rows(catalog: Catalog, op: str) -> tuple[LimitRowView, ...]:
    """An operator's rows; none for a march whose limits alone hold."""
    same: dict[tuple[str, ...], list[str]] = {}
    for march, linked in catalog.marches.items():
        held = tuple(held.limit for held in limits_of(catalog, op, march))
        if held != linked.spec.limits:
            same.setdefault(tuple(_held(limit, march, linked.spec.limits) for limit in held), []).append(march)
    return tuple(LimitRowView(op, tuple(marches), expressions) for expressions, marches in same.items())


def _held(limit: Limit, march: str, general: tuple[Limit, ...]) -> str:
    """A limit, by reference where it is the march's."""
    return f"GENERAL[{march!r}][{general.index(limit)}]" if limit in general else _limit(limit)


def _limit(limit: Limit) -> str:
    texts = f"rule={subject_text(limit)!r}, limit={bounds_text(limit)!r}, remedy={remedy_text(limit)!r}"
    when = f", when={_condition(limit.when)}" if limit.when else ""
    return f"Limit({_condition(limit)}, {texts}{when})"


def _condition(bounded: Bounded) -> str:
    name = quantity(bounded)
    value = getattr(bounded, name)
    what = value if isinstance(value, tuple) else () if value is True else (value,)
    parts = [repr(name)]
    parts += [f"what={what!r}"] if what else []
    parts += [f"of={of!r}"] if (of := tensors_of(bounded)) != "input" else []
    parts += [f"item={bounded.item}"] if bounded.item is not None else []
    bounds = ", ".join(f"{b}={_bound(v)}" for b in BOUNDS if (v := getattr(bounded, b)) is not None)
    parts += [f"bounds=Bounds({bounds})"] if bounds else []
    return f"Condition({', '.join(parts)})"


def _bound(value: object) -> str:
    if not isinstance(value, Derived):
        return repr(value)
    return f"Derived({value.attribute!r}, plus={value.plus}, over={value.over!r})"
