"""RoIAlign as its description reads, in exact Python, and the regions that tests take."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    get_default_qconfig,
)

MARCHES = ["bernoulli", "bernoulli2", "bayes", "bayes-e"]


SHIFTED = ("bernoulli", "bernoulli2")


MAP = (9, 7)


QUARTERS = [
    [0, 0, 100, 120],  # the whole map
    [-60, -40, 50, 37],  # beyond the upper left border
    [61, 83, 400, 300],  # beyond the lower right border
    [33, 21, 34, 22],  # a quarter of a pixel
    [10, 10, 10, 40],  # no width
    [10, 40, 40, 10],  # a negative height
    [-80, 0, -1, 40],  # before the map
    [0, -80, 40, -1],  # above it
    [113, 0, 200, 40],  # behind it: 28.25 pixels * 0.25 > 7
    [112, 0, 200, 40],  # just on its end
    [0, 145, 40, 200],  # below it
]


ILLEGAL = (4, 5, 6, 7, 8, 10)


def integer_map(n: int = 1, size: tuple[int, int] = MAP, seed: int = 0) -> Tensor:
    return torch.randint(-128, 128, (n, 2, *size), generator=torch.Generator().manual_seed(seed), dtype=torch.int8)


def stored(x: Tensor, scale: float = 0.5) -> QTensor:
    return QTensor(x, torch.tensor([scale]), qint8)


def boxes_of(quarters: list[list[int]]) -> QTensor:
    return QTensor(torch.tensor(quarters, dtype=torch.int16).reshape(-1, 4), torch.tensor([0.25]), qint16)


def made(module: nn.Module, march: str) -> tuple[nn.Module, nn.Module]:
    """(QAT, quantized)."""
    set_march(march)
    module.qconfig = get_default_qconfig()
    trained = getattr(qat, type(module).__name__).from_float(module).eval()
    return trained, getattr(quantized, type(module).__name__).from_float(trained)


def f32(x: float) -> float:
    return float(np.float32(x))


def positions(march: str, low: float, high: float, ss: float, bins: int, aligned: bool) -> list[tuple[int, int]]:
    """(element, weight in 256ths) of each bin; the operands are rounded to float32 one by one."""
    last = 1.0 if march in SHIFTED else 0.0
    at = 0.0 if march in SHIFTED else 0.5
    bits = 8 if march in SHIFTED else 16
    start = f32(f32(low * ss) - 0.5 * aligned)
    step = f32(f32(f32(f32(high - low) * ss) + last) / bins)
    found = []
    for j in range(bins):
        c = math.floor(f32(start + f32((j + at) * step)) * 2**bits)
        found.append((c >> bits, (c & (2**bits - 1)) >> (bits - 8)))
    return found


def blended(march: str, a: int, b: int, c: int, d: int, wx: int, wy: int) -> int:
    top, bottom = a * (256 - wx) + b * wx, c * (256 - wx) + d * wx
    if march in SHIFTED:
        return ((top >> 8) * (256 - wy) + (bottom >> 8) * wy) >> 8
    return math.floor(Fraction(top * (256 - wy) + bottom * wy, 65536) + Fraction(1, 2))


def slow(
    march: str, x: list[list[list[int]]], box: list[float], ss: float, bins: tuple[int, int], aligned: bool = False
) -> list[list[list[int]]]:
    """One region of a map [C][H][W]."""
    x1, y1, x2, y2 = box
    height, width = len(x[0]), len(x[0][0])
    illegal = x2 < 0 or y2 < 0 or x1 * ss > width or y1 * ss > height or x2 <= x1 or y2 <= y1
    if illegal:
        return [[[0] * bins[1]] * bins[0]] * len(x)

    def at(channel: list[list[int]], row: int, column: int) -> int:
        return channel[min(max(row, 0), height - 1)][min(max(column, 0), width - 1)]

    rows = positions(march, y1, y2, ss, bins[0], aligned)
    columns = positions(march, x1, x2, ss, bins[1], aligned)
    return [
        [
            [
                blended(march, *(at(ch, r + i, c + j) for i in (0, 1) for j in (0, 1)), wx, wy)
                for c, wx in columns
            ]
            for r, wy in rows
        ]
        for ch in x
    ]  # fmt: skip


def pixels(quarters: list[list[int]]) -> list[list[float]]:
    return [[q / 4 for q in row] for row in quarters]
