"""Golden vectors of look-up tables: 256-entry and segment tables, lines, PReLU, floor and ceil."""

import ast
from typing import Any

import torch
from golden_support import Build, current_march, f32, plain, run

from horizon_plugin_pytorch._runtime.segment_table import SegmentTable, make_table
from horizon_plugin_pytorch._runtime.table_options import TableOptions
from horizon_plugin_pytorch.dtype import DTYPES

from .entries import BAYES, entry, golden
from .segments import Row, look_up

INT8, INT16 = DTYPES["qint8"], DTYPES["qint16"]


def _sigmoid_bytes(b: Build, march: str, name: str, s_in: float, s_out: float) -> None:
    kernels, points = b.kernels(march), (-128, -64, -20, -1, 0, 1, 20, 64, 127)
    table = make_table(kernels, torch.sigmoid, TableOptions(), f32(s_in), f32(s_out), INT8, INT8)
    found = plain(table.look_up(kernels, torch.tensor(points, dtype=torch.int8)))
    assert found == [entry(name, str(x)) for x in points]


@golden(*BAYES)
def e16_sigmoid(b: Build, march: str) -> None:
    _sigmoid_bytes(b, march, "E16 sigmoid int8 lut (bayes)", 0.05, 1 / 127.5)


@golden("bernoulli")
def e16b_sigmoid(b: Build, march: str) -> None:
    _sigmoid_bytes(b, march, "E16b sigmoid int8 lut (bernoulli floor)", 2.0**-4, 2.0**-7)


@golden(*BAYES)
def e17_segments(b: Build, march: str) -> None:
    """The last step of the vector, 1 LSB for another float32 sigmoid, is granted to entries and values only."""
    name, kernels = "E17 segment lut sigmoid i16", b.kernels(march)
    scales = (f32(8 / 32767), f32(1 / 32767))
    table = make_table(kernels, torch.sigmoid, TableOptions(), *scales, INT16, INT16)
    assert isinstance(table, SegmentTable)
    assert plain(table.limits) == entry(name, "seg_max")
    rows = torch.stack((table.k, table.b, table.left, table.right), 1)
    assert _near(rows, entry(name, "rows_k_b_ls_rs"))
    assert _near(table.values[3 * 64 :], entry(name, "table3_head"))
    x = torch.tensor(entry(name, "x"), dtype=torch.int16)
    found = table.look_up(kernels, x)
    assert _near(found, entry(name, "y"))
    with current_march(march):
        quantized = kernels.quantize_activation(torch.sigmoid(x * scales[0]), scales[1], output=INT16)
    assert plain(quantized) == entry(name, "y_float")


def _near(found: torch.Tensor, expected: list[Any]) -> bool:
    difference = found[: len(expected)].to(torch.int64) - torch.tensor(expected)
    return int(difference.abs().max()) <= 1


@golden(*BAYES)
def e18_toqint(b: Build, march: str) -> None:
    """A slope shows q and its right shift, which a line limits to 30 bits; an offset shows q and its left shift."""
    name = "E18 toqint"
    for written in ("(0.00123, 16, 16, False, True)", "(-3.7e-06, 16, 16, False, True)"):
        params, _ = run(b.kernels(march), "segment_line", k=ast.literal_eval(written)[0], b=0.0, s_in=1.0, s_out=1.0)
        q, shift = entry(name, written)
        right = min(-shift, 30)
        assert (params["k_q"], params["right"]) == (q >> (-shift - right), right)
    for written in (
        "(123456.7, 16, 31, True, False)",
        "(100.4, 16, 31, True, False)",
        "(1000000000.0, 16, 31, True, False)",
    ):
        params, _ = run(
            b.kernels(march), "segment_line", k=32767.0, b=ast.literal_eval(written)[0], s_in=1.0, s_out=1.0
        )
        assert [params["b_q"], params["left"]] == entry(name, written)
        assert params["right"] == 0


@golden(*BAYES)
def e25_prelu(b: Build, march: str) -> None:
    name, kernels = "E25 prelu", b.kernels(march)
    s_w = run(kernels, "slope_scale", w=0.25)[1]
    assert s_w == entry(name, "w_scale")
    scales = {"s_in": 0.05, "s_w": s_w, "s_out": 0.04, "w": [[0.25], [0.1]]}
    params, out = run(kernels, "channel_slope", x=entry(name, "x"), **scales, input="qint8", output="qint8")
    assert [row[0] for row in params["q"]] == entry(name, "wq")
    assert out == entry(name, "out_per_channel")


@golden(*BAYES)
def e27_integer_part(b: Build, march: str) -> None:
    name = "E27 floor/ceil i16 s=0.3"
    for role in ("floor", "ceil"):
        kernel = f"{role}_int16"
        whole = run(b.kernels(march), kernel, x=entry(name, "x"), s_in=0.3, s_out=1.0, output="qint16")[1]
        assert whole == entry(name, f"{role}_int")
        out = run(b.kernels(march), kernel, x=entry(name, "x"), s_in=0.3, s_out=0.3, output="qint16")[1]
        assert out == entry(name, f"{role}_out")


@golden(*BAYES)
def segment_lookup_equals_its_slow_definition(b: Build, march: str) -> None:
    """Made-up tables with a jump at every entry; positions leave the tables on both sides, lines saturate."""
    limits = (-3000, -1000, -600, 0, 500, 700, 2000, 32767)
    rows = [
        Row(limit, 1000 - 257 * i, (-1) ** i * 900 - limit // 7, i % 3, (i * 5) % 9) for i, limit in enumerate(limits)
    ]
    rows[4] = Row(500, 41, 0, 0, 0)  # reaches the fractions behind each entry, the last but one included
    tables = [[((row * 64 + n) * 7919 + 31) % 60001 - 30000 for n in range(64)] for row in range(6)]
    inputs = [*range(-3100, 2100, 3), -32768, -1001, -1000, -999, 500, 501, 32766, 32767]
    lines = {"k": [r.k for r in rows], "b": [r.b for r in rows], "left": [r.left for r in rows]}
    given = {**lines, "limits": limits, "right": [r.right for r in rows], "values": [v for t in tables for v in t]}
    for dtype in (INT8, INT16):
        found = run(b.kernels(march), "segment_lookup", x=inputs, **given, output=str(dtype))[1]
        assert found == [look_up(x, rows, tables, dtype.min, dtype.max) for x in inputs]
