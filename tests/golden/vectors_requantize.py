"""E1 to E6 of the golden vectors: rounding, quantize, observer scale, requantize.

An entry gives numbers only; what was fed to get them stands here, from section 11 of numerics.md. A rounding that stays
float32 may overwrite what it is given, so it is given a copy.
"""

from functools import partial

import torch
from golden_support import MARCHES, Build, f32, plain, run

from horizon_plugin_pytorch.dtype import DTYPES

from .entries import ACTIVATION, BAYES, MODES, MULTIPLIERS, OF, entry, golden

# E1 to E4: rounding, quantize, fake quantize, observer scale.


@golden()
def e01_rounding(b: Build) -> None:
    x = f32(*entry("E1 rounding", "x"))
    for name, mode in MODES.items():
        assert plain(b.mode(mode).real(x.clone())) == entry("E1 rounding", name), name


@golden(*MARCHES)
def e01_rounding_of_quantize(b: Build, march: str) -> None:
    k, x = b.kernels(march), f32(*entry("E1 rounding", "x"))
    for site, mode in (("activation", ACTIVATION[march]), ("weight", "bpu_round")):
        expected = entry("E1 rounding", mode)
        assert plain(getattr(k, f"round_{site}")(x.clone())) == expected
        assert plain(getattr(k, f"quantize_{site}")(x, f32(1.0), output=DTYPES["qint8"])) == expected


@golden()
def e02_shift(b: Build) -> None:
    x = torch.tensor(entry("E2 shift n=2", "x"))
    for name, mode in (("floor", "floor"), ("round", "half_up"), ("ceil", "ceil")):
        assert plain(b.mode(mode).shift(x, n=2)) == entry("E2 shift n=2", name), name


@golden(*MARCHES)
def e02_shift_of_kernels(b: Build, march: str) -> None:
    x = entry("E2 shift n=2", "x")
    narrow = run(b.kernels(march), "requantize", x=x, s_in=0.25, s_out=1.0, input="qint8", output="qint8")[1]
    assert narrow == entry("E2 shift n=2", "floor" if march == "bernoulli" else "round")
    scales = {"s_in": 0.25, "s_w": 1.0, "s_out": 1.0, "b": 0.0}
    wide = run(b.kernels(march), "weighted", acc=x, **scales, output="qint8")[1]
    assert wide == entry("E2 shift n=2", "round" if march in BAYES else "floor")


E3 = "E3 quantize s=0.1 int8"
E3_X = (0.05, -0.05, 0.15, 0.25, -0.25, 12.74, 12.8, -13.0)


@golden(*MARCHES)
def e03_quantize(b: Build, march: str) -> None:
    k, names = b.kernels(march), {"bpu_round": "bpu_round", "floor": "floor"}
    assert run(k, "quantize_activation", x=E3_X, s=0.1, output="qint8")[1] == entry(E3, names[ACTIVATION[march]])
    assert run(k, "quantize_weight", x=E3_X, s=0.1, output="qint8")[1] == entry(E3, "bpu_round")


@golden(*MARCHES)
def e03_quantize_other_modes(b: Build, march: str) -> None:
    for name, mode in (("bpu_round", "half_up"), ("half_to_even", "half_even"), ("floor", "floor")):
        for role in ("quantize_activation", "quantize_weight"):
            kernel = b.at_sites(march, role, {role.replace("_", "."): mode})
            assert run(kernel, role, x=E3_X, s=0.1, output="qint8")[1] == entry(E3, name)


@golden(*MARCHES)
def e03b_fake_quant(b: Build, march: str) -> None:
    name, k = "E3b fake_quant s=0.5", b.kernels(march)
    site = "weight" if march == "bernoulli" else "activation"
    x, s, dtype = f32(*entry(name, "x")), f32(0.5), DTYPES["qint8"]
    q = getattr(k, f"quantize_{site}")(x, s, output=dtype)
    assert plain(k.dequantize(q, s)) == entry(name, "fwd")
    rounded = getattr(k, f"round_{site}")(x / s)
    inside = (rounded >= dtype.min) & (rounded <= dtype.max)
    assert plain(inside.to(torch.float32)) == entry(name, "grad_mask")


@golden(*MARCHES)
def e04_observer(b: Build, march: str) -> None:
    scale = partial(run, b.kernels(march), "observer_scale")
    if march == "bernoulli":
        assert scale(lo=-1.0, hi=2.55, output="qint8")[1] == entry("E4 observer", "bern")
        return
    assert scale(lo=-1.0, hi=2.55, output="qint8")[1] == entry("E4 observer", "i8")
    assert scale(lo=-1.0, hi=2.55, output="qint16")[1] == entry("E4 observer", "i16")
    assert scale(lo=0.0, hi=0.0, output="qint8")[1] == entry("E4 observer", "zero")


# E5 and E6: requantize.

E5 = {
    "E5a i32->i8 r=0.0003": ("qint32", "qint8", 0.0003),
    "E5b i32->i8 r=1e-7": ("qint32", "qint8", 1e-7),
    "E5c i32->i16 r=0.01": ("qint32", "qint16", 0.01),
    "E5d i8->i8 r=0.5": ("qint8", "qint8", 0.5),
    "E5e i16->i8 r=1/256": ("qint16", "qint8", 1 / 256),
    "E5f i8->i16 r=256": ("qint8", "qint16", 256.0),
    "E5g neg ratio": ("qint8", "qint8", -0.3),
    "E5h r=0.99999": ("qint8", "qint8", 0.99999),
}


