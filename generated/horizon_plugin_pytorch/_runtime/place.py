# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/place.py
"""Where fused modules go: which call sites share one, and under which name it is registered.

In: the matches of a graph. Out: one `Fusion` for each fused module. A match that would change what another call site
computes is banned and the graph is matched again without it, so that a shorter chain may still fuse there.

The rules: with an add, at the add's name. Without, and the layer is needed elsewhere too: at the norm's name. Otherwise
at the layer's name.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from .match import GraphView, Match, MatchKey, called_module
from .tables import FusionPattern

_GroupKey = tuple[str, str | None, str | None, int]


@dataclass(frozen=True, slots=True)
class Fusion:
    """A fused module: its qualified name and the call sites that share it."""

    name: str
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class _Uses:
    """How often each module is called, and how often by a match."""

    all: Mapping[str, int]
    matched: Mapping[str, int]


def plan_fusions(
    view: GraphView, patterns: tuple[FusionPattern, ...], reserved: Mapping[str, int], *, duplicate: bool
) -> tuple[Fusion, ...]:
    """All fusions of a graph.

    Args:
        view: the graph and its modules.
        patterns: longer first.
        reserved: uses of modules that the graph does not show.
        duplicate: give every call site a fused module of its own.
    """
    banned: set[MatchKey] = set()
    while True:
        matches = view.find_matches(patterns, banned)
        fusions, rejected = _place(view, matches, reserved, duplicate=duplicate)
        if not rejected:
            return fusions
        banned.update(match.key for match in rejected)


def count_calls(view: GraphView) -> Counter[str]:
    """For each qualified name the number of nodes that call the module or a method of it."""
    return Counter(name for node in view.graph.nodes if (name := called_module(node)) is not None)


def _place(
    view: GraphView, matches: tuple[Match, ...], reserved: Mapping[str, int], *, duplicate: bool
) -> tuple[tuple[Fusion, ...], tuple[Match, ...]]:
    """The fusions of these matches, and the matches that have no place."""
    roles = ("weighted", "norm", "activation")
    matched = Counter(name for m in matches for role in roles if (name := m.target(role)) is not None)
    uses = _Uses(count_calls(view) + Counter(reserved), matched)
    fusions = [Fusion(name, (m,)) for m in matches if (name := m.target("add")) is not None]
    rejected: list[Match] = []
    taken: set[str] = set()
    for base, groups in _groups(view, matches, duplicate=duplicate).items():
        names = _names(view, base, groups, uses, taken, duplicate=duplicate)
        for group, name in zip(groups, names, strict=True):
            if name is None:
                rejected.extend(group)
            else:
                fusions.append(Fusion(name, group))
    return tuple(fusions), tuple(rejected)


def _groups(view: GraphView, matches: tuple[Match, ...], *, duplicate: bool) -> dict[str, list[tuple[Match, ...]]]:
    """For each weighted layer its matches without an add; those that compute the same lie together, in graph order."""
    order = {node: index for index, node in enumerate(view.graph.nodes)}
    grouped: dict[_GroupKey, list[Match]] = {}
    for match in sorted(matches, key=lambda m: order[m.nodes[-1]]):
        if match.target("add") is None:
            grouped.setdefault(_group_key(view, match, order[match.nodes[0]] if duplicate else 0), []).append(match)
    by_base: dict[str, list[tuple[Match, ...]]] = {}
    for key, group in sorted(grouped.items(), key=lambda item: order[item[1][-1].nodes[-1]]):
        by_base.setdefault(key[0], []).append(tuple(group))
    return by_base


def _group_key(view: GraphView, match: Match, site: int) -> _GroupKey:
    base, activation = match.target("weighted"), match.target("activation")
    assert base is not None
    shown = None if activation is None else f"{type(view.modules[activation])} {view.modules[activation]}"
    return base, match.target("norm"), shown, site


def _names(
    view: GraphView, base: str, groups: list[tuple[Match, ...]], uses: _Uses, taken: set[str], *, duplicate: bool
) -> list[str | None]:
    """A name for each group; None for a group that would have to overwrite a module that others call."""
    names: list[str | None] = []
    for group in groups:
        norm = group[0].target("norm")
        if group is groups[-1] and uses.all[base] == uses.matched[base]:
            names.append(base)
        elif norm is None:
            names.append(None)
        elif norm not in taken and uses.all[norm] == (uses.matched[norm] if duplicate else len(group)):
            names.append(norm)
        else:
            names.append(_fresh_name(view.modules, base, taken) if duplicate else None)
        taken.update(name for name in names if name is not None)
    return names


def _fresh_name(modules: Mapping[str, nn.Module], base: str, taken: set[str]) -> str:
    index = 1
    while f"{base}_{index}" in modules or f"{base}_{index}" in taken:
        index += 1
    return f"{base}_{index}"
