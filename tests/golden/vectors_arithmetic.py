"""E7 to E10, E21, E28 and E29 of the golden vectors: add, sub, mul, pooling, mean, concatenation.

An entry gives numbers only; what was fed to get them stands here, from section 11 of numerics.md.
"""

from typing import Any

import torch
from golden_support import MARCHES, Build, f32, plain, run

from horizon_plugin_pytorch.dtype import DTYPES

from .entries import BAYES, MULTIPLIERS, OF, VECTORS, entry, golden

# E7 to E9: add, sub, mul.

INT8 = {"input": "qint8", "other": "qint8", "output": "qint8"}
INT16 = {"input": "qint16", "other": "qint16", "output": "qint16"}
E7_X, E7_Y = [100, -100, 127, -128, 3, -3], [50, -50, 127, -128, 1, 2]


def _accumulator(params: dict[str, Any], x: list[int], y: list[int]) -> list[int]:
    """What shift_and_scale accumulates, from its parameters."""
    pairs = zip(y, x, strict=True) if params["swap"] else zip(x, y, strict=True)
    return [(a << params["shift"]) + b * params["k"] for a, b in pairs]


def _last_step(b: Build, march: str, name: str, inter: float, s_out: float, output: str) -> list[int]:
    """The parameters that requantize has for an intermediate scale, and its result for an entry's accumulators."""
    acc = entry(name, "acc") if "acc" in VECTORS[name] else [0]
    params, out = run(b.kernels(march), "requantize", x=acc, s_in=inter, s_out=s_out, input="qint32", output=output)
    assert "acc" not in VECTORS[name] or out == VECTORS[name]["out"]
    return list(params.values())


@golden(*BAYES)
def e07_add(b: Build, march: str) -> None:
    name = "E7 bayes add"
    params, out = run(b.kernels(march), "add", x=E7_X, y=E7_Y, s_x=0.05, s_y=0.02, s_out=0.06, **INT8)
    assert out == entry(name, "out")
    assert (params["shift"], params["k"]) == (entry(name, "shift"), entry(name, "qscale"))
    assert bool(params["swap"]) is entry(name, "swapped")
    assert _accumulator(params, E7_X, E7_Y) == entry(name, "acc")
    assert [params[f"z_{n}"] for n in ("mult", "pre_shift", "post_shift")] == _last_step(
        b, march, name, 0.05 / 2**16, 0.06, "qint8"
    )


@golden(*BAYES)
def e07b_add_swapped(b: Build, march: str) -> None:
    name = "E7b bayes add swapped args"
    params, out = run(b.kernels(march), "add", x=E7_Y, y=E7_X, s_x=0.02, s_y=0.05, s_out=0.06, **INT8)
    assert out == entry(name, "out")
    assert (params["shift"], params["k"]) == (entry(name, "shift"), entry(name, "qscale"))
    assert bool(params["swap"]) is entry(name, "swapped")


@golden(*BAYES)
def e07c_sub(b: Build, march: str) -> None:
    name = "E7c bayes sub"
    params, out = run(b.kernels(march), "sub", x=E7_X, y=E7_Y, s_x=0.05, s_y=0.02, s_out=0.06, **INT8)
    assert out == entry(name, "out")
    assert (params["shift"], params["k"]) == (entry(name, "shift"), entry(name, "qscale"))


@golden(*BAYES)
def e07d_sub_swapped(b: Build, march: str) -> None:
    name = "E7d bayes sub (swap: negative inter scale)"
    params, out = run(b.kernels(march), "sub", x=E7_X, y=E7_Y, s_x=0.02, s_y=0.05, s_out=0.06, **INT8)
    assert out == entry(name, "out")
    assert (params["shift"], params["k"]) == (entry(name, "shift"), entry(name, "qscale"))
    last = _last_step(b, march, name, entry(name, "inter"), 0.06, "qint8")
    assert [params[f"z_{n}"] for n in ("mult", "pre_shift", "post_shift")] == last


@golden(*BAYES)
def e07e_add_int16(b: Build, march: str) -> None:
    name, x, y = "E7e bayes add i16", [1000, -32768, 32767], [2000, -32768, 32767]
    params, out = run(b.kernels(march), "add", x=x, y=y, s_x=0.001, s_y=0.0007, s_out=0.0015, **INT16)
    assert out == entry(name, "out")
    assert (params["shift"], params["k"]) == (entry(name, "shift"), entry(name, "qscale"))
    assert _accumulator(params, x, y) == entry(name, "acc")
    assert [params[f"z_{n}"] for n in ("mult", "pre_shift", "post_shift")] == _last_step(
        b, march, name, 0.001 / 2**15, 0.0015, "qint16"
    )


@golden("bernoulli2")
def e08_add(b: Build, march: str) -> None:
    name = "E8 bernoulli2 add"
    params, out = run(b.kernels(march), "add", x=E7_X, y=E7_Y, s_x=0.05, s_y=0.02, s_out=0.06, **INT8)
    assert out == entry(name, "out")
    assert (params["w"], params["mantissa"], params["left"]) == tuple(entry(name, key) for key in ("w", "qm", "ls"))
    f, g = (E7_Y, E7_X) if params["swap"] else (E7_X, E7_Y)
    assert [a * params["w"] + (c << params["left"]) * params["mantissa"] for a, c in zip(f, g, strict=True)] == entry(
        name, "acc"
    )
    last = _last_step(b, march, name, entry(name, "inter"), 0.06, "qint8")
    assert [params[f"z_{n}"] for n in ("mult", "pre_shift", "post_shift")] == last


