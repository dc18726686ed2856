"""E11, E12, E14 and E15 of the golden vectors: convolution and colour.

An entry gives numbers only; what was fed to get them stands here, from section 11 of numerics.md.
"""

import math
from functools import partial

import torch
from golden_support import Build, current_march, f32, plain, run

from horizon_plugin_pytorch.dtype import DTYPES
from horizon_plugin_pytorch.qtensor import QTensor

from .entries import BAYES, MULTIPLIERS, OF, entry, golden, keys

# E11, E12: convolution.

E11_W, E11_B = ((0.5, -0.25, 0.1), (1.0, 0.003, -1.0)), (0.3, -0.1)
E11_X = ([10, -20, 30], [127, 127, -128], [-128, 0, 64])
E11_ADDEND, E11_S_E = ([40, -40], [5, 7], [-128, 127]), 0.03
E11_S_IN, E11_S_OUT = 0.02, 0.04


def _conv(b: Build, march: str) -> tuple[list[float], list[list[int]], list[list[int]]]:
    """(weight scales, integer weights, partial sums) of the 1x1 convolution of E11."""
    k, output = b.kernels(march), DTYPES["qint8"]
    w = f32(*E11_W)
    scale = k.observer_scale(w.amin(1), w.amax(1), output=output)
    weight = plain(k.quantize_weight(w, scale[:, None], output=output))
    return plain(scale), weight, [[sum(map(math.prod, zip(row, x, strict=True))) for row in weight] for x in E11_X]


@golden(*MULTIPLIERS)
def e11_conv(b: Build, march: str) -> None:
    name, k = f"E11 conv1x1 {OF[march]}", b.kernels(march)
    scale, weight, sums = _conv(b, march)
    assert scale == entry(name, "w_scale")
    assert weight == entry(name, "wq")
    assert sums == entry(name, "psum")
    scales = {"s_in": E11_S_IN, "s_w": scale, "s_out": E11_S_OUT, "b": E11_B}
    params, out = run(k, "weighted", acc=sums, **scales, output="qint8")
    assert params["offset_q"] == entry(name, "bq")
    assert params["y_mult"] == entry(name, "oscale")
    assert params["y_pre_shift"] == entry(name, "accu_rshift")
    assert params["y_post_shift"] == entry(name, "output_rshift")
    assert out == entry(name, "out")
    assert run(k, "relu", x=out)[1] == entry(name, "relu")


@golden(*MULTIPLIERS)
def e11b_conv_add(b: Build, march: str) -> None:
    name = f"E11b conv+sumin {OF[march]}"
    scale, _, sums = _conv(b, march)
    scales = {"s_in": E11_S_IN, "s_w": scale, "s_out": E11_S_OUT, "b": E11_B, "s_e": E11_S_E}
    params, out = run(b.kernels(march), "weighted_add", acc=sums, e=E11_ADDEND, **scales, output="qint8")
    assert params["term_escale"] == entry(name, "escale")
    right = params.get("term_right", [0, 0])
    assert [left - r for left, r in zip(params["term_left"], right, strict=True)] == entry(name, "escale_lshift")
    assert out == entry(name, "out")


@golden(*MULTIPLIERS)
def e11c_accumulator(b: Build, march: str) -> None:
    name, k = "E11c conv qint32", b.kernels(march)
    scale, _, sums = _conv(b, march)
    out = run(k, "weighted_accumulator", acc=sums, s_in=E11_S_IN, s_w=scale, b=E11_B)[1]
    assert out == entry(name, "out")
    assert run(k, "weighted_scale", s_in=E11_S_IN, s_w=scale)[1] == entry(name, "dequant_scale")


@golden("bernoulli")
def e12_conv_shift(b: Build, march: str) -> None:
    scales = {"s_in": 2.0**-5, "s_w": 2.0**-7, "b": 21 * 2.0**-6, "s_out": 2.0**-4}
    out = run(b.kernels(march), "weighted", acc=[1000, -1000, -5377, 40000], **scales, output="qint8")[1]
    assert out == entry("E12 bernoulli conv")


# E14, E15: colour.

COLORS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "gray": (128, 128, 128),
    "c1": (12, 200, 77),
    "c2": (250, 3, 99),
    "c3": (1, 2, 3),
}


@golden()
def e14_forward(b: Build) -> None:
    for swing in ("studio", "full"):
        for color, rgb in COLORS.items():
            image = f32(*rgb).reshape(1, 3, 1, 1)
            expected = entry(f"E14 rgb2centered_yuv {swing}", color)
            assert plain(b.functional.rgb2centered_yuv(image, swing=swing).flatten()) == expected, color
            assert plain(b.functional.bgr2centered_yuv(image.flip(1), swing=swing).flatten()) == expected, color


E15_IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375), "q_scale": 0.0207}
E15 = {"E15 yuv2rgb": {}, "E15c imagenet": E15_IMAGENET}


@golden(*BAYES)
def e15_inverse(b: Build, march: str) -> None:
    for name, normalization in E15.items():
        for swing in ("studio", "full"):
            for yuv in keys(f"{name} {swing}"):
                image = torch.tensor([int(v) for v in yuv.strip("()").split(",")], dtype=torch.int8).reshape(1, 3, 1, 1)
                with current_march(march):
                    out = b.functional.centered_yuv2rgb(
                        QTensor(image, f32(1.0), DTYPES["qint8"]), swing=swing, **normalization
                    )
                    back = {n: v[::-1] if isinstance(v, tuple) else v for n, v in normalization.items()}
                    bgr = b.functional.centered_yuv2bgr(QTensor(image, f32(1.0), DTYPES["qint8"]), swing=swing, **back)
                assert plain(out.int_repr().flatten()) == entry(f"{name} {swing}", yuv), (name, swing, yuv)
                assert plain(bgr.int_repr().flatten())[::-1] == entry(f"{name} {swing}", yuv), (name, swing, yuv)


@golden(*BAYES)
def e15_inverse_parameters(b: Build, march: str) -> None:
    for name, normalization in E15.items():
        for swing in ("studio", "full"):
            mean, std = (normalization.get(n, (128.0,) * 3) for n in ("mean", "std"))
            q_scale = normalization.get("q_scale", 1 / 128)
            p = b.color.inverse_parameters(
                march, b.color.tables.BT601[swing], reverse=False, mean=mean, std=std, q_scale=q_scale
            )
            expected = partial(entry, f"{name} params {swing}")
            assert plain(p.weight) == expected("wq")
            values = {n: plain(v.flatten()) for n, v in p.integers._asdict().items()}
            assert values["offset_q"] == expected("bq")
            assert values["y_mult"] == expected("oscale")
            assert values["y_pre_shift"] == expected("accu")
            assert values["y_post_shift"] == expected("post")


@golden()
def check_forward_is_a_shift(b: Build) -> None:
    levels = torch.arange(0, 256, 15)
    grid = torch.cartesian_prod(levels, levels, levels)
    image = grid.T.reshape(1, 3, -1, 1)
    tables = {
        "studio": (((66, 129, 25), (-38, -74, 112), (112, -94, -18)), (16, 128, 128)),
        "full": (((77, 150, 29), (-43, -84, 127), (127, -106, -21)), (0, 128, 128)),
    }
    for swing, (rows, offsets) in tables.items():
        acc = grid @ torch.tensor(rows).T
        expected = ((acc + 128) >> 8) + torch.tensor(offsets)
        same = torch.equal(b.functional.rgb2yuv(image, swing=swing).flatten(2)[0].T, expected.to(torch.int32))
        assert same is entry("check rgb2yuv == (acc>>8)+offset on uint8 inputs")