@golden(*MULTIPLIERS)
def e05_parameters(b: Build, march: str) -> None:
    for name, (given, output, ratio) in E5.items():
        params, _ = run(b.kernels(march), "requantize", s_in=ratio, s_out=1.0, input=given, output=output, x=[0])
        assert list(params.values()) == entry(name, OF[march]), name


E6_X = {
    "i8_half": ([-128, -127, -3, -2, -1, 0, 1, 2, 3, 5, 127], 0.5, "qint8", "qint8"),
    "i16_to_i8": ([-32768, -384, -129, -128, -127, 127, 128, 384, 32640, 32767], 1 / 256, "qint16", "qint8"),
    "i32_1e7": ([5_000_000, -5_000_000, 12345678, 2**31 - 1, -(2**31)], 1e-7, "qint32", "qint8"),
    "i32_3e4": ([5000, -5000, 1666, 1667, -1666, -1667, 425000, -427000], 0.0003, "qint32", "qint8"),
    "i32_1em2_i16": ([150, -150, 50, -50, 3276750, -3276850, 12345], 0.01, "qint32", "qint16"),
    "same_scale_i32_i8": ([128, -200, 5], 1.0, "qint32", "qint8"),
}


@golden(*MULTIPLIERS)
def e06_requantize(b: Build, march: str) -> None:
    for key, (x, ratio, given, output) in E6_X.items():
        result = run(b.kernels(march), "requantize", x=x, s_in=ratio, s_out=1.0, input=given, output=output)[1]
        assert result == entry("E6 requant", key), key


@golden("bernoulli2")
def e06_floor_post(b: Build, march: str) -> None:
    x, scales = E6_X["i32_3e4"][0][:6], {"s_in": 0.0003, "s_w": 1.0, "s_out": 1.0, "b": 0.0}
    assert run(b.kernels(march), "weighted", acc=x, **scales, output="qint8")[1] == entry("E6 requant", "floor_post")


@golden(*MULTIPLIERS)
def e06_floor_post_at_the_site(b: Build, march: str) -> None:
    kernel = b.at_sites(march, "requantize", {"requantize.post_shift": "floor"})
    x = E6_X["i32_3e4"][0][:6]
    result = run(kernel, "requantize", x=x, s_in=0.0003, s_out=1.0, input="qint32", output="qint8")[1]
    assert result == entry("E6 requant", "floor_post")


@golden("bernoulli")
def e06_shift(b: Build, march: str) -> None:
    x = [-5, -4, -1, 1, 3, 4, 127]
    result = run(b.kernels(march), "requantize", x=x, s_in=2.0**-6, s_out=2.0**-4, input="qint8", output="qint8")[1]
    assert result == entry("E6 requant", "bern_shift")


# The claims that section 11 checked by brute force.


@golden(*MULTIPLIERS)
def check_mid_saturation(b: Build, march: str) -> None:
    """Requantize equals the same steps in Python without the 16-bit saturation, for derived parameters."""
    x = [s * v for v in (0, 1, 5, 2**15 - 1, 2**15, 2**22 + 3, 2**28 + 12345, 2**31 - 1) for s in (1, -1)]
    for exponent in range(-40, 16):
        for ratio in (2.0**exponent, 1.37 * 2.0**exponent, 1.9999 * 2.0**exponent):
            for output in ("qint8", "qint16"):
                p, out = run(b.kernels(march), "requantize", x=x, s_in=ratio, s_out=1.0, input="qint32", output=output)
                wide = [(v >> p["pre_shift"]) * p["mult"] << 1 for v in x]
                rounded = [((t >> p["post_shift"]) + 1) >> 1 for t in wide]
                low, high = DTYPES[output].min, DTYPES[output].max
                same = out == [min(max(v, low), high) for v in rounded]
                assert same is entry("check sat16 never changes a requantize result (params derived by rule)")


@golden(*MULTIPLIERS)
def check_worst_error(b: Build, march: str) -> None:
    """The error beside that of the mantissa stays below 2.5 steps, and the measured worst of 2.427 can be reached.

    The pre shift loses less than one unit of a value that the multiplier scales by less than 2; the last shift half a step.
    """
    ratio = 0.9999 / 256  # a large multiplier behind a long pre shift
    p, _ = run(b.kernels(march), "requantize", s_in=ratio, s_out=1.0, input="qint32", output="qint16", x=[0])
    step = p["pre_shift"] + p["post_shift"]
    x = [(v << p["pre_shift"]) + (1 << p["pre_shift"]) - 1 for v in range(-9000, 9000)]
    out = run(b.kernels(march), "requantize", s_in=ratio, s_out=1.0, input="qint32", output="qint16", x=x)[1]
    worst = max(abs(v * p["mult"] / 2**step - q) for v, q in zip(x, out, strict=True))
    assert entry("check worst |err| (LSB, normalised by 2^-14 mantissa error)") <= worst < 2.5, worst
