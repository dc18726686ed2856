"""What is said of overlapping patterns is what the generated matcher does, on every graph of up to three operators."""

import time
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from trees import ROOT

from generator.diag import Span
from generator.link import Catalog, Linked
from generator.overlaps import Overlap, overlaps
from generator.patterns import Expanded, expand
from generator.pipeline import understand
from generator.proven import CompiledMarches, compile_all
from generator.schema_policy import PatternAxes, PatternRoles, Patterns
from generator.views.tables import tables_view
from horizon_plugin_pytorch._runtime.match import GraphView
from horizon_plugin_pytorch._runtime.tables import FusionPattern, Step
from horizon_plugin_pytorch._runtime.tracer import QuantTracer
from horizon_plugin_pytorch.nn import quantized

OPS = {
    "conv2d": lambda: nn.Conv2d(4, 4, 1),
    "batch_norm1d": lambda: nn.BatchNorm1d(4),
    "batch_norm2d": lambda: nn.BatchNorm2d(4),
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "add": quantized.FloatFunctional,
}
BASES = ("conv2d",)
AFTER = ("batch_norm1d", "batch_norm2d", "relu", "relu6", "add")
CHAINS = tuple((base, *after) for base in BASES for length in (1, 2) for after in product(AFTER, repeat=length))


@cache
def catalog() -> Catalog:
    known = understand(ROOT).knowledge
    assert known is not None
    return known.catalog


class Chain(nn.Module):
    """Operators one after the other; an add takes the input as its other operand."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        self.steps = nn.ModuleList(OPS[name]() for name in names)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x
        for name, step in zip(self.names, self.steps, strict=True):
            out = step.add(out, x) if name == "add" else step(out)
        return out


@cache
def compiled() -> CompiledMarches:
    return compile_all(catalog())[0]


@cache
def graph(names: tuple[str, ...]) -> GraphView:
    model = Chain(names)
    return GraphView(QuantTracer().trace(model), dict(model.named_modules()))


def matches(pattern: FusionPattern, names: tuple[str, ...]) -> bool:
    """Whether the generated matcher finds the pattern over the whole chain."""
    return any(len(match.nodes) == len(names) for match in graph(names).find_matches((pattern,), frozenset()))


def generated(families: tuple[Patterns, ...]) -> tuple[tuple[Expanded, ...], tuple[FusionPattern, ...]]:
    """The patterns of families, as analysed and as generated for the matcher."""
    linked = tuple(Linked(family, catalog().patterns[0].doc, {}) for family in families)
    whole = replace(catalog(), patterns=linked)
    expanded, found = expand(whole)
    assert not found
    view = tables_view(whole, expanded, compiled())
    names = {"torch": torch, "quantized": quantized}
    steps = {s.name: Step(s.role, eval(f"({s.modules},)".replace(", ,", ","), names), s.method) for s in view.steps}
    rows = (tuple(steps[name.strip()] for name in row.steps.split(",") if name.strip()) for row in view.patterns)
    return expanded, tuple(
        FusionPattern(e.id, row, None, None, e.priority) for e, row in zip(expanded, rows, strict=True)
    )


def family(
    name: str, lines: list[tuple[str, ...]], *, priority: int, norm: tuple[str, ...], activation: tuple[str, ...]
) -> Patterns:
    return Patterns(
        schema="patterns/1", family=name, doc="-", priority=priority, patterns=tuple(lines),
        axes=PatternAxes(base=BASES, activation=activation), roles=PatternRoles(norm=norm, add=("add",)),
    )  # fmt: skip


LINE = st.lists(st.sampled_from(("norm", "add", "activation")), min_size=1, max_size=2, unique=True)
FAMILY = st.builds(
    family,
    st.just("some"),
    st.lists(LINE.map(lambda steps: ("base", *steps)), min_size=1, max_size=3),
    priority=st.integers(0, 2),
    norm=st.sampled_from([("batch_norm1d",), ("batch_norm2d",), ("batch_norm1d", "batch_norm2d")]),
    activation=st.sampled_from([("relu",), ("relu6",), ("relu", "relu6")]),
)


def truth(expanded: tuple[Expanded, ...], patterns: tuple[FusionPattern, ...]) -> set[tuple[str, int, int]]:
    """By trying every chain: pairs that tie on one, and patterns that are beaten on all that they match."""
    taken = [{chain for chain in CHAINS if matches(pattern, chain)} for pattern in patterns]
    found = set()
    for b, mine in enumerate(taken):
        stronger: set[tuple[str, ...]] = set()
        for a, theirs in enumerate(taken):
            if a < b and expanded[a].priority == expanded[b].priority and mine & theirs:
                found.add(("ambiguous", a, b))
            if expanded[a].priority > expanded[b].priority:
                stronger |= theirs
        if mine <= stronger:
            found.add(("shadowed", -1, b))
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(FAMILY, min_size=1, max_size=3))
def test_the_analysis_is_what_the_matcher_does(families: list[Patterns]) -> None:
    expanded, patterns = generated(tuple(families))
    index = {id(pattern): number for number, pattern in enumerate(expanded)}
    found = list(overlaps(expanded))
    for overlap in found:
        for side in (overlap.winner, overlap.loser):
            assert matches(patterns[index[id(side)]], overlap.chain)
        assert len(overlap.chain) == min(len(overlap.winner.steps), len(overlap.loser.steps))
    told = {(o.kind, -1 if o.kind == "shadowed" else index[id(o.winner)], index[id(o.loser)]) for o in found}
    assert told == truth(expanded, patterns)


def test_of_two_priorities_the_higher_matches() -> None:
    low = family("low", [("base", "norm")], priority=0, norm=("batch_norm2d",), activation=("relu",))
    high = family("high", [("base", "norm")], priority=1, norm=("batch_norm1d", "batch_norm2d"), activation=("relu",))
    expanded, patterns = generated((low, high))
    (overlap,) = overlaps(expanded)
    assert (overlap.kind, overlap.chain) == ("shadowed", ("conv2d", "batch_norm2d"))
    (match,) = graph(overlap.chain).find_matches(patterns, frozenset())
    assert match.pattern.priority == 1


def test_shipped_patterns_do_not_overlap() -> None:
    assert list(overlaps(expand(catalog())[0])) == []


@pytest.mark.parametrize("count", [300])
def test_many_patterns_are_analysed_quickly(count: int) -> None:
    place = Span("specs/patterns/many.yaml", 1, 1)
    norms = tuple(f"norm{n}" for n in range(4))
    many = tuple(
        Expanded(
            f"p{n}", f"base{n % 10}", ("base", "norm", "activation"), norms, ("add",), f"act{n // 10}", n % 3, place
        )
        for n in range(count)
    )
    start = time.process_time()
    assert not [found for found in overlaps(many) if isinstance(found, Overlap)]
    assert time.process_time() - start < 0.5
