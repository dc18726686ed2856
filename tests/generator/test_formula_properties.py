"""Properties of the formula compiler: the two lowerings agree bit for bit, and no value leaves its proved interval.

Formulas are drawn at random; what the proof refuses is skipped. Hypothesis runs without randomness, so a failure stays one.
"""

import functools
import itertools
import math
import struct
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_formula import ADD, MODES, WEIGHTED, Lowered, compiled, f32, kernel, requantize

from generator.formula.model import Compiled, Kernel
from generator.formula.parse import parse

steady = functools.partial(
    settings, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
ODD = [0.0, 1e-45, 1.1754942e-38, 3.4028234663852886e38, math.inf, 0.5, 1.0, 127.5, 0.1, 3e-4]
REALS = st.one_of(st.sampled_from([*ODD, *(-v for v in ODD)]), st.floats(width=32, allow_nan=False))
SCALES = st.one_of(st.sampled_from([v for v in ODD if v > 0]), st.floats(2.0**-149, 2.0**127, width=32))


def bits(v: float) -> bytes:
    """A float32 as it is stored; every NaN, and the two zeros, count as one."""
    return b"nan" if math.isnan(v) else struct.pack("f", v + 0.0)


# Reals: one rounding an operation, in both lowerings.

OPERATIONS = [
    "a + b", "a - b", "a * b", "a / b", "3 / a", "1 / a", "a / 4", "0.1 * a", "a - 0.1", "-a", "abs(a)", "sqrt(a)",
    "clip(a, -0.7, 0.3)", "min(a, 0.1)", "max(a, b)", "select(a < 0.1, a, 0.1)", "a * b + 0.5", "0.1 + 0.2 * a",
    "round_real(a, pre)", "round_real(a, post)", "round_real(a, even)", "round_real(a, away)",
]  # fmt: skip


@pytest.mark.parametrize("text", OPERATIONS)
@steady(max_examples=60)
@given(a=REALS, b=REALS)
def test_real_operations_agree(text: str, a: float, b: float) -> None:
    a, b = f32(a), f32(b)
    assume(not (text.startswith("round_real") and abs(a) > 2.0**62))
    assume(not (text == "sqrt(a)" and a < 0))
    both = reals(text)
    wanted, found = both.python(a=a, b=b)[1], both.torch(a=torch.tensor(a), b=torch.tensor(b))[1]
    assert found.dtype is torch.float32
    assert bits(wanted) == bits(found.item())


@functools.cache
def reals(text: str) -> Lowered:
    return Lowered(kernel(compute={"y": text}, tensors={"a": "real", "b": "real"}, result="real"))


ROUNDED = [f"{function}(a)" for function in ("floor", "ceil", "trunc", "round_half_away", "round_half_even")]
ROUNDED += [f"round(a, {site})" for site in ("pre", "post", "even", "away")]


@pytest.mark.parametrize("text", ROUNDED)
@steady(max_examples=60)
@given(a=st.one_of(REALS, st.integers(-20, 20).map(lambda v: v / 2), st.just(math.nan)))
def test_roundings_agree(text: str, a: float) -> None:
    a = f32(a)
    both = rounded(text)
    assert both.python(a=a)[1] == both.torch(a=torch.tensor(a))[1].item()


@functools.cache
def rounded(text: str) -> Lowered:
    return Lowered(kernel(compute={"y": text}, tensors={"a": "real"}, result=(-(2**63), 2**63 - 1)))


TIES = [-2.5, -1.5, -0.5, -0.25, 0.5, 1.5, 2.5, 3.49]
ROWS = {
    "floor": [-3, -2, -1, -1, 0, 1, 2, 3],
    "half_up": [-2, -1, 0, 0, 1, 2, 3, 3],
    "half_even": [-2, -2, 0, 0, 0, 2, 2, 3],
    "half_away": [-3, -2, -1, 0, 1, 2, 3, 3],
}


@pytest.mark.parametrize("mode", MODES)
def test_ties(mode: str) -> None:
    site = {"floor": "pre", "half_up": "post", "half_even": "even", "half_away": "away"}[mode]
    assert [rounded(f"round(a, {site})").python(a=f32(v))[1] for v in TIES] == ROWS[mode]


@pytest.mark.parametrize("n", range(-149, 128))
def test_powers_of_two_are_exact(n: int) -> None:
    power = powers()
    assert power.torch(x=torch.tensor([n]))[1].item() == 2.0**n == power.python(x=n)[1]


@functools.cache
def powers() -> Lowered:
    return Lowered(kernel(compute={"y": "2**x"}, tensors={"x": (-300, 300)}, result="real"))


# Whole kernels.


@pytest.mark.parametrize("main", [ADD, WEIGHTED, requantize()], ids=["shift_and_scale", "weighted", "requantize"])
@steady(max_examples=150)
@given(scales=st.tuples(SCALES, SCALES, SCALES), data=st.data())
def test_kernels_agree(main: Kernel, scales: tuple[float, ...], data: st.DataObject) -> None:
    assume(len(main.scales) == 2 or all(2.0**-30 < v < 2.0**30 for v in scales))  # log2 of a ratio that is no scale
    both = whole(main)
    types = {name: data.draw(st.sampled_from(allowed), name) for name, allowed in main.types.items()}
    limit = 2 ** (int(types["input"].removeprefix("qint")) - 1)
    count = data.draw(st.integers(1, 5))
    edges = st.sampled_from([-limit, limit - 1, 0, 1, -1])
    values = st.lists(st.one_of(edges, st.integers(-limit, limit - 1)), min_size=count, max_size=count)
    both.both(
        **{name: data.draw(values, name) for name in main.tensors},
        **{name: f32(value) for name, value in zip(main.scales, scales, strict=False)},
        **types,
    )


WHOLE: dict[str, Lowered] = {}


def whole(main: Kernel) -> Lowered:
    key = " ".join(formula.text for formula in main.compute)
    if key not in WHOLE:
        WHOLE[key] = Lowered(main) if main.id == "requantize" else Lowered(main, requantize())
    return WHOLE[key]


def test_scales_of_channels_broadcast() -> None:
    both = whole(requantize())
    scales, x = [0.5, 3e-4, 7.0], torch.randint(-(2**31), 2**31, (2, 3, 4), generator=torch.Generator().manual_seed(0))
    types = {"input": "qint32", "output": "qint8"}
    _, found = both.torch(x=x, s_in=torch.tensor(scales).reshape(3, 1), s_out=torch.tensor(1.0), **types)
    assert found.dtype is torch.int8
    for n, c, i in itertools.product(range(2), range(3), range(4)):
        _, wanted = both.python(x=int(x[n, c, i]), s_in=f32(scales[c]), s_out=1.0, **types)
        assert wanted == found[n, c, i]


@steady(max_examples=200)
@given(v=st.integers(-(2**62), 2**62), width=st.integers(2, 40))
def test_wrapping_is_twos_complement(v: int, width: int) -> None:
    both = wrapping(width)
    wanted = (v + 2 ** (width - 1)) % 2**width - 2 ** (width - 1)
    assert both.python(x=v)[1] == wanted == both.torch(x=torch.tensor([v]))[1].item()


@functools.cache
def wrapping(width: int) -> Lowered:
    half = 2 ** (width - 1)
    return Lowered(
        kernel(compute={"y": f"wrap(x, {width})"}, tensors={"x": (-(2**62), 2**62)}, result=(-half, half - 1))
    )


# The proof against brute force.

RANGES = {"a": (-3, 4), "b": (0, 3), "c": (-2, 1)}
LEAVES = st.sampled_from([*RANGES, "0", "1", "3", "-2", "qint4.max"])


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, st.sampled_from(["+", "-", "*", "&", "<<", ">>"]), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    )
    calls = [
        st.tuples(inner, inner, inner).map(lambda t: f"clip({t[0]}, {t[1]}, {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"select({t[0]} > {t[1]}, {t[1]}, {t[2]})"),
        inner.map(lambda t: f"abs({t})"),
        inner.map(lambda t: f"(-{t})"),
        inner.map(lambda t: f"saturate({t}, 3)"),
        inner.map(lambda t: f"wrap({t}, 4)"),
        st.tuples(inner, inner).map(lambda t: f"shift_right({t[0]}, clip({t[1]}, 0, 5), post)"),
    ]
    return st.one_of(binary, *calls)


@steady(max_examples=400)
@given(text=st.recursive(LEAVES, grow, max_leaves=8))
def test_no_value_leaves_its_proved_interval(text: str) -> None:
    found = compiled(kernel(compute={"y": f"{text} + 0 * a"}, tensors=RANGES, result=(-(2**63), 2**63 - 1)))
    assume(isinstance(found, Compiled))
    both = Lowered(kernel(compute={"y": f"{text} + 0 * a"}, tensors=RANGES, result=(-(2**63), 2**63 - 1)))
    points = list(itertools.product(*(range(lo, hi + 1) for lo, hi in RANGES.values())))
    wanted = [both.python(**dict(zip(RANGES, point, strict=True)))[1] for point in points]
    lo, hi = both.code.ranges["y"]
    assert lo <= min(wanted) <= max(wanted) <= hi
    columns = {name: torch.tensor(column) for name, column in zip(RANGES, zip(*points, strict=True), strict=True)}
    assert both.torch(**columns)[1].tolist() == wanted


DERIVED = [
    "clip(floor(s), 1, 14)", "floor(clip(s, 0, 0.99999999))", "clip(floor(log2(s)), -20, 20)", "clip(ceil(3 / s), -5, 9)",
    "min(trunc(clip(s, -9, 9) * 0.7), 4)", "clip(floor(s * 2**25 + 0.5), 0, 2**31)", "floor(clip(s, 1, 5))",
]  # fmt: skip


@pytest.mark.parametrize("text", DERIVED)
@steady(max_examples=150)
@given(s=st.one_of(REALS, st.just(math.nan)))
def test_no_parameter_leaves_its_proved_interval(text: str, s: float) -> None:
    assume(not ("log2" in text and not s > 0))  # the logarithm of a scale
    both = derived(text)
    p, _ = both.torch(s=torch.tensor(s), x=torch.tensor([0]))
    assert both.code.params[0].lo <= p[0].item() <= both.code.params[0].hi
    assert both.python(s=f32(s), x=0)[0][0] == p[0].item()


@functools.cache
def derived(text: str) -> Lowered:
    parts: dict[str, Any] = {"scales": {"s": ""}, "tensors": {"x": "qint8"}, "result": "qint8"}
    return Lowered(kernel(derive={"n": text}, compute={"y": "saturate(x * n, qint8)"}, **parts))


@steady(max_examples=500)
@given(text=st.text(alphabet="xy01. ()+-*/<>=&,'[]{}:@\\lambdif\n\0\u00b5", max_size=40))
def test_any_text_is_a_formula_or_problems(text: str) -> None:
    found = parse(text, "key")
    assert not isinstance(found, tuple) or (found and all(0 <= p.offset <= len(text) for p in found))
