# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/match.py
"""Finding chains of operations that a pattern of the tables describes.

In: a graph, its modules, the patterns. Out: matches that share no node; a longer pattern goes before a shorter one, and
of two branches of an add the first operand goes before the second.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from torch import fx, nn
from torch.fx.node import map_arg

from .fold import foldable
from .tables import FusionPattern, Step

_CALLS = frozenset({"call_module", "call_method"})

MatchKey = tuple[str, tuple[str, ...]]
"""A pattern's id and the names of the nodes: what a match is known by."""


@dataclass(frozen=True, slots=True)
class Match:
    """One chain in the graph, a node for each step of the pattern."""

    pattern: FusionPattern
    nodes: tuple[fx.Node, ...]

    @property
    def key(self) -> MatchKey:
        """What to name when this match must not be found again."""
        return self.pattern.id, tuple(node.name for node in self.nodes)

    def node(self, role: str) -> fx.Node | None:
        """The node of the step with that role; None if the pattern has none."""
        for node, step in zip(self.nodes, self.pattern.steps, strict=True):
            if step.role == role:
                return node
        return None

    def target(self, role: str) -> str | None:
        """The qualified name of the module that the step with that role calls, or calls a method of."""
        node = self.node(role)
        return None if node is None else called_module(node)

    @property
    def inputs(self) -> tuple[fx.Node, ...]:
        """Input of the weighted layer, then the other operand of the add if there is one."""
        first = self.nodes[0].args[0]
        assert isinstance(first, fx.Node)
        add = self.node("add")
        others = () if add is None else tuple(a for a in _operands(add) if a not in self.nodes)
        return (first, *others)


@dataclass(frozen=True, slots=True)
class _Site:
    """What a step of a pattern may be: a plain call of a module, or of a method of one that nothing else refers to.

    Attributes:
        kind: the module's exact type.
        method: None: the module itself is called.
        operands: the values it is called with: one, or two of a method.
    """

    kind: type[nn.Module]
    method: str | None
    operands: tuple[fx.Node, ...]

    def performs(self, step: Step) -> bool:
        """Whether it is what the step asks for."""
        return self.method == step.method and self.kind in step.modules


@dataclass(frozen=True, slots=True)
class GraphView:
    """A graph and the modules its targets name."""

    graph: fx.Graph
    modules: Mapping[str, nn.Module]

    def find_matches(self, patterns: tuple[FusionPattern, ...], banned: AbstractSet[MatchKey]) -> tuple[Match, ...]:
        """All matches but the banned ones, in the order of `patterns`, then of the graph."""
        found: list[Match] = []
        taken: set[fx.Node] = set()
        sites = self._sites()
        present = {(site.method, site.kind) for site in sites.values()}
        for pattern in (pattern for pattern in patterns if _may_occur(pattern, present)):
            for node in (node for node, site in sites.items() if site.performs(pattern.steps[-1])):
                chain = self._chain(node, pattern.steps, sites)
                if chain is None or not taken.isdisjoint(chain):
                    continue
                match = Match(pattern, chain)
                if match.key not in banned:
                    found.append(match)
                    taken.update(chain)
        return tuple(found)

    def _chain(
        self, node: fx.Node, steps: tuple[Step, ...], sites: Mapping[fx.Node, _Site]
    ) -> tuple[fx.Node, ...] | None:
        """The nodes of `steps` if the last of them is `node`."""
        *before, last = steps
        site = sites.get(node)
        if site is None or not site.performs(last):
            return None
        if not before:
            return (node,)
        for source in site.operands:
            chain = self._chain(source, tuple(before), sites) if source in sites and uses_of(source) == 1 else None
            if chain and (last.role != "norm" or self._foldable(chain[0], node)):
                return (*chain, node)
        return None

    def _sites(self) -> dict[fx.Node, _Site]:
        """Every call that may be a step, in the order of the graph."""
        owners = Counter(str(node.target) for node in self.graph.nodes if node.op == "get_attr")
        sites = {}
        for node in self.graph.nodes:
            name = called_module(node) if node.op in _CALLS and not node.kwargs else None
            if name is None or name not in self.modules:
                continue
            method, operands = None if node.op == "call_module" else str(node.target), _operands(node)
            count = 1 if method is None else 2
            if len(operands) == len(_values(node)) == count and (method is None or owners[name] == 1):
                sites[node] = _Site(type(self.modules[name]), method, operands)
        return sites

    def _foldable(self, base: fx.Node, norm: fx.Node) -> bool:
        return foldable(self.modules[str(base.target)], self.modules[str(norm.target)])


def _may_occur(pattern: FusionPattern, present: AbstractSet[tuple[str | None, type[nn.Module]]]) -> bool:
    """Whether there is a call for each step: most patterns are of classes that a model does not have."""
    return all(any((step.method, kind) in present for kind in step.modules) for step in pattern.steps)


def called_module(node: fx.Node) -> str | None:
    """The qualified name of the module that a node calls, or calls a method of; None if it calls no module."""
    if node.op == "call_module":
        return str(node.target)
    owner = node.args[0] if node.op == "call_method" and node.args else None
    return str(owner.target) if isinstance(owner, fx.Node) and owner.op == "get_attr" else None


def uses_of(node: fx.Node) -> int:
    """How often the value of `node` is read; one reader may read it twice."""
    reads: list[fx.Node] = []
    for user in node.users:
        map_arg((user.args, user.kwargs), reads.append)
    return reads.count(node)


def _values(node: fx.Node) -> tuple[object, ...]:
    """What a module, or a method of a module, is called with."""
    return node.args[1:] if node.op == "call_method" else node.args


def _operands(node: fx.Node) -> tuple[fx.Node, ...]:
    return tuple(a for a in _values(node) if isinstance(a, fx.Node))
