"""E13 and E22 of the golden vectors: the matrix product, a feature map and a number.

An entry gives numbers only; what was fed to get them stands here, from section 11 of numerics.md.
"""

import torch
from golden_support import Build, f32, plain, run

from horizon_plugin_pytorch.dtype import DTYPES

from .entries import BAYES, entry, golden


@golden(*BAYES)
def e13_matmul_int16(b: Build, march: str) -> None:
    name, k, qint16 = "E13 matmul i16 K=4", b.kernels(march), DTYPES["qint16"]
    g = k.matmul_scale(f32(1.0), input=qint16, n=4)
    assert g.item() == entry(name, "scale_scale")
    operands = []
    for x, s, key in (([30000, -30000, 12345, -1], 1e-4, "xq"), ([20000, 20000, -32768, 32767], 2e-4, "yq")):
        degraded = k.matmul_scale(f32(s), input=qint16, n=4)
        integers = run(k, "requantize", x=x, s_in=s, s_out=degraded, input="qint16", output="qint16")[1]
        assert [integers] == entry(name, key)
        operands.append(torch.tensor(integers))
    s_in = k.product_scale(f32(1e-4), f32(2e-4), n=4, input=qint16, other=qint16)
    acc = int((operands[0] * operands[1]).sum())
    assert [[run(k, "matmul", acc=acc, s_in=s_in, s_out=5e-4, output="qint16")[1]]] == entry(name, "out")
    assert plain(s_in) == (f32(1e-4) * f32(2e-4) * (g * g)).item()


@golden(*BAYES)
def e22_add_scalar(b: Build, march: str) -> None:
    name, types = "E22 bayes add_scalar +0.7", {"input": "qint8", "output": "qint8"}
    params, out = run(b.kernels(march), "add_scalar", x=[10, -10, 127, -128], s_x=0.1, number=0.7, s_out=0.1, **types)
    assert out == entry(name, "out")
    assert (params["total_shift"], params["total_k"]) == (entry(name, "shift"), entry(name, "qscale"))
    assert bool(params["total_swap"]) is entry(name, "swapped")


@golden(*BAYES)
def e22b_add_scalar_int16(b: Build, march: str) -> None:
    name, types = "E22b bayes add_scalar i16 -0.7", {"input": "qint16", "output": "qint16"}
    given = {"x": [1000, -1000, 32767], "s_x": 0.001, "number": -0.7, "s_out": 0.001}
    params, out = run(b.kernels(march), "add_scalar", **given, **types)
    assert out == entry(name, "out")
    assert (params["total_shift"], params["total_k"]) == (entry(name, "shift"), entry(name, "qscale"))
    assert bool(params["total_swap"]) is entry(name, "swapped")


@golden(*BAYES)
def e24_clamp_bounds(b: Build, march: str) -> None:
    bounds = run(b.kernels(march), "quantize_activation", x=[-1.0, 0.83], s=0.05, output="qint8")[1]
    assert bounds == entry("E24 clamp bounds(-1.0,0.83) s=0.05")
