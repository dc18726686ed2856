# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/graph_record.py
"""A graph as plain data, so that a graph module can be pickled without tracing it again when it is loaded.

In: a graph. Out: a record of names, targets and arguments; and a graph again from it.
"""

from dataclasses import dataclass
from typing import Any

from torch import fx
from torch.fx.node import map_aggregate


@dataclass(frozen=True, slots=True)
class NodeName:
    """Stands for a node in the arguments of another."""

    name: str


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node; `scope` is the qualified name of the module whose forward made the call."""

    name: str
    op: str
    target: Any
    args: Any
    kwargs: Any
    scope: str


GraphRecord = tuple[NodeRecord, ...]


def record_of(graph: fx.Graph) -> GraphRecord:
    """The nodes of `graph`, in order."""
    return tuple(
        NodeRecord(n.name, n.op, n.target, _names(n.args), _names(n.kwargs), n.meta.get("scope", ""))
        for n in graph.nodes
    )


def graph_of(record: GraphRecord) -> fx.Graph:
    """The graph that `record` describes."""
    graph = fx.Graph()
    made: dict[str, fx.Node] = {}
    for r in record:
        args, kwargs = _nodes(r.args, made), _nodes(r.kwargs, made)
        node = graph.create_node(r.op, r.target, args, kwargs, r.name)
        node.meta["scope"] = r.scope
        made[r.name] = node
    return graph


def _names(argument: Any) -> Any:
    def name(a: Any) -> Any:
        return NodeName(a.name) if isinstance(a, fx.Node) else a

    return map_aggregate(argument, name)


def _nodes(argument: Any, made: dict[str, fx.Node]) -> Any:
    def node(a: Any) -> Any:
        return made[a.name] if isinstance(a, NodeName) else a

    return map_aggregate(argument, node)
