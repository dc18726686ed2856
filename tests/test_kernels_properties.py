"""Bit for bit: every torch kernel is its exact-integer lowering, every converted module is its definition in Python.

Kernels are fed ties, signs, ends of ranges, powers of two and their neighbours, equal and extreme scales. Whole modules go
through prepare and convert; what they compute is defined here by loops over Python integers, and finished by the
generated reference of the march. Hypothesis runs without randomness, so a failure stays one.
"""

import functools
import importlib.util
import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import torch
from golden_support import COMMON, MARCHES, ROOT, MemoryBuild, current_march, f32, load_specs, plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import DTYPES, QuantDType
from horizon_plugin_pytorch.kernels import common, load
from horizon_plugin_pytorch.nn import quantized
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.qconfig import QConfig

steady = functools.partial(
    settings, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@functools.cache
def reference(march: str) -> Any:
    """The generated exact-integer lowerings of a march."""
    name = march.replace("-", "_") or "common"
    spec = importlib.util.spec_from_file_location(f"reference_{name}", ROOT / f"generated/tests/reference/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


@st.composite
def calls(draw: st.DrawFn, role: str, march: str) -> Call:
    """Arguments of a kernel as its spec declares them."""
    chosen = build().facts[march].algorithms.get(role)
    entry = next(e.kernel for e in build().catalog.kernels if e.kernel.id == role and e.kernel.variant in (None, chosen))
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
    return Call(types, given_scales, {name: draw(integers(*ends)) for name, ends in entry.integers.items()}, rows)


def accepted(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that a function has."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return {name: value for name, value in arguments.items() if name in names}


def torch_results(kernels: ModuleType, role: str, call: Call) -> tuple[dict[str, Any], list[Any]]:
    """(parameters, results) of the generated torch kernel."""
    values = {**{n: f32(s) for n, s in call.scales.items()}, **call.integers, **call.dtypes}
    rows = {name: torch.tensor(row) for name, row in call.operands.items()}
    compute, extra, params = getattr(kernels, role), {}, {}
    if derive := getattr(kernels, f"derive_{role}", None):
        p = derive(**accepted(derive, values))
        extra, params = {"p": p}, {name: plain(value) for name, value in p._asdict().items()}
    result = plain(compute(**accepted(compute, {**values, **rows, **extra})))
    return params, result if isinstance(result, list) else [result]


def exact_results(kernels: ModuleType, role: str, call: Call) -> tuple[dict[str, Any], list[Any]]:
    """The same of the generated reference, element by element."""
    values = {**call.scales, **call.integers, **call.dtypes}
    compute, extra, params = getattr(kernels, role), {}, {}
    if derive := getattr(kernels, f"derive_{role}", None):
        p = derive(**accepted(derive, values))
        extra, params = {"p": p}, p._asdict()
    rows = zip(*call.operands.values(), strict=True) if call.operands else [()]
    named = [dict(zip(call.operands, row, strict=True)) for row in rows]
    return params, [compute(**accepted(compute, {**values, **row, **extra})) for row in named]


@pytest.mark.parametrize(("march", "role"), kernel_cases(), ids=lambda value: value or "common")
@steady(max_examples=30)
@given(data=st.data())
def test_torch_kernel_is_its_exact_lowering(march: str, role: str, data: st.DataObject) -> None:
    call = data.draw(calls(role, march))
    given_params, given_result = torch_results(common if march == COMMON else load(march), role, call)
    params, result = exact_results(reference(march), role, call)
    assert given_params == params
    assert given_result == result


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
    e = getattr(exact, f"derive_{role}")(**{**values, "s_x": f32(s_x).item(), "s_y": f32(s_y).item(), "s_out": f32(s_out).item()})
    extra = accepted(define, types)
    every = slice(None, None, 7)  # a prime that is coprime to 256 meets every value of both operands
    assert plain(out[every]) == [define(a, b, e, **extra) for a, b in zip(plain(x[every]), plain(y[every]), strict=True)]
    assert out.dtype == torch.int8


# Whole modules.

Nested = list[Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A float module with stubs, what its integers are, and where it is supported.

    Attributes:
        id: For reports.
        make: The float module; it is called with one QTensor an input.
        shapes: Shapes of the inputs.
        define: (converted module, integer inputs, their scales, march) -> the integers that must come out, nested lists.
        marches: Where the march computes it.
        source: Dtype of the inputs.
        output: Dtype of the output; qint32 is an accumulator.
    """

    id: str
    make: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    define: Callable[["Converted", list[Nested]], Nested]
    marches: tuple[str, ...] = MARCHES
    source: str = "qint8"
    output: str = "qint8"


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted model and what its definition needs."""

    model: nn.Module
    module: nn.Module
    original: nn.Module
    scales: list[float]
    march: str
    source: QuantDType
    output: QuantDType

    @property
    def exact(self) -> Any:
        """The exact lowerings."""
        return reference(self.march)

    @property
    def s_out(self) -> float:
        """The output scale of the module; on a march that keeps the input's scale, that."""
        return self.module.scale.item()


class Stubbed(nn.Module):
    """Stubs before one module."""

    def __init__(self, op: nn.Module, inputs: int) -> None:
        super().__init__()
        self.quants = nn.ModuleList(QuantStub() for _ in range(inputs))
        self.op = op


class One(Stubbed):
    def forward(self, x: Tensor) -> Tensor:
        return self.op(self.quants[0](x))


class Two(Stubbed):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.op(self.quants[0](x), self.quants[1](y))


class Method(nn.Module):
    """One FloatFunctional method."""

    def __init__(self, name: str, **keywords: Any) -> None:
        super().__init__()
        self.functional = quantized.FloatFunctional()
        self.name, self.keywords = name, keywords

    def forward(self, *inputs: Tensor) -> Tensor:
        call = getattr(self.functional, self.name)
        return call(list(inputs), **self.keywords) if self.name == "cat" else call(*inputs, **self.keywords)


class Sum(nn.Module):
    """A weighted layer, an addend, and perhaps an activation: fused into one module."""

    def __init__(self, layer: nn.Module, *, relu: bool) -> None:
        super().__init__()
        self.layer, self.functional = layer, quantized.FloatFunctional()
        self.relu = nn.ReLU() if relu else None

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out = self.functional.add(self.layer(x), y)
        return out if self.relu is None else self.relu(out)


def qconfig(dtype: str) -> QConfig:
    """Min-max quantizers; an accumulator has none for the output."""
    full = get_default_qconfig(activation_qkwargs={"dtype": "qint8" if dtype == "qint32" else dtype})
    return QConfig(activation=None, weight=full.weight) if dtype == "qint32" else full


@functools.cache
def converted(case: Case, march: str) -> Converted:
    """The case's model, calibrated and converted."""
    torch.manual_seed(len(case.id))
    op = case.make()
    model = (One if len(case.shapes) == 1 else Two)(op, len(case.shapes)).eval()
    with current_march(march), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        rules = {"": qconfig(case.output), "module_name": {"quants": qconfig(case.source)}}
        prepared = prepare_qat_fx(model, rules).eval()
        set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
        prepared(*(torch.randn(shape) * (index + 1) for index, shape in enumerate(case.shapes)))
        prepared.eval()
        set_fake_quantize(prepared, FakeQuantState.VALIDATION)
        integer = convert_fx(prepared)
    modules = [m for m in integer.modules() if type(m).__module__.startswith(quantized.__name__) and not isinstance(m, quantized.Quantize)]
    stubs = [m.scale.item() for m in integer.modules() if isinstance(m, quantized.Quantize)]
    assert len(modules) == 1, [type(m).__name__ for m in modules]
    output = DTYPES[case.output]
    return Converted(integer, modules[0], op, stubs, march, DTYPES[case.source], output)


def grid(low: int, high: int) -> st.SearchStrategy[float]:
    """Steps of a scale: integers of the dtype, ties between them, and what saturates."""
    ties = st.integers(low, high).map(lambda v: v + 0.5)
    return st.one_of(integers(low, high).map(float), ties, st.sampled_from([2.0 * low, 2.0 * high, float(low), float(high)]))


@st.composite
def images(draw: st.DrawFn, shape: tuple[int, ...], dtype: QuantDType) -> list[float]:
    """A tensor in steps of its scale, flat: a few values repeated in some order, or one value everywhere."""
    values = draw(st.lists(grid(dtype.min, dtype.max), min_size=1, max_size=24))
    return list(itertools.islice(itertools.cycle(values), math.prod(shape)))


def quantize_stub(c: Converted, x: Tensor, index: int) -> Nested:
    """The integers of an input."""
    exact = [c.exact.quantize_activation(v, c.scales[index], output=c.source) for v in plain(x.flatten())]
    return plain(torch.tensor(exact).reshape(x.shape))


# Definitions: sums over Python integers.


def elements(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every index of a shape."""
    return itertools.product(*map(range, shape))


def at(nested: Nested, index: tuple[int, ...]) -> int:
    """An element; 0 outside of the last dimensions (zero padding)."""
    for i in index:
        if not 0 <= i < len(nested):
            return 0
        nested = nested[i]
    return nested  # type: ignore[return-value]


def shape_of(nested: Nested) -> tuple[int, ...]:
    """The shape of nested lists."""
    return (len(nested), *shape_of(nested[0])) if isinstance(nested, list) else ()


def full(shape: tuple[int, ...], value: Callable[[tuple[int, ...]], Any]) -> Nested:
    """Nested lists of a function of the index."""
    flat = [value(index) for index in elements(shape)]
    for size in reversed(shape[1:]):
        flat = [flat[i : i + size] for i in range(0, len(flat), size)]
    return flat


def tupled(value: Any, dims: int) -> tuple[int, ...]:
    """One number a dimension."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims


def conv_sums(m: nn.Module, x: Nested) -> Nested:
    """sum x * w of a convolution over any number of dimensions."""
    weight = plain(m.weight)
    out_channels, per_group, *kernel = shape_of(weight)
    batch, _, *size = shape_of(x)
    dims = len(kernel)
    stride, padding, dilation = (tupled(getattr(m, name), dims) for name in ("stride", "padding", "dilation"))
    groups = m.groups
    spatial = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(size, padding, dilation, kernel, stride, strict=True)]

    def value(index: tuple[int, ...]) -> int:
        n, c, *place = index
        first = c // (out_channels // groups) * per_group
        return sum(
            at(x, (n, first + i, *(o * s - p + t * d for o, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True))))
            * at(weight, (c, i, *tap))
            for i in range(per_group)
            for tap in elements(tuple(kernel))
        )

    return full((batch, out_channels, *spatial), value)


def transposed_sums(m: nn.Module, x: Nested) -> Nested:
    """sum x * w of a transposed convolution: every input element is spread over the kernel."""
    weight = plain(m.weight)
    in_channels, per_group, *kernel = shape_of(weight)
    batch, _, *size = shape_of(x)
    stride, padding, dilation, extra = (tupled(getattr(m, n), 2) for n in ("stride", "padding", "dilation", "output_padding"))
    spatial = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, s, p, d, k, e in zip(size, stride, padding, dilation, kernel, extra, strict=True)]
    sums: dict[tuple[int, ...], int] = {}
    for n, i, *place in elements((batch, in_channels, *size)):
        group = i // (in_channels // m.groups)
        for c, *tap in elements((per_group, *kernel)):
            spot = tuple(o * s - p + t * d for o, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True))
            key = (n, group * per_group + c, *spot)
            sums[key] = sums.get(key, 0) + at(x, (n, i, *place)) * at(weight, (i, c, *tap))
    return full((batch, per_group * m.groups, *spatial), lambda index: sums.get(index, 0))


def linear_sums(m: nn.Module, x: Nested) -> Nested:
    """sum x * w over the last dimension."""
    weight, shape = plain(m.weight), shape_of(x)
    return full((*shape[:-1], len(weight)), lambda i: sum(a * b for a, b in zip(_row(x, i[:-1]), weight[i[-1]], strict=True)))


def _row(x: Nested, index: tuple[int, ...]) -> list[int]:
    for i in index:
        x = x[i]
    return x


def weighted(sums: Callable[[nn.Module, Nested], Nested], axis: int = 1, *, relu: bool = False, swap: bool = False) -> Callable[[Converted, list[Nested]], Nested]:
    """A weighted module: sums, then bias, addend and requantization of the channel, then ReLU."""

    def define(c: Converted, inputs: list[Nested]) -> Nested:
        order = [1, 0] if swap else [0, 1]
        acc = sums(c.module, inputs[order[0]])
        scale, bias = plain(c.module.weight_scale), plain(c.module.bias)
        add = len(inputs) > 1
        role = "weighted" + "_add" * add + "_accumulator" * (str(c.output) == "qint32")
        finish, derive = getattr(c.exact, role), getattr(c.exact, f"derive_{role}")
        params = []
        for s_w, b in zip(scale, bias, strict=True):
            values = {"s_in": c.scales[order[0]], "s_w": s_w, "b": b, "output": c.output}
            values |= {"s_e": c.scales[order[1]]} if add else {}
            values |= {} if str(c.output) == "qint32" else {"s_out": c.s_out}
            params.append(derive(**accepted(derive, values)))

        def value(index: tuple[int, ...]) -> int:
            operands = [at(acc, index), *([at(inputs[order[1]], index)] if add else [])]
            out = finish(*operands, params[index[axis]], **accepted(finish, {"output": c.output}))
            return max(out, 0) if relu else out

        return full(shape_of(acc), value)

    return define


def binary(role: str) -> Callable[[Converted, list[Nested]], Nested]:
    """Two operands of one shape, or of shapes that broadcast."""

    def define(c: Converted, inputs: list[Nested]) -> Nested:
        types = {"input": c.source, "other": c.source, "output": c.output}
        p = getattr(c.exact, f"derive_{role}")(c.scales[0], c.scales[1], c.s_out, **types)
        kernel = getattr(c.exact, role)
        shapes = [shape_of(x) for x in inputs]
        shape = torch.broadcast_shapes(*shapes)

        def element(x: Nested, index: tuple[int, ...]) -> int:
            return at(x, tuple(i if n > 1 else 0 for i, n in zip(index, shape_of(x), strict=True)))

        extra = accepted(kernel, types)
        return full(tuple(shape), lambda i: kernel(element(inputs[0], i), element(inputs[1], i), p, **extra))

    return define


def concatenation(c: Converted, inputs: list[Nested]) -> Nested:
    """Every input requantized, then one behind the other along dimension 1."""
    parts = []
    for x, s in zip(inputs, c.scales, strict=True):
        p = c.exact.derive_requantize(s, c.s_out, input=c.source, output=c.output)
        parts.append(full(shape_of(x), lambda i, x=x, p=p: c.exact.requantize(at(x, i), p, output=c.output)))
    return [list(itertools.chain.from_iterable(rows)) for rows in zip(*parts, strict=True)]


def mean_over(dims: tuple[int, ...]) -> Callable[[Converted, list[Nested]], Nested]:
    """The mean over some dimensions, which stay with length 1."""

    def define(c: Converted, inputs: list[Nested]) -> Nested:
        shape = shape_of(inputs[0])
        n = math.prod(shape[d] for d in dims)
        p = c.exact.derive_mean(c.scales[0], c.s_out, n=n, output=c.output)
        short = tuple(1 if d in dims else size for d, size in enumerate(shape))

        def value(index: tuple[int, ...]) -> int:
            ranges = [range(size) if d in dims else (i,) for d, (i, size) in enumerate(zip(index, shape, strict=True))]
            return c.exact.mean(sum(at(inputs[0], i) for i in itertools.product(*ranges)), p, output=c.output)

        return full(short, value)

    return define


def windows(c: Converted, x: Nested) -> tuple[tuple[int, ...], Callable[[tuple[int, ...]], list[tuple[int, ...]]]]:
    """(shape of the result, the places of an element's window, padding included)."""
    m = c.module
    kernel, padding = tupled(m.kernel_size, 2), tupled(m.padding, 2)
    stride = tupled(m.stride if m.stride is not None else m.kernel_size, 2)
    batch, channels, *size = shape_of(x)
    spatial = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, padding, kernel, stride, strict=True)]

    def places(index: tuple[int, ...]) -> list[tuple[int, ...]]:
        n, ch, *spot = index
        return [(n, ch, *(o * s - p + t for o, s, p, t in zip(spot, stride, padding, tap, strict=True))) for tap in elements(kernel)]

    return (batch, channels, *spatial), places


