# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/walk.py
"""How a loop walks over tensors that broadcast against each other.

In: shapes and distances in memory of what is read. Out: `Walk`: at most four sizes, the innermost last, and for each tensor the
distance between neighbours along each; the result is dense and lies as the first tensor of its shape does.
"""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from .native_loop import DIMS

Place = tuple[tuple[int, ...], tuple[int, ...]]
"""Shape, and distances in memory."""
_Dim = tuple[int, tuple[int, ...]]  # size, and the distance of each tensor


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk.

    Attributes:
        shape: of the result.
        strides: of the result.
        sizes: int64 [4].
        distances: int64 [tensors, 3], along all but the innermost size.
        steps: of each tensor, whether its neighbours along the innermost size are neighbours in memory; else it stays.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    sizes: "ctypes.Array[ctypes.c_int64]"
    distances: "ctypes.Array[ctypes.c_int64]"
    steps: tuple[bool, ...]

    @classmethod
    def over(cls, places: tuple[Place, ...]) -> "Walk | None":
        """None where there is nothing to walk over, in more than four sizes, or with a step that is no neighbour."""
        shape, order = order_of(places)
        dims: list[_Dim] = []
        for i in order:
            _add(dims, (shape[i], tuple(_distance(place, i - len(shape)) for place in places)))
        dims = dims or [(1, (1,) * len(places))]
        inner = dims[-1][1]
        if 0 in shape or len(dims) > DIMS or not all(distance in (0, 1) for distance in inner):
            return None
        dims[:0] = [(1, (0,) * len(places))] * (DIMS - len(dims))
        distances = [around[1][tensor] for tensor in range(len(places)) for around in dims[:-1]]
        sizes = (ctypes.c_int64 * DIMS)(*(size for size, _ in dims))
        held = (ctypes.c_int64 * len(distances))(*distances)
        return cls(shape, _dense(shape, order), sizes, held, tuple(distance == 1 for distance in inner))


def order_of(places: tuple[Place, ...]) -> tuple[tuple[int, ...], list[int]]:
    """The shape of the result; its dimensions, innermost last, as the first tensor lies that has all elements of it."""
    shape: tuple[int, ...] = torch.broadcast_shapes(*(shape for shape, _ in places))  # type: ignore[no-untyped-call]
    strides = next((strides for size, strides in places if size == shape and _moves(size, strides)), None)
    return shape, sorted(range(len(shape)), key=lambda i: -strides[i]) if strides else list(range(len(shape)))


def laid(x: Tensor, order: list[int]) -> Tensor:
    """A tensor without gaps, in an order of the dimensions that it broadcasts to; itself where it lies so."""
    whole = x[(None,) * (len(order) - x.dim())]
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return whole.permute(order).contiguous().permute(inverse)


def _moves(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether no element is read twice along a dimension."""
    return all(stride > 0 or size == 1 for size, stride in zip(shape, strides, strict=True))


def _distance(place: Place, dim: int) -> int:
    """Along a dimension, which is counted from the end."""
    shape, strides = place
    return strides[dim] if -dim <= len(shape) and shape[dim] > 1 else 0


def _add(dims: list[_Dim], dim: _Dim) -> None:
    """A further, inner dimension: as one with the last where that is the same in memory."""
    size, distances = dim
    if size == 1:
        return
    if dims and all(outer == inner * size for outer, inner in zip(dims[-1][1], distances, strict=True)):
        dims[-1] = dims[-1][0] * size, distances
    else:
        dims.append(dim)


def _dense(shape: tuple[int, ...], order: list[int]) -> tuple[int, ...]:
    """Distances of a tensor without gaps."""
    strides, step = [0] * len(shape), 1
    for i in reversed(order):
        strides[i], step = step, step * shape[i]
    return tuple(strides)
