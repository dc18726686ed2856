# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/graph_print.py
"""`graph.print_tabular()` without the third-party package that torch's own version needs.

In: a graph. Out: the same graph, which prints its nodes as torch would with `tabulate` installed: the "simple" format,
columns two blanks apart, at least two wider than their heads.
"""

import sys
import types

from torch import fx

_HEAD = ("opcode", "name", "target", "args", "kwargs")
_GAP = "  "
_PADDING = 2


def printable(graph: fx.Graph) -> fx.Graph:
    """Let this graph print itself; a copy of it must be made printable again."""
    graph.print_tabular = types.MethodType(_print_tabular, graph)  # type: ignore[method-assign]
    return graph


def table(graph: fx.Graph) -> str:
    """The nodes of a graph, one a line under a head."""
    rows = [(str(n.op), n.name, str(n.target), str(n.args), str(n.kwargs)) for n in graph.nodes]
    columns = list(zip(_HEAD, *rows, strict=True))
    widths = [max(len(head) + _PADDING, *map(len, cells)) for head, *cells in columns]
    lines = (_HEAD, tuple("-" * width for width in widths), *rows)
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _print_tabular(graph: fx.Graph) -> None:
    """Print the nodes of the graph."""
    sys.stdout.write(table(graph) + "\n")