def average(c: Converted, inputs: list[Nested]) -> Nested:
    """The sum of a window with its padding, divided as the march does."""
    shape, places = windows(c, inputs[0])
    kh, kw = tupled(c.module.kernel_size, 2)
    s_out = c.scales[0] if c.march == "bernoulli" else c.s_out
    p = c.exact.derive_avg_pool(c.scales[0], s_out, kh=kh, kw=kw, output=c.output)
    return full(shape, lambda i: c.exact.avg_pool(sum(at(inputs[0], place) for place in places(i)), p, output=c.output))


def maximum(c: Converted, inputs: list[Nested]) -> Nested:
    """The largest integer of a window; padding is less than every integer."""
    shape, places = windows(c, inputs[0])
    _, _, height, width = shape_of(inputs[0])
    inside = lambda p: 0 <= p[2] < height and 0 <= p[3] < width  # noqa: E731 - a short predicate
    return full(shape, lambda i: max(at(inputs[0], place) for place in places(i) if inside(place)))


def rectified(c: Converted, inputs: list[Nested]) -> Nested:
    """Negative integers become 0."""
    return full(shape_of(inputs[0]), lambda i: max(at(inputs[0], i), 0))


BAYES = ("bayes", "bayes-e")
IMAGE, PAIR = ((1, 4, 5, 4),), ((1, 4, 5, 4), (1, 4, 5, 4))


