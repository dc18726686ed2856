"""What kernels are run on: every integer where there are few, else ends, ties, powers of two and seeded random ones.

In: the ranges of a kernel's operands, the number of its scales, the ranges of its host integers. Out: float32 or int64
tensors. The same arguments always give the same vectors.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

EXHAUSTIVE = 1 << 20
SAMPLES = 4096
REAL = (math.nan, math.nan)
"""The range of an operand of float32 values."""

_SCALE = 0.05
_RATIOS = (1.0, 1.375 * 2**-30, 1.9 * 2**-18, 1.25 * 2**-9, 1.0 / 3, 7.0, 1.6 * 2**12)
_RANDOM_SETTINGS = 4
_HOST_INTEGERS = (1, 2, 3, 7, 9, 16, 25, 49)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Operands of one length, and whether they are all that there are; the same object for the same ranges."""

    operands: tuple[Tensor, ...]
    exhaustive: bool

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.operands[0]) if self.operands else 1


def scale_settings(count: int) -> tuple[tuple[float, ...], ...]:
    """Values for `count` scales: equal ones, each in turn far smaller and larger than the others, random ones."""
    if not count:
        return ((),)
    settings = [(_SCALE,) * count]
    for index in range(count):
        settings += [
            tuple(_SCALE * ratio if i == index else _SCALE for i in range(count)) for ratio in _RATIOS if ratio != 1
        ]
    source = torch.Generator().manual_seed(count)
    random = torch.exp(torch.rand(_RANDOM_SETTINGS, count, generator=source, dtype=torch.float64) * 12.0 - 11.5)
    settings += [tuple(row) for row in random.tolist()]
    return tuple(tuple(torch.tensor(value, dtype=torch.float32).item() for value in row) for row in settings)


def host_integers(ranges: tuple[tuple[int, int], ...], number: int) -> tuple[int, ...]:
    """Values for host integers, others for every setting: ends, and small ones."""
    choices = [(*(min(max(v, lo), hi) for v in _HOST_INTEGERS), lo, hi) for lo, hi in ranges]
    return tuple(values[(number + 3 * place) % len(values)] for place, values in enumerate(choices))


@lru_cache(maxsize=32)
def operands(ranges: tuple[tuple[float, float], ...]) -> Vectors:
    """Every combination of operands where there are at most 2**20, else a sample."""
    sizes = [EXHAUSTIVE + 1 if math.isnan(lo) else int(hi) - int(lo) + 1 for lo, hi in ranges]
    if math.prod(sizes) <= EXHAUSTIVE:
        axes = [torch.arange(int(lo), int(hi) + 1) for lo, hi in ranges]
        grid = torch.meshgrid(*axes, indexing="ij") if axes else ()
        return Vectors(tuple(axis.flatten() for axis in grid), exhaustive=True)
    source = torch.Generator().manual_seed(len(ranges))
    columns = [_reals(source) if math.isnan(lo) else _integers(int(lo), int(hi), source) for lo, hi in ranges]
    shuffled = [column[torch.randperm(len(column), generator=source)] for column in columns[1:]]
    return Vectors((columns[0], *shuffled), exhaustive=False)


def _integers(lo: int, hi: int, source: torch.Generator) -> Tensor:
    """Ends, powers of two with their neighbours, then random ones of every magnitude."""
    near = [sign * 2**k + d for k in range(53) for sign in (1, -1) for d in (-1, 0, 1)]
    chosen = torch.tensor([v for v in (lo, lo + 1, hi - 1, hi, 0, *near) if lo <= v <= hi])
    spread = torch.randint(lo, hi, (SAMPLES // 2,), generator=source)
    bits = torch.randint(0, max(hi.bit_length(), 1), (SAMPLES // 2 - len(chosen),), generator=source)
    small = spread[: len(bits)] >> bits
    return torch.cat((chosen, spread, small))


def _reals(source: torch.Generator) -> Tensor:
    """Ties, zeros and extremes, bytes, then random ones."""
    ties = torch.arange(-256, 256) + 0.5
    bytes_ = torch.arange(0, 256, dtype=torch.float32)
    fixed = torch.tensor([0.0, -0.0, 1e-30, 1e10, -1e10, 127.49, -128.51, 32767.5])
    spread = torch.randn(SAMPLES - len(ties) - len(bytes_) - len(fixed), generator=source) * 100
    return torch.cat((ties, bytes_, fixed, spread))


def table(lo: float, hi: float, size: int) -> Tensor:
    """Entries in rising order, as the language's search needs them, from one end of their range to the other."""
    source = torch.Generator().manual_seed(size)
    inner = torch.randint(int(lo), int(hi) + 1, (size - 2,), generator=source).sort().values
    return torch.cat((torch.tensor([int(lo)]), inner, torch.tensor([int(hi)])))
