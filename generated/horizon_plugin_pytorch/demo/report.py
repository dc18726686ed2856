# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/report.py
"""What the demo prints: a line for each step with the seconds so far, and tables.

In: graphs, rows and numbers. Out: text. Graph tables have the layout of `torch.fx.Graph.print_tabular`, without what that
needs installed and without addresses, so that two runs print the same.
"""

import difflib
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from torch import fx

from .deploy import Agreement
from .layers import LayerRow

GRAPH_HEADER = ("opcode", "name", "target", "args", "kwargs")
LAYER_HEADER = ("layer", "kind", "dtype", "scale", "float~calibrated", "QAT~integers", "steps apart")
_GAP = "  "


class Progress:
    """Writes to a stream: steps with the seconds since the start, and blocks of text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.perf_counter()

    def step(self, text: str) -> None:
        """One line: what begins, or what came out."""
        self.block(f"[{time.perf_counter() - self._start:6.1f} s] {text}")

    def block(self, text: str) -> None:
        """A line or a table, visible at once."""
        self._stream.write(f"{text}\n")
        self._stream.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Columns as wide as their widest cell; those whose index is in `right` are aligned to the right."""
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = tuple(right)
    texts = [_line(line, widths, aligned) for line in lines]
    return "\n".join((texts[0], _GAP.join("-" * width for width in widths), *texts[1:]))


def graph_table(graph: fx.Graph) -> str:
    """The nodes of a graph, one a line."""
    return table(GRAPH_HEADER, _graph_rows(graph))


def graph_difference(before: fx.Graph, after: fx.Graph) -> str:
    """The nodes that only one of two graphs has, with - and + before them; empty when there are none."""
    old, new = ([" ".join(row) for row in _graph_rows(graph)] for graph in (before, after))
    return "\n".join(line for line in difflib.ndiff(old, new) if line[0] in "+-")


def layer_table(rows: Iterable[LayerRow]) -> str:
    """The layers of an integer model, one a line."""
    cells = (
        (r.name, r.kind, r.dtype, r.scale, f"{r.calibration:.5f}", f"{r.conversion:.5f}", _optional(r.steps))
        for r in rows
    )
    return table(LAYER_HEADER, cells, right=(3, 4, 5, 6))


def accuracy_table(accuracy: dict[str, dict[str, float]]) -> str:
    """A row a march, a column a stage; a stage that a march has not is left empty."""
    stages = tuple(dict.fromkeys(stage for row in accuracy.values() for stage in row))
    cells = ((march, *(_percent(row.get(stage)) for stage in stages)) for march, row in accuracy.items())
    return table(("march", *stages), cells, right=range(1, len(stages) + 1))


def agreement_text(agreement: Agreement) -> str:
    """YUV-fed against RGB-fed integers, as a table of two columns."""
    rows = (
        ("pixels for which both name the same photo", _percent(agreement.same)),
        ("accuracy, fed with YUV", _percent(agreement.accuracy)),
        ("mean difference at the first layer's input, in steps", f"{agreement.input_steps:.3f}"),
        ("mean difference at the last layer's input, in steps", f"{agreement.feature_steps:.3f}"),
        ("cosine of the logits", f"{agreement.similarity:.5f}"),
    )
    return table(("YUV-fed against RGB-fed integers", ""), rows, right=(1,))


def _graph_rows(graph: fx.Graph) -> list[tuple[str, ...]]:
    return [(n.op, n.name, _target(n), str(n.args), str(n.kwargs)) for n in graph.nodes]


def _target(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else f"<function {node.target.__name__}>"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if index in right else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return _GAP.join(padded).rstrip()


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _optional(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
