"""Bit for bit: every torch kernel is its exact-integer lowering, every converted module is its definition in Python.

Kernels are fed ties, signs, ends of ranges, powers of two and their neighbours, equal and extreme scales. Whole modules go
through prepare and convert; what they compute is defined by loops over Python integers, and finished by the generated
reference of the march. Hypothesis runs without randomness, so a failure stays one.
"""

import functools
import itertools
import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import torch
from golden.builds import MemoryBuild
from golden.definitions import Converted, quantize_stub, reference
from golden.models import CASES, Case, converted, heavy
from golden.nested import linear_sums
from golden.spec_tree import load_specs
from golden_support import COMMON, MARCHES, accepted, f32, plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from horizon_plugin_pytorch.dtype import DTYPES, QuantDType
from horizon_plugin_pytorch.kernels import common, load

steady = functools.partial(
    settings, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


# Kernels, one by one.


@functools.cache
def build() -> MemoryBuild:
    """The specs, for what the kernels' arguments are."""
    return MemoryBuild(load_specs()[1])


def kernel_cases() -> list[tuple[str, str]]:
    """(march, kernel) of everything that is generated."""
    return [(march, role) for march in (*MARCHES, COMMON) for role in build().roles(march)]


def scales() -> st.SearchStrategy[float]:
    """Positive float32: the usual, powers of two, extremes."""
    usual = st.sampled_from([0.05, 0.02, 0.1, 0.3, 1.0, 0.007843137718737125, 3.0517578125e-05])
    powers = st.integers(-40, 20).map(lambda e: 2.0**e)
    anything = st.floats(2.0**-40, 2.0**20, width=32)
    return st.one_of(usual, powers, anything).map(lambda v: f32(v).item())


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    """Ends, powers of two and their neighbours of both signs, small values with their ties, anything."""
    near = {sign * 2**k + d for k in range(high.bit_length() + 1) for sign in (1, -1) for d in (-1, 0, 1)}
    edges = sorted(v for v in {low, low + 1, high - 1, high, 0, *near} if low <= v <= high)
    return st.one_of(st.sampled_from(edges), st.integers(max(low, -300), min(high, 300)), st.integers(low, high))


def reals() -> st.SearchStrategy[float]:
    """Ties, large values, signed zeros, anything finite."""
    ties = st.integers(-(2**17), 2**17).map(lambda v: v / 2)
    special = st.sampled_from([0.0, -0.0, 1e10, -1e10, 127.49, -128.5, 0.49999997])
    return st.one_of(ties, special, st.floats(-(2.0**20), 2.0**20, width=32)).map(lambda v: f32(v).item())


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments of one kernel: dtypes, scales, host integers, and rows of operands."""

    dtypes: dict[str, QuantDType]
    scales: dict[str, float]
    integers: dict[str, int]
    operands: dict[str, list[Any]]
    tables: dict[str, list[int]]


@st.composite
def calls(draw: st.DrawFn, role: str, march: str) -> Call:
    """Arguments of a kernel as its spec declares them."""
    chosen = build().facts[march].algorithms.get(role)
    entry = next(
        e.kernel for e in build().catalog.kernels if e.kernel.id == role and e.kernel.variant in (None, chosen)
    )
    types = {name: DTYPES[draw(st.sampled_from(ids))] for name, ids in entry.types.items()}
    count = draw(st.integers(1, 12))

    def operand(kind: Any) -> st.SearchStrategy[Any]:
        if kind == "real":
            return reals()
        dtype = types.get(kind) if isinstance(kind, str) else None
        low, high = kind if isinstance(kind, tuple) else ((dtype or DTYPES[kind]).min, (dtype or DTYPES[kind]).max)
        return integers(low, high)

    rows = {name: draw(st.lists(operand(kind), min_size=count, max_size=count)) for name, kind in entry.tensors.items()}
    shared = draw(scales())
    same = draw(st.booleans())
    given_scales = {name: shared if same else draw(scales()) for name in entry.scales}
    given_scales |= {name: draw(reals()) for name in given_scales if name == "b"}
    host = {name: draw(integers(*ends)) for name, ends in entry.integers.items()}
    tables = {
        name: sorted(draw(st.lists(operand(kind), min_size=size, max_size=size)))
        for name, (kind, size) in entry.tables.items()
    }
    return Call(types, given_scales, host, rows, tables)


def torch_results(kernels: ModuleType, role: str, call: Call) -> tuple[dict[str, Any], list[Any]]:
    """(parameters, results) of the generated torch kernel."""
    values = {**{n: f32(s) for n, s in call.scales.items()}, **call.integers, **call.dtypes}
    rows = {name: torch.tensor(row) for name, row in {**call.operands, **call.tables}.items()}
    compute, extra, params = getattr(kernels, role), {}, {}
    if derive := getattr(kernels, f"derive_{role}", None):
        p = derive(**accepted(derive, values))
        extra, params = {"p": p}, {name: plain(value) for name, value in p._asdict().items()}
    result = plain(compute(**accepted(compute, {**values, **rows, **extra})))
    return params, result if isinstance(result, list) else [result]


def exact_results(kernels: ModuleType, role: str, call: Call) -> tuple[dict[str, Any], list[Any]]:
    """The same of the generated reference, element by element."""
    values = {**call.scales, **call.integers, **call.dtypes, **call.tables}
    compute, extra, params = getattr(kernels, role), {}, {}
    if derive := getattr(kernels, f"derive_{role}", None):
        p = derive(**accepted(derive, values))
        extra, params = {"p": p}, p._asdict()
    rows = zip(*call.operands.values(), strict=True) if call.operands else [()]
    named = [dict(zip(call.operands, row, strict=True)) for row in rows]
    return params, [compute(**accepted(compute, {**values, **row, **extra})) for row in named]


def _comparable(value: Any) -> Any:
    """A value that equals itself, NaN too."""
    return "nan" if value != value else value  # noqa: PLR0124 - NaN alone differs from itself


@pytest.mark.parametrize(("march", "role"), kernel_cases(), ids=lambda value: value or "common")
@steady(max_examples=50)
@given(data=st.data())
def test_torch_kernel_is_its_exact_lowering(march: str, role: str, data: st.DataObject) -> None:
    call = data.draw(calls(role, march))
    given_params, given_result = torch_results(common if march == COMMON else load(march), role, call)
    params, result = exact_results(reference(march), role, call)
    assert given_params == params
    assert [_comparable(v) for v in given_result] == [_comparable(v) for v in result]


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("role", ["add", "sub", "mul"])
@pytest.mark.parametrize("s_y", [0.05, 0.02, 2.0**-5])
def test_every_pair_of_int8_operands(march: str, role: str, s_y: float) -> None:
    """All 65536 pairs: the kernel in int8 storage against the reference on each pair."""
    s_x, s_out, qint8 = (2.0**-4, 2.0**-3, DTYPES["qint8"]) if march == "bernoulli" else (0.05, 0.06, DTYPES["qint8"])
    types = {"input": qint8, "other": qint8, "output": qint8}
    grid = torch.arange(-128, 128, dtype=torch.int8)
    x, y = grid.repeat_interleave(256), grid.repeat(256)
    kernels, exact = load(march), reference(march)
    values = {"s_x": f32(s_x), "s_y": f32(s_y), "s_out": f32(s_out), **types}
    p = getattr(kernels, f"derive_{role}")(**values)
    compute, define = getattr(kernels, role), getattr(exact, role)
    out = compute(x, y, p, **accepted(compute, types))
    e = getattr(exact, f"derive_{role}")(
        **{**values, "s_x": f32(s_x).item(), "s_y": f32(s_y).item(), "s_out": f32(s_out).item()}
    )
    extra = accepted(define, types)
    every = slice(None, None, 7)  # a prime that is coprime to 256 meets every value of both operands
    assert plain(out[every]) == [
        define(a, b, e, **extra) for a, b in zip(plain(x[every]), plain(y[every]), strict=True)
    ]
    assert out.dtype == torch.int8


# Whole modules.


def grid(low: int, high: int) -> st.SearchStrategy[float]:
    """Steps of a scale: integers of the dtype, ties between them, and what saturates."""
    ties = st.integers(low, high).map(lambda v: v + 0.5)
    return st.one_of(
        integers(low, high).map(float), ties, st.sampled_from([2.0 * low, 2.0 * high, float(low), float(high)])
    )


@st.composite
def images(draw: st.DrawFn, shape: tuple[int, ...], dtype: QuantDType) -> list[float]:
    """A tensor in steps of its scale, flat: a few values repeated in some order, or one value everywhere."""
    values = draw(st.lists(grid(dtype.min, dtype.max), min_size=1, max_size=24))
    return list(itertools.islice(itertools.cycle(values), math.prod(shape)))


@pytest.mark.parametrize(
    ("case", "march"),
    [pytest.param(case, march, id=f"{case.id} on {march}") for case in CASES for march in case.marches],
)
@steady(max_examples=10)
@given(data=st.data())
def test_converted_module_is_its_definition(case: Case, march: str, data: st.DataObject) -> None:
    c = converted(case, march)
    check(c, case, [data.draw(images(shape, c.source)) for shape in case.shapes])


@pytest.mark.parametrize(
    ("case", "march"),
    [pytest.param(case, march, id=f"{case.id} on {march}") for case in CASES for march in case.marches],
)
def test_converted_module_is_its_definition_at_the_ends(case: Case, march: str) -> None:
    """Everything saturated, of one sign, and of both."""
    c = converted(case, march)
    ends = 2.0 * c.source.min, 2.0 * c.source.max
    for choice in itertools.product(ends, repeat=len(case.shapes)):
        check(c, case, [[end] * math.prod(shape) for end, shape in zip(choice, case.shapes, strict=True)])
    check(c, case, [list(itertools.islice(itertools.cycle(ends), math.prod(shape))) for shape in case.shapes])


def test_heavy_sums_pass_32_bits() -> None:
    case = next(case for case in CASES if case.make is heavy)
    c = converted(case, "bayes")
    assert min(linear_sums(c.module, [[32767] * 1024])[0]) > 2**31


def check(c: Converted, case: Case, steps: list[list[float]]) -> None:
    """Assert that the converted model gives what its definition gives, for inputs in steps of their scales."""
    tensors = [(f32(*x) * s).reshape(shape) for x, s, shape in zip(steps, c.scales, case.shapes, strict=True)]
    with torch.no_grad():
        out = c.model(*tensors)
    expected = case.define(c, [quantize_stub(c, x, index) for index, x in enumerate(tensors)])
    assert str(out.dtype) == case.output
    assert out.int_repr().dtype == c.output.storage
    assert plain(out.int_repr()) == expected


@pytest.mark.parametrize("march", MARCHES)
def test_converted_weight_is_its_definition(march: str) -> None:
    """Scales of an observed channel, integers of its weights, rounded half up on every march."""
    case = CASES[0]
    c = converted(case, march)
    weight = plain(c.original.weight.detach().flatten(1))
    qint8 = DTYPES["qint8"]
    expected = [c.exact.observer_scale(min(row), max(row), output=qint8) for row in weight]
    assert plain(c.module.weight_scale) == expected
    integer = [
        [c.exact.quantize_weight(v, s, output=qint8) for v in row] for row, s in zip(weight, expected, strict=True)
    ]
    assert plain(c.module.weight.flatten(1)) == integer


@pytest.mark.parametrize("march", MARCHES)
def test_accumulator_has_a_scale_a_channel(march: str) -> None:
    c = converted(next(case for case in CASES if case.id == "conv2d accumulator"), march)
    with torch.no_grad():
        out = c.model(torch.randn(1, 4, 5, 4))
    assert plain(out.q_scale()) == [c.exact.weighted_scale(c.scales[0], s) for s in plain(c.module.weight_scale)]
    assert out.q_per_channel_axis() == 1
