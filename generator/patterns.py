"""Pattern families to patterns: every combination of their axes, longest first.

In: the catalog's pattern families. Out: `Expanded` patterns, and diagnostics for names that lead nowhere. What patterns do to each other
is in `overlaps`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from generator.diag import Diagnostic, Span, did_you_mean
from generator.link import Catalog, Linked
from generator.schema_policy import Patterns


@dataclass(frozen=True, slots=True)
class Expanded:
    """One fusable chain: a base operator and what follows it."""

    id: str
    base: str
    steps: tuple[str, ...]
    norms: tuple[str, ...]
    adds: tuple[str, ...]
    activation: str
    priority: int
    span: Span

    @property
    def norm(self) -> bool:
        """Whether a normalization is folded."""
        return "norm" in self.steps

    @property
    def add(self) -> bool:
        """Whether a second operand is added."""
        return "add" in self.steps

    @property
    def tail(self) -> bool:
        """Whether anything is left after folding, so that a container is needed."""
        return self.add or bool(self.activation)


def expand(catalog: Catalog) -> tuple[tuple[Expanded, ...], tuple[Diagnostic, ...]]:
    """Expand every family.

    Returns:
        Patterns, longer ones first, then by priority, then by id; and a diagnostic for each dangling operator.
    """
    diagnostics: list[Diagnostic] = []
    expanded: list[Expanded] = []
    for family in catalog.patterns:
        diagnostics.extend(_dangling(catalog, family))
        expanded.extend(expand_family(family.spec, partial(family.span, "patterns")))
    ordered = sorted(expanded, key=lambda p: (-len(p.steps), -p.priority, p.id))
    return tuple(ordered), tuple(diagnostics)


def expand_family(spec: Patterns, place: Callable[[int], Span]) -> Iterator[Expanded]:
    """The patterns of a family; `place` says where a line of it stands."""
    for index, steps in enumerate(spec.patterns):
        if not _starts_with_base(steps):
            continue  # told by _dangling
        activations = spec.axes.activation if "activation" in steps else ("",)
        for base, activation in product(spec.axes.base, activations):
            names = [base, *(activation if step == "activation" else step for step in steps[1:])]
            yield Expanded(
                id="_".join(names),
                base=base,
                steps=steps,
                norms=spec.roles.norm,
                adds=spec.roles.add,
                activation=activation,
                priority=spec.priority,
                span=place(index),
            )


def _dangling(catalog: Catalog, family: Linked[Patterns]) -> Iterator[Diagnostic]:
    """Operators that a family names and that do not exist."""
    spec = family.spec
    for section, entries in (("axes", spec.axes), ("roles", spec.roles)):
        for field in type(entries).model_fields:
            for index, name in enumerate(getattr(entries, field)):
                if name not in catalog.ops:
                    span = family.span(section, field, index)
                    yield Diagnostic(
                        "C010",
                        f"patterns name {name!r}, which is not an operator",
                        span,
                        hint=did_you_mean(name, catalog.ops),
                    )
    for mode, name in spec.forced.items():
        if name not in catalog.ops:
            span, near = family.span("forced", mode), did_you_mean(name, catalog.ops)
            yield Diagnostic("C010", f"{mode} forces {name!r}, which is not an operator", span, hint=near)
    for index, steps in enumerate(spec.patterns):
        if not _starts_with_base(steps):
            yield Diagnostic("C011", "a pattern starts with its base, once", family.span("patterns", index))


def _starts_with_base(steps: tuple[str, ...]) -> bool:
    return steps[:1] == ("base",) and steps.count("base") == 1
