# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/text_table.py
"""Text tables, drawn without a third-party package.

In: the table's policy and rows of values. Out: lines. Two tables of one file stand one below the other.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..._tools import TOOLS
from .policy import Table

Row = Sequence[Any]


def table_of(name: str) -> Table:
    """The policy of a table."""
    return TOOLS.tables[name]


def draw(table: Table, rows: Iterable[Row]) -> str:
    """The table as text: its title, its head, its rows.

    Args:
        table: how it is drawn; columns may be fewer than a row's values, which are cut then.
        rows: cells are numbers, texts, scales (tensors of one element) or None, drawn as "-".
    """
    cells = [tuple(_text(value) for value in row[: len(table.columns)]) for row in rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *cells, strict=True)]
    lines = _grid(table.columns, cells, widths) if table.style == "grid" else _simple(table.columns, cells, widths)
    return "\n".join(([table.title] if table.title else []) + lines) + "\n"


def write(out_dir: str | Path | None, *drawn: tuple[Table, str]) -> None:
    """Write tables to their file; `out_dir` None means the current directory."""
    file = folder(out_dir) / drawn[0][0].file
    file.write_text("\n".join(text for _, text in drawn), encoding="utf-8")


def folder(out_dir: str | Path | None) -> Path:
    """The folder that is written to; it is made."""
    path = Path(out_dir or ".")
    path.mkdir(parents=True, exist_ok=True)
    return path


def say(text: str) -> None:
    """Print on standard output."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def number(value: float) -> str:
    """A number in at most seven significant digits."""
    return f"{value:.7g}" if math.isfinite(value) else str(value)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Tensor):
        return number(value.item()) if value.numel() == 1 else f"{value.numel()} scales"
    return number(value) if isinstance(value, float) else str(value)


def _grid(head: Row, cells: Sequence[Row], widths: Sequence[int]) -> list[str]:
    rule = "+".join("-" * (width + 2) for width in widths)
    rows = [f"| {' | '.join(_padded(row, widths))} |" for row in (head, *cells)]
    return [f"+{rule}+", rows[0], f"|{rule}|", *rows[1:], f"+{rule}+"]


def _simple(head: Row, cells: Sequence[Row], widths: Sequence[int]) -> list[str]:
    rows = (head, ["-" * width for width in widths], *cells)
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Row, widths: Sequence[int]) -> list[str]:
    return [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
