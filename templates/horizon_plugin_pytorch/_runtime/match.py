# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/match.py
"""Finding chains of operations that a pattern of the tables describes.

In: a graph, its modules, the patterns. Out: matches that share no node; a longer pattern goes before a shorter one, and
of two branches of an add the first operand goes before the second.
"""

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
        return next((n for n, step in zip(self.nodes, self.pattern.steps, strict=True) if step.role == role), None)

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
class GraphView:
    """A graph and the modules its targets name."""

    graph: fx.Graph
    modules: Mapping[str, nn.Module]

    def find_matches(self, patterns: tuple[FusionPattern, ...], banned: AbstractSet[MatchKey]) -> tuple[Match, ...]:
        """All matches but the banned ones, in the order of `patterns`, then of the graph."""
        found: list[Match] = []
        taken: set[fx.Node] = set()
        callers = [(n, type(self.modules.get(called_module(n) or ""))) for n in self.graph.nodes if n.op in _CALLS]
        for pattern in patterns:
            ends = pattern.steps[-1].modules
            for node in (node for node, kind in callers if kind in ends):
                match = self._ending_at(node, pattern)
                if match and match.key not in banned and taken.isdisjoint(match.nodes):
                    found.append(match)
                    taken.update(match.nodes)
        return tuple(found)

    def _ending_at(self, node: fx.Node, pattern: FusionPattern) -> Match | None:
        chain = self._chain(node, pattern.steps)
        return None if chain is None else Match(pattern, chain)

    def _chain(self, node: fx.Node, steps: tuple[Step, ...]) -> tuple[fx.Node, ...] | None:
        """The nodes of `steps` if the last of them is `node`."""
        *before, last = steps
        if not self._performs(node, last):
            return None
        if not before:
            return (node,)
        for source in _operands(node):
            chain = self._chain(source, tuple(before)) if uses_of(source) == 1 else None
            if chain and (last.role != "norm" or self._foldable(chain[0], node)):
                return (*chain, node)
        return None

    def _performs(self, node: fx.Node, step: Step) -> bool:
        """Whether the node is a plain call of a module of the step, or of the step's method of one."""
        op, operands = ("call_module", 1) if step.method is None else ("call_method", 2)
        target = called_module(node) if node.op == op else None
        if target is None or type(self.modules.get(target)) not in step.modules:
            return False
        if node.kwargs or len(_values(node)) != operands or len(_operands(node)) != operands:
            return False
        return step.method is None or (node.target == step.method and self._owner_is_unshared(node))

    def _foldable(self, base: fx.Node, norm: fx.Node) -> bool:
        return foldable(self.modules[str(base.target)], self.modules[str(norm.target)])

    def _owner_is_unshared(self, node: fx.Node) -> bool:
        target = called_module(node)
        return len([n for n in self.graph.nodes if n.op == "get_attr" and n.target == target]) == 1


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
