"""The executed delta of a kernel: both versions run on the same vectors, outputs compared one by one.

In: two executables, or two functions. Out: a `Delta`: how many outputs change, the first that does with everything that
is needed to see it again, the largest step, and a picture: the share of changed outputs over the operands.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from generator.formula.model import Compiled, Dtype
from generator.review.execute import Run, executable, runs
from generator.review.vectors import Vectors

COLUMNS, ROWS = 64, 24
Outputs = Callable[[Run], Tensor]


@dataclass(frozen=True, slots=True)
class Difference:
    """One output that changes."""

    operands: Mapping[str, float]
    settings: Mapping[str, object]
    old: float
    new: float


@dataclass(frozen=True, slots=True)
class Delta:
    """What an edit does to a kernel's outputs.

    `picture` holds rows of shares (0 .. 1): columns go over the first operand, rows over the second one, or over the
    settings of dtypes and scales where there is only one.
    """

    changed: int
    total: int
    exhaustive: bool
    settings: int
    first: Difference | None
    largest: float
    picture: tuple[tuple[float, ...], ...]
    axes: tuple[str, str]

    def __str__(self) -> str:
        if self.first is None:
            return f"0 of {self.total:,} outputs change"
        operands = ", ".join(f"{name} = {number(value)}" for name, value in self.first.operands.items())
        settings = ", ".join(f"{name} {number(value)}" for name, value in self.first.settings.items())
        at = f" at {operands}" if operands else ""
        text = f"{self.changed:,} of {self.total:,} outputs change, first{at}: {number(self.first.old)} -> {number(self.first.new)}"
        return f"{text} ({settings})" if settings else text


def number(value: object) -> str:
    """A value as people write it: floats shortly."""
    if isinstance(value, float):
        return (
            str(int(value))
            if value == int(value) and abs(value) < 2**53
            else f"{value:.6g}"
            if math.isfinite(value)
            else str(value)
        )
    return str(value)


def kernel_delta(old: Compiled, new: Compiled, was: Mapping[str, Dtype], now: Mapping[str, Dtype]) -> Delta | None:
    """Run both versions of a kernel; None where their operands are not the same."""
    before, after = old.proved.kernel, new.proved.kernel
    if not all(
        tuple(getattr(before, part)) == tuple(getattr(after, part))
        for part in ("tensors", "scales", "integers", "types", "tables")
    ):
        return None
    first, second = executable(old, was), executable(new, now)
    shared = (run for run in runs(old, was) if all(run.dtypes[name] in after.types[name] for name in after.types))
    return compare(shared, first.outputs, second.outputs, tuple(before.tensors))


def compare(shared: Iterable[Run], old: Outputs, new: Outputs, names: tuple[str, ...]) -> Delta:
    """Count the outputs that differ over some runs."""
    counter = _Counter(names)
    for run in shared:
        counter.add(run, old(run), new(run))
    return counter.delta()


class _Counter:
    """Adds up runs."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.changed = self.total = self.number = 0
        self.exhaustive, self.largest = True, 0.0
        self.first: Difference | None = None
        self.cells: list[tuple[Tensor, Tensor]] = []  # changed, all: one a run, columns over the first operand
        self.plane = torch.zeros(2, ROWS, COLUMNS)

    def add(self, run: Run, old: Tensor, new: Tensor) -> None:
        """One run."""
        differs = (old != new) & ~((old != old) & (new != new))  # noqa: PLR0124 - NaN
        self.changed += int(differs.sum())
        self.total += run.vectors.count
        self.number += 1
        self.exhaustive &= run.vectors.exhaustive
        if bool(differs.any()):
            step = (old.double() - new.double())[differs].abs()
            self.largest = max(
                self.largest, step[step.isfinite()].max().item() if bool(step.isfinite().any()) else math.inf
            )
            if self.first is None:
                at = int(differs.nonzero()[0])
                settings = {**run.dtypes, **run.scales, **run.integers}
                self.first = Difference(run.row(self.names, at), settings, old[at].item(), new[at].item())
        self._draw(run, differs)

    def _draw(self, run: Run, differs: Tensor) -> None:
        if not run.vectors.operands:
            return
        cells, everything = _cells(run.vectors)
        counts = torch.bincount(cells[differs], minlength=ROWS * COLUMNS).view(ROWS, COLUMNS)
        if len(run.vectors.operands) > 1:
            self.plane += torch.stack((counts, everything))
        else:
            self.cells.append((counts[0], everything[0]))

    def delta(self) -> Delta:
        """The sum."""
        if self.cells:
            rows = torch.linspace(0, len(self.cells) - 1, min(len(self.cells), ROWS)).long().tolist()
            shares = torch.stack([self.cells[row][0] / self.cells[row][1].clamp(min=1) for row in rows])
        else:
            shares = self.plane[0] / self.plane[1].clamp(min=1)
        second = self.names[1] if len(self.names) > 1 else "setting"
        picture = tuple(tuple(round(share, 2) for share in row) for row in shares.tolist()) if self.names else ()
        axes = (self.names[0] if self.names else "", second)
        return Delta(self.changed, self.total, self.exhaustive, self.number, self.first, self.largest, picture, axes)


@lru_cache(maxsize=32)
def _cells(vectors: Vectors) -> tuple[Tensor, Tensor]:
    """The cell of the picture that each row of operands is in, and how many rows each cell holds."""
    first, *others = vectors.operands
    cells = _bins(first, COLUMNS)
    if others:
        cells = cells + COLUMNS * _bins(others[0], ROWS)
    return cells, torch.bincount(cells, minlength=ROWS * COLUMNS).view(ROWS, COLUMNS)


def _bins(values: Tensor, count: int) -> Tensor:
    """Which of `count` equal parts of the values' range each value is in."""
    v = values.double()
    lo, hi = v.min(), v.max()
    return ((v - lo) / (hi - lo).clamp(min=1) * count).long().clamp(0, count - 1)
