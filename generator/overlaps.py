"""Which fusion patterns match the same graphs: ambiguous ones, and ones that another always beats.

In: expanded patterns. Out: `Overlap` values, each with a smallest graph: a chain of operators that both patterns match, so
that the generated matcher can be run on it. The matcher takes the longer pattern, then the one of higher priority; so only
patterns of one length compete, and the chains of a pattern are a box: one set of operators for each step.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from generator.diag import Diagnostic, Span
from generator.patterns import Expanded

Box = tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two patterns and a smallest chain of operators that both match.

    `ambiguous`: nothing says which of them wins. `shadowed`: others win wherever `loser` matches; `winner` is one of them.
    """

    kind: Literal["ambiguous", "shadowed"]
    winner: Expanded
    loser: Expanded
    chain: tuple[str, ...]


def overlaps(patterns: tuple[Expanded, ...]) -> Iterator[Overlap]:
    """Every pair that is ambiguous, in the order of the specs, and every pattern that can never match."""
    rivals: dict[tuple[int, str], list[Expanded]] = defaultdict(list)
    for pattern in patterns:
        rivals[len(pattern.steps), pattern.base].append(pattern)
    for group in rivals.values():
        for index, pattern in enumerate(group):
            for other in group[:index]:
                if pattern.priority == other.priority and (chain := common_chain(other, pattern)):
                    yield Overlap("ambiguous", other, pattern, chain)
            if (winner := _winner(pattern, group)) is not None:
                yield Overlap("shadowed", winner, pattern, common_chain(winner, pattern))


def common_chain(left: Expanded, right: Expanded) -> tuple[str, ...]:
    """The first chain of operators that both patterns match, or nothing."""
    if len(left.steps) != len(right.steps):
        return ()
    common = [
        tuple(name for name in mine if name in yours) for mine, yours in zip(_names(left), _names(right), strict=True)
    ]
    return tuple(names[0] for names in common) if all(common) else ()


def diagnostics(patterns: tuple[Expanded, ...]) -> Iterator[Diagnostic]:
    """What is told of overlaps: once for each pair of lines."""
    told: set[tuple[str, Span, Span]] = set()
    for found in overlaps(patterns):
        key = (found.kind, found.winner.span, found.loser.span)
        if key not in told:
            told.add(key)
            yield _diagnostic(found)


def _diagnostic(found: Overlap) -> Diagnostic:
    graph = " -> ".join(found.chain)
    if found.kind == "ambiguous":
        return Diagnostic(
            "C012",
            f"patterns {found.winner.id} and {found.loser.id} match the same graph: {graph}",
            found.loser.span,
            hint="remove one of them, or give its family another priority",
            related=((found.winner.span, "the other pattern"),),
        )
    return Diagnostic(
        "C060",
        f"pattern {found.loser.id} can never match, for example {found.winner.id} takes {graph} before it",
        found.loser.span,
        hint="remove it, or give its family a higher priority",
        related=((found.winner.span, f"priority {found.winner.priority} beats {found.loser.priority}"),),
    )


def _winner(pattern: Expanded, group: list[Expanded]) -> Expanded | None:
    """A pattern that beats this one, if those of higher priority leave it no chain at all."""
    stronger = [other for other in group if other.priority > pattern.priority and common_chain(other, pattern)]
    left = [_box(pattern)]
    for other in stronger:
        left = [rest for box in left for rest in _without(box, _box(other))]
    return stronger[0] if stronger and not left else None


def _without(box: Box, taken: Box) -> Iterator[Box]:
    """The chains of a box that are not in another, as boxes that share no chain."""
    for step, names in enumerate(box):
        if outside := names - taken[step]:
            inside = tuple(mine & theirs for mine, theirs in zip(box[:step], taken[:step], strict=True))
            if all(inside):
                yield (*inside, outside, *box[step + 1 :])


def _box(pattern: Expanded) -> Box:
    return tuple(map(frozenset, _names(pattern)))


def _names(pattern: Expanded) -> list[tuple[str, ...]]:
    """The operators that each step matches."""
    of_role = {"base": (pattern.base,), "norm": pattern.norms, "add": pattern.adds, "activation": (pattern.activation,)}
    return [of_role[step] for step in pattern.steps]
