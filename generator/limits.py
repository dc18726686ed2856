"""(operator, march) to the limits that a layer keeps to: the operator's own and those of the march.

In: the Catalog. Out: `Held` limits with their places. A march takes the operator's own entry, else its parent's, else
`default`, else that of the operator which this one is like. To these come the march's limits, but for those of a quantity
of which the operator says something itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from generator.decide import DEFAULT
from generator.diag import Span
from generator.link import Catalog
from generator.schema_limits import QUANTITIES, Bounded, Limit, Which


@dataclass(frozen=True, slots=True)
class Held:
    """One limit and where it was written."""

    limit: Limit
    span: Span


def quantity(bounded: Bounded) -> str:
    """The field that says what is limited, such as "attribute"; the first one if there are several."""
    return next(iter(quantities(bounded)), "")


def quantities(bounded: Bounded) -> tuple[str, ...]:
    """Every quantity that a limit says; exactly one when it is well-formed."""
    return tuple(name for name in QUANTITIES if getattr(bounded, name) is not None)


def tensors_of(bounded: Bounded) -> Which:
    """Which tensors a limit speaks of."""
    by_quantity: dict[str, Which] = {"place": "output", "count": "inputs"}
    return bounded.of or by_quantity.get(quantity(bounded), "input")


def limits_of(catalog: Catalog, op: str, march: str) -> tuple[Held, ...]:
    """The limits of an operator on a march, its own first."""
    own = tuple(_own(catalog, op, march))
    said = {_subject(held.limit) for held in own}
    linked = catalog.marches[march]
    general = (Held(limit, linked.span("limits", i)) for i, limit in enumerate(linked.spec.limits))
    return (*own, *(held for held in general if _subject(held.limit) not in said))


def _own(catalog: Catalog, op: str, march: str) -> Iterator[Held]:
    for source in catalog.likes(op):
        for place in (*catalog.lineage(march), DEFAULT):
            if place in source.spec.limits:
                for index, limit in enumerate(source.spec.limits[place]):
                    yield Held(limit, source.span("limits", place, index))
                return


def _subject(limit: Bounded) -> tuple[str, object, str]:
    name = quantity(limit)
    return name, getattr(limit, name), tensors_of(limit)
