"""Segment tables in plain Python, written from numerics.md, section 7, and from nothing else: slow, exact, float64.

In: the integers of a table, by segment. Out: what a lookup must give, one integer at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A segment: its largest input, and its line."""

    limit: int
    k: int
    b: int
    left: int
    right: int


def rounded_shift(x: int, n: int) -> int:
    """x / 2**n, ties toward plus infinity."""
    return x if n == 0 else (x + (1 << (n - 1))) >> n


def look_up(x: int, rows: Sequence[Row], tables: Sequence[Sequence[int]], smallest: int, largest: int) -> int:
    """The value at x: rows are line, 6 tables, line; a position has 8 bits behind the point."""
    number = next((i for i, row in enumerate(rows) if x <= row.limit), 7)
    row = rows[number]
    y = rounded_shift(x * row.k + (row.b << row.left), row.right)
    if 1 <= number <= 6:
        table = tables[number - 1]
        position = min(max(y, 0), 63 * 256)
        index, fraction = divmod(position, 256)
        y = rounded_shift(table[index] * (256 - fraction) + table[min(index + 1, 63)] * fraction, 8)
    return min(max(y, smallest), largest)
