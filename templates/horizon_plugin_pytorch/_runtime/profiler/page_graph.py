# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/page_graph.py
"""The graph of a model, laid out: rows by depth, columns by the order of what is read.

In: a graph module. Out: positions of its operations and the lines between them, for a drawing of any size.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import fx

from ..graph_module import GraphModuleWithAttr
from ..match import called_module
from .layers import short_type


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: what it shows and where it stands, in rows from the top and columns from the middle."""

    label: str
    kind: str
    layer: str
    row: int
    column: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph with positions; an edge is a pair of indices of nodes."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]

    def as_data(self) -> dict[str, Any]:
        """As the page's code reads it."""
        nodes = [
            {"label": n.label, "kind": n.kind, "layer": n.layer, "row": n.row, "column": n.column} for n in self.nodes
        ]
        return {"nodes": nodes, "edges": [list(edge) for edge in self.edges]}


def lay_out(model: GraphModuleWithAttr) -> Drawing:
    """Positions for every operation: below all that it reads, beside others of its row near to what it reads."""
    drawn = [node for node in model.graph.nodes if node.op != "get_attr"]
    index = {node: i for i, node in enumerate(drawn)}
    sources = {node: [s for s in node.all_input_nodes if s in index] for node in drawn}
    rows: dict[fx.Node, int] = {}
    for node in drawn:
        rows[node] = max((rows[source] + 1 for source in sources[node]), default=0)
    columns = _columns(drawn, sources, rows)
    nodes = tuple(Node(*_shown(model, node), rows[node], columns[node]) for node in drawn)
    edges = tuple((index[source], index[node]) for node in drawn for source in sources[node])
    return Drawing(nodes, edges)


def _columns(
    drawn: list[fx.Node], sources: dict[fx.Node, list[fx.Node]], rows: dict[fx.Node, int]
) -> dict[fx.Node, float]:
    """Each row is centred; within it operations keep the order of the mean column of what they read."""
    columns: dict[fx.Node, float] = {}
    width = Counter(rows.values())
    for row in sorted(width):
        members = [node for node in drawn if rows[node] == row]
        wanted = {n: sum(columns[s] for s in sources[n]) / len(sources[n]) if sources[n] else 0.0 for n in members}
        for place, node in enumerate(sorted(members, key=wanted.__getitem__)):
            columns[node] = place - (width[row] - 1) / 2 if width[row] > 1 else wanted[node]
    return columns


def _shown(model: GraphModuleWithAttr, node: fx.Node) -> tuple[str, str, str]:
    """(label, kind, layer) of a node."""
    name = called_module(node)
    if name is not None:
        method = f"[{node.target}]" if node.op == "call_method" else ""
        return f"{name}{method}", short_type(model.get_submodule(name)), name
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return node.name, str(target), ""