def convolution(**keywords: Any) -> Callable[[], nn.Module]:
    """A convolution of 4 channels to 6."""
    return lambda: nn.Conv2d(4, 6, **{"kernel_size": 3, **keywords})


def followed(layer: Callable[[], nn.Module], *modules: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """A layer and what is fused or folded into it."""
    return lambda: nn.Sequential(layer(), *(module() for module in modules))


def norm() -> nn.Module:
    """A normalization with statistics that are not trivial."""
    module = nn.BatchNorm2d(6)
    with torch.no_grad():
        module.running_mean.uniform_(-1, 1)
        module.running_var.uniform_(0.5, 2)
        module.weight.uniform_(-1.5, 1.5)
        module.bias.uniform_(-1, 1)
    return module


CASES = (
    Case("conv2d", convolution(padding=1), IMAGE, weighted(conv_sums)),
    Case("conv2d strided, dilated, rectangular", convolution(kernel_size=(2, 1), stride=2, dilation=(2, 1), padding=(1, 0), bias=False), IMAGE, weighted(conv_sums)),
    Case("conv2d in groups", convolution(groups=2), IMAGE, weighted(conv_sums)),
    Case("conv2d accumulator", convolution(), IMAGE, weighted(conv_sums), output="qint32"),
    Case("conv2d int8 to int16", convolution(), IMAGE, weighted(conv_sums), BAYES, output="qint16"),
    Case("conv2d int16", convolution(), IMAGE, weighted(conv_sums), BAYES, source="qint16", output="qint16"),
    Case("conv2d int16 to int8", convolution(), IMAGE, weighted(conv_sums), BAYES, source="qint16"),
    Case("conv2d int16 accumulator", convolution(), IMAGE, weighted(conv_sums), BAYES, source="qint16", output="qint32"),
    Case("conv2d relu", followed(convolution(), nn.ReLU), IMAGE, weighted(conv_sums, relu=True)),
    Case("conv2d relu6", followed(convolution(), nn.ReLU6), IMAGE, weighted(conv_sums, relu=True)),
    Case("conv2d norm", followed(convolution(bias=False), norm), IMAGE, weighted(conv_sums)),
    Case("conv2d norm relu", followed(convolution(), norm, nn.ReLU), IMAGE, weighted(conv_sums, relu=True)),
    Case("conv2d add", lambda: Sum(nn.Conv2d(4, 4, 3, padding=1), relu=False), PAIR, weighted(conv_sums)),
    Case("conv2d add relu", lambda: Sum(nn.Conv2d(4, 4, 1), relu=True), PAIR, weighted(conv_sums, relu=True)),
    Case("conv2d add accumulator", lambda: Sum(nn.Conv2d(4, 4, 1), relu=False), PAIR, weighted(conv_sums), output="qint32"),
    Case("conv3d", lambda: nn.Conv3d(2, 3, (2, 1, 2), padding=(1, 0, 0)), ((1, 2, 3, 3, 4),), weighted(conv_sums), BAYES),
    Case("conv_transpose2d", lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), ((1, 4, 3, 2),), weighted(transposed_sums)),
    Case("linear", lambda: nn.Linear(9, 5), ((3, 9),), weighted(linear_sums, -1), BAYES),
    Case("linear of many dimensions", lambda: nn.Linear(6, 4, bias=False), ((2, 3, 6),), weighted(linear_sums, -1), BAYES, output="qint16"),
    Case("linear accumulator", lambda: nn.Linear(9, 5), ((3, 9),), weighted(linear_sums, -1), BAYES, output="qint32"),
    Case("linear int16 relu", followed(lambda: nn.Linear(9, 5), nn.ReLU), ((3, 9),), weighted(linear_sums, -1, relu=True), BAYES, source="qint16", output="qint16"),
    Case("add", lambda: Method("add"), PAIR, binary("add")),
    Case("sub", lambda: Method("sub"), PAIR, binary("sub")),
    Case("mul", lambda: Method("mul"), ((1, 4, 5, 4), (1, 4, 1, 1)), binary("mul")),
    Case("add int16", lambda: Method("add"), PAIR, binary("add"), MARCHES[1:], source="qint16", output="qint16"),
    Case("sub int16", lambda: Method("sub"), PAIR, binary("sub"), BAYES, source="qint16", output="qint16"),
    Case("mul int16 to int8", lambda: Method("mul"), PAIR, binary("mul"), BAYES, source="qint16"),
    Case("cat", lambda: Method("cat", dim=1), ((1, 4, 3, 4), (1, 2, 3, 4)), concatenation),
    Case("cat int16", lambda: Method("cat", dim=1), ((1, 4, 3, 4), (1, 2, 3, 4)), concatenation, MARCHES[1:], source="qint16", output="qint16"),
    Case("mean over channels", lambda: Method("mean", dim=1, keepdim=True), IMAGE, mean_over((1,))),
    Case("mean over an area", lambda: Method("mean", dim=(2, 3), keepdim=True), IMAGE, mean_over((2, 3))),
    Case("mean int16", lambda: Method("mean", dim=(2, 3), keepdim=True), IMAGE, mean_over((2, 3)), BAYES, source="qint16", output="qint16"),
    Case("avg_pool2d", lambda: nn.AvgPool2d((3, 2), 2, 1), IMAGE, average),
    Case("avg_pool2d int16", lambda: nn.AvgPool2d(2), IMAGE, average, BAYES, source="qint16", output="qint16"),
    Case("avg_pool2d int16 to int8", lambda: nn.AvgPool2d((5, 4)), IMAGE, average, BAYES, source="qint16"),
    Case("max_pool2d", lambda: nn.MaxPool2d(3, 2, 1), IMAGE, maximum),
    Case("relu", nn.ReLU, IMAGE, rectified),
)


@pytest.mark.parametrize(
    ("case", "march"),
    [pytest.param(case, march, id=f"{case.id} on {march}") for case in CASES for march in case.marches],
)
@steady(max_examples=6)
@given(data=st.data())
def test_converted_module_is_its_definition(case: Case, march: str, data: st.DataObject) -> None:
    c = converted(case, march)
    steps = [data.draw(images(shape, c.source)) for shape in case.shapes]
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
    integer = [[c.exact.quantize_weight(v, s, output=qint8) for v in row] for row, s in zip(weight, expected, strict=True)]
    assert plain(c.module.weight.flatten(1)) == integer


@pytest.mark.parametrize("march", MARCHES)
def test_accumulator_has_a_scale_a_channel(march: str) -> None:
    c = converted(next(case for case in CASES if case.id == "conv2d accumulator"), march)
    with torch.no_grad():
        out = c.model(torch.randn(1, 4, 5, 4))
    assert plain(out.q_scale()) == [c.exact.weighted_scale(c.scales[0], s) for s in plain(c.module.weight_scale)]
    assert out.q_per_channel_axis() == 1
