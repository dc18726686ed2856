"""Tensors as nested lists of Python integers, and the sums of products over them, by loops.

In: integer weights and inputs. Out: sums that cannot overflow or round: the definition of what a weighted module adds up.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from golden_support import plain
from torch import nn

Nested = list[Any]


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
    spatial = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(size, padding, dilation, kernel, stride, strict=True)
    ]

    def value(index: tuple[int, ...]) -> int:
        n, c, *place = index
        first = c // (out_channels // groups) * per_group
        return sum(
            at(
                x,
                (
                    n,
                    first + i,
                    *(o * s - p + t * d for o, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True)),
                ),
            )
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
    stride, padding, dilation, extra = (
        tupled(getattr(m, n), 2) for n in ("stride", "padding", "dilation", "output_padding")
    )
    spatial = [
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(size, stride, padding, dilation, kernel, extra, strict=True)
    ]
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
    return full(
        (*shape[:-1], len(weight)), lambda i: sum(a * b for a, b in zip(_row(x, i[:-1]), weight[i[-1]], strict=True))
    )


def norm_products(m: nn.Module, x: Nested) -> Nested:
    """x * w of a normalization: one integer weight a channel."""
    weight = plain(m.weight.flatten())
    return full(shape_of(x), lambda index: at(x, index) * weight[index[1]])


def _row(x: Nested, index: tuple[int, ...]) -> list[int]:
    for i in index:
        x = x[i]
    return x
