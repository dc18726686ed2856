"""Pattern families to patterns: every combination of their axes, longest first.

In: the catalog's pattern families. Out: `Expanded` patterns, and diagnostics for patterns that no graph could tell apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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
        Patterns, longer ones first, then by priority, then by id; and a diagnostic for each dangling operator and for
        each pair of patterns that match the same graphs.
    """
    diagnostics: list[Diagnostic] = []
    expanded: list[Expanded] = []
    for family in catalog.patterns:
        diagnostics.extend(_dangling(catalog, family))
        expanded.extend(_expand(family))
    diagnostics.extend(_overlaps(expanded))
    ordered = sorted(expanded, key=lambda p: (-len(p.steps), -p.priority, p.id))
    return tuple(ordered), tuple(diagnostics)


def _expand(family: Linked[Patterns]) -> Iterator[Expanded]:
    spec = family.spec
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
                span=family.span("patterns", index),
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
    for index, steps in enumerate(spec.patterns):
        if not _starts_with_base(steps):
            yield Diagnostic("C011", "a pattern starts with its base, once", family.span("patterns", index))


def _starts_with_base(steps: tuple[str, ...]) -> bool:
    return steps[:1] == ("base",) and steps.count("base") == 1


def _overlaps(patterns: list[Expanded]) -> Iterator[Diagnostic]:
    """Pairs of lines, of equal length and priority, that match one and the same chain; the smallest chain is told."""
    seen: list[Expanded] = []
    told: set[tuple[Span, Span]] = set()
    for pattern in patterns:
        for other in seen:
            chain = _common_chain(pattern, other)
            lines = (other.span, pattern.span)
            if chain and pattern.priority == other.priority and lines not in told:
                told.add(lines)
                yield Diagnostic(
                    "C012",
                    f"patterns {other.id} and {pattern.id} match the same graph: {' -> '.join(chain)}",
                    pattern.span,
                    hint="remove one of them, or give its family another priority",
                    related=((other.span, "the other pattern"),),
                )
        seen.append(pattern)


def _common_chain(left: Expanded, right: Expanded) -> tuple[str, ...]:
    """The smallest chain of operators that both patterns match, or nothing."""
    if len(left.steps) != len(right.steps):
        return ()
    chain = []
    for mine, yours in zip(_choices(left), _choices(right), strict=True):
        common = [name for name in mine if name in yours]
        if not common:
            return ()
        chain.append(common[0])
    return tuple(chain)


def _choices(pattern: Expanded) -> list[tuple[str, ...]]:
    """The operators that each step matches."""
    of_role = {"base": (pattern.base,), "norm": pattern.norms, "add": pattern.adds, "activation": (pattern.activation,)}
    return [of_role[step] for step in pattern.steps]