@golden("bernoulli")
def e08b_add(b: Build, march: str) -> None:
    scales = {"s_x": 2.0**-4, "s_y": 2.0**-5, "s_out": 2.0**-3}
    out = run(b.kernels(march), "add", x=[100, -100, 127, -128], y=[50, -51, 127, -128], **scales, **INT8)[1]
    assert out == entry("E8b bernoulli add")


@golden(*MULTIPLIERS)
def e09_mul(b: Build, march: str) -> None:
    x, y = [100, -100, 7, -7, 127], [50, 50, 3, 3, 127]
    params, out = run(b.kernels(march), "mul", x=x, y=y, s_x=0.05, s_y=0.02, s_out=0.04, **INT8)
    assert list(params.values()) == entry("E9 mul", "params")
    assert out == entry("E9 mul", "bayes")


@golden("bernoulli")
def e09_mul_shift(b: Build, march: str) -> None:
    scales = {"s_x": 2.0**-4, "s_y": 2.0**-5, "s_out": 2.0**-3}
    out = run(b.kernels(march), "mul", x=[100, -100, 7, -7], y=[50, 50, 3, 3], **scales, **INT8)[1]
    assert out == entry("E9 mul", "bern")


# E10, E21, E28, E29: pooling, mean, concatenation.


@golden(*MARCHES)
def e10_avg_pool(b: Build, march: str) -> None:
    k = b.kernels(march)
    params, out = run(k, "avg_pool", acc=13, s_in=0.05, s_out=0.05, kh=3, kw=3, output="qint8")
    assert out == entry("E10 avgpool3x3", OF[march])
    assert march not in BAYES or list(params.values()) == entry("E10 params bayes")
    out = run(k, "avg_pool", acc=-402, s_in=0.25, s_out=0.25, kh=2, kw=2, output="qint8")[1]
    assert out == entry("E10b avgpool2x2 sum=-402", OF[march])


@golden(*MULTIPLIERS)
def e10c_pre_round(b: Build, march: str) -> None:
    name, k = "E10c pre-round visible (r=1e-3)", b.kernels(march)
    x = torch.tensor([*entry(name, "x"), *range(-60000, 60000)])
    scales = {"s_in": f32(1e-3), "s_out": f32(1.0)}
    output = DTYPES["qint8"]
    p = k.derive_avg_pool(**scales, kh=1, kw=1, output=output)
    pool = k.avg_pool(x, p, output=output)
    plain_p = k.derive_requantize(**scales, input=DTYPES["qint32"], output=output)
    floor = k.requantize(x, plain_p, output=output)
    assert [list(map(int, p)), list(map(int, plain_p))] == [entry(name, "params")] * 2
    assert plain(floor[:3]) == entry(name, "with_pre_floor")
    assert plain(pool[:3]) == entry(name, "with_pre_round" if march in BAYES else "with_pre_floor")
    assert int((pool[3:] != floor[3:]).sum()) == (entry(name, "n_diff_of_120000") if march in BAYES else 0)


@golden(*MULTIPLIERS)
def e10d_pre_round(b: Build, march: str) -> None:
    name, k = "E10d avgpool16x16 pre-round visible", b.kernels(march)
    scales = {"s_in": entry(name, "in_scale"), "s_out": entry(name, "out_scale")}
    params, out = run(k, "avg_pool", acc=entry(name, "sum"), **scales, kh=16, kw=16, output="qint8")
    assert out == entry(name, "bayes" if march in BAYES else "without_pre_round")
    assert list(params.values()) == entry(name, "params")


@golden(*MULTIPLIERS)
def e21_mean(b: Build, march: str) -> None:
    out = run(b.kernels(march), "mean", acc=10 + 20 + 33, s_in=0.1, s_out=0.1, n=3, output="qint8")[1]
    assert out == entry("E21 mean C=3", OF[march])


@golden(*MULTIPLIERS)
def e28_cat(b: Build, march: str) -> None:
    x = [100, -100, 127, 1, -1]
    out = run(b.kernels(march), "requantize", x=x, s_in=0.03, s_out=0.05, input="qint8", output="qint8")[1]
    assert out == entry("E28 cat requant")


@golden("bernoulli")
def e29_mean_weight(b: Build, march: str) -> None:
    name = "E29 bernoulli mean C=3 weight"
    params, _ = run(b.kernels(march), "mean", s_in=1.0, s_out=1.0, n=3, output="qint8")
    assert params["w"] == entry(name, "wq")
    mantissa, exponent = entry(name, "frexp")
    assert (mantissa, exponent) == tuple(map(float, torch.frexp(f32(1 / 3))))
    assert 2.0 ** (exponent - 7) == entry(name, "w_scale")
    value = run(b.kernels(march), "simulate_mean", total=1.0, n=3)[1]
    assert value == entry(name, "wq") * entry(name, "w_scale")
