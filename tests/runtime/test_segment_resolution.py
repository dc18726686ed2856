"""Segment tables against the float function at their own resolution, for every operator that has one.

The reference is float64: between its points a table is a straight line through the float function's rounded entries,
beyond them the line that the rule names. Two kinds of difference remain. Rounding of the result costs at most a step. The
16-bit slope and offset of a line resolve a position only so far, which counts where neighbouring entries lie far apart;
`ABOVE_2` names the operators where that is more than 2 steps, and how much. `pytest -s` prints the worst of each.
"""

import sys
from collections.abc import Iterator

import pytest
import torch
from golden_support import f32
from tables import tabulated_by
from torch import Tensor

from horizon_plugin_pytorch._runtime.segment_table import Maker, SegmentTable, make_table
from horizon_plugin_pytorch._runtime.table_options import Tabulated
from horizon_plugin_pytorch.dtype import DTYPES
from horizon_plugin_pytorch.kernels import load
from horizon_plugin_pytorch.nn import qat, unary

BAYES = load("bayes")
ENDS = (1.5, 4.0, 8.0)
"""Calibrated inputs reach from -end to end."""
CELLS = (("qint16", "qint16"), ("qint8", "qint16"), ("qint16", "qint8"))
ABOVE_2 = {
    "rsqrt": 2.1,
    "erf": 2.2,
    "sqrt": 2.8,
    "acos": 3.5,
    "exp": 4.5,
    "log": 4.5,
    "gelu": 5.0,
    "asin": 5.0,
    "cosh": 5.5,
    "sinh": 6.0,
    "sin": 9.0,
    "cos": 11.0,
    "acosh": 32.0,
    "atanh": 45.0,
    "tan": 750.0,  # poles in the calibrated range
}
Difference = tuple[Tensor, Tensor]
"""Steps between a table and its reference, and what the resolution of its lines explains of that."""


def _tabulated() -> Iterator[Tabulated]:
    """Each operator whose wide dtypes are looked up in segments, whichever class holds it."""
    cube = unary.Pow(3).pow
    rows = tabulated_by(unary) | tabulated_by(qat)
    yield from (row for row in rows.values() if row.options.kernel is None)
    yield Tabulated("pow", cube.simulated_func, cube.options)


ROWS = tuple(_tabulated())


def _maker(row: Tabulated, end: float, cell: tuple[str, str]) -> Maker:
    """What calibration with inputs from -end to end, without 0, gives."""
    source, output = (DTYPES[name] for name in cell)
    y = row.function(torch.linspace(-end, end, 4000)).abs()
    s_out = f32(float(y[torch.isfinite(y)].max()) / output.max)
    return Maker(BAYES, row.function, row.options, f32(end / source.max), s_out, source, output)


def _difference(m: Maker) -> Difference:
    """Every 17th int16 input, or every int8 input."""
    made = make_table(BAYES, m.function, m.options, m.s_in, m.s_out, m.input, m.output)
    assert isinstance(made, SegmentTable)
    x = torch.arange(0 if made.odd else m.input.min, m.input.max + 1, 17 if m.input.storage is torch.int16 else 1)
    found = made.look_up(BAYES, x.to(m.input.storage)).to(torch.float64)
    segment = torch.searchsorted(made.limits, x)
    line = _line_resolution(made, x, segment)
    reference, steepness = _interpolated(made, x, segment, line / 256)
    for side in (0, 7):
        here = segment == side
        reference[here], steepness[here] = _outer_line(m, made, side, x[here]), 256.0
    return (found - reference).abs(), line / 256 * steepness


def _line_resolution(t: SegmentTable, x: Tensor, segment: Tensor) -> Tensor:
    """How far rounding of slope, offset and value moves a line, in its steps."""
    left, right = (2.0 ** getattr(t, name)[segment].to(torch.float64) for name in ("left", "right"))
    return (x.abs() + 0.5 * left) / right + 0.5


def _interpolated(t: SegmentTable, x: Tensor, segment: Tensor, reach: Tensor) -> Difference:
    """The entries interpolated at the exact position, and the steepest slope between entries within reach of it."""
    inner = segment.clamp(1, 6)
    start, end = t.limits[inner - 1].to(torch.float64), t.limits[inner].to(torch.float64)
    position = ((x - start) / (end - start).clamp(min=1) * 63).clamp(0, 63)
    entries = t.values.reshape(-1, 64).to(torch.float64)[inner - 1]
    below = position.floor().to(torch.int64).clamp(max=62)[:, None]
    low, high = entries.gather(1, below)[:, 0], entries.gather(1, below + 1)[:, 0]
    slopes = entries.diff(dim=1).abs()
    middle = torch.arange(63)[None] + 0.5
    near = (middle - position[:, None]).abs() <= reach[:, None] + 0.5
    return low + (high - low) * (position - below[:, 0]), (slopes * near).amax(1)


def _outer_line(m: Maker, t: SegmentTable, side: int, x: Tensor) -> Tensor:
    """The line of the rule left (0) or right (7) of all tables: of a given slope, or through the end of the range."""
    last = min(side, 6)
    end = m.range()[1 if side else 0]
    start = t.limits[last] * m.s_in
    slope = (m.options.gradients or (None, None))[1 if side else 0]
    y = m.value(start[None])[0].to(torch.float64)
    if slope is None:
        neighbour = t.limits[1 if side == 0 else 7] * m.s_in
        at_end = bool(torch.round(end / m.s_in) == t.limits[last])
        other = start + (neighbour - start) / 63 if at_end else end
        run = float(other) - float(start)
        slope = float(m.value(other[None])[0] - y) / run if run else 0.0
    line = (y + slope * (x.to(torch.float64) * float(m.s_in) - float(start))) / float(m.s_out)
    return line.clamp(m.output.min, m.output.max)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.op)
def test_a_segment_table_is_the_float_function_at_its_resolution(row: Tabulated) -> None:
    worst = 0.0
    for cell in CELLS:
        for end in ENDS:
            steps, explained = _difference(_maker(row, end, cell))
            assert (steps <= 2 + explained).all(), (cell, end, float((steps - explained).max()))
            worst = max(worst, float(steps.max()))
    sys.stdout.write(f"{row.op}: {worst:.2f} steps\n")
    assert worst <= ABOVE_2.get(row.op, 2.0)
