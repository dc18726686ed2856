"""What a converted module must compute, in Python integers: sums by loops, finished by the generated reference.

In: a converted module with its scales, and integer inputs. Out: the integers that must come out, as nested lists.
"""

import functools
import importlib.util
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from golden_support import ROOT, accepted, plain
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import QuantDType

from .nested import Nested, at, elements, full, shape_of, tupled


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


Definition = Callable[[Converted, list[Nested]], Nested]
Sums = Callable[[nn.Module, Nested], Nested]


def quantize_stub(c: Converted, x: Tensor, index: int) -> Nested:
    """The integers of an input."""
    exact = [c.exact.quantize_activation(v, c.scales[index], output=c.source) for v in plain(x.flatten())]
    return plain(torch.tensor(exact).reshape(x.shape))


def weighted(sums: Sums, axis: int = 1, *, relu: bool = False) -> Definition:
    """A weighted module: sums, then bias, addend and requantization of the channel, then ReLU."""

    def define(c: Converted, inputs: list[Nested]) -> Nested:
        acc = sums(c.module, inputs[0])
        scale, bias = plain(c.module.weight_scale), plain(c.module.bias)
        add = len(inputs) > 1
        role = "weighted" + "_add" * add + "_accumulator" * (str(c.output) == "qint32")
        finish, derive = getattr(c.exact, role), getattr(c.exact, f"derive_{role}")
        params = []
        for s_w, b in zip(scale, bias, strict=True):
            values = {"s_in": c.scales[0], "s_w": s_w, "b": b, "output": c.output}
            values |= {"s_e": c.scales[1]} if add else {}
            values |= {} if str(c.output) == "qint32" else {"s_out": c.s_out}
            params.append(derive(**accepted(derive, values)))

        def value(index: tuple[int, ...]) -> int:
            operands = [at(acc, index), *([at(inputs[1], index)] if add else [])]
            out = finish(*operands, params[index[axis]], **accepted(finish, {"output": c.output}))
            return max(out, 0) if relu else out

        return full(shape_of(acc), value)

    return define


def binary(role: str) -> Definition:
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


def mean_over(dims: tuple[int, ...]) -> Definition:
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
        return [
            (n, ch, *(o * s - p + t for o, s, p, t in zip(spot, stride, padding, tap, strict=True)))
            for tap in elements(kernel)
        ]

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
