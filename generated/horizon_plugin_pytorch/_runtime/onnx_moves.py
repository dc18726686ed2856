# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/onnx_moves.py
"""Operators in ONNX that move or pick elements; none of them changes a value.

In: nodes. Out: values of the dtype that the source has in ONNX, so integers stay integers whatever type torch has for them.
"""

from typing import Any

import torch
from torch import fx

from .onnx_graph import Value
from .onnx_lowering import Lowering, NotExpressibleError, arguments, held, lowers

_END = (1 << 63) - 1


def like(source: Value, name: str) -> Value:
    """A value of the source's dtype and bits."""
    return Value(name, source.dtype, source.bits)


def dim_of(walk: Lowering, source: Any, dim: int) -> int:
    """A dimension of a node's tensor, counted from the start."""
    return dim % max(len(walk.shape(source)), 1)


@lowers(
    "aten.clone.default",
    "aten.detach.default",
    "aten.alias.default",
    "aten.contiguous.default",
    "aten.lift_fresh_copy.default",
)
def _same(walk: Lowering, node: fx.Node) -> Value:
    return walk.value(node.args[0])


@lowers("getitem")
def _item(walk: Lowering, node: fx.Node) -> Value:
    values: Any = walk.values[node.args[0]]  # type: ignore[index]
    found: Value = values[node.args[1]]
    return found


_SHAPED = ("view", "_unsafe_view", "reshape", "unsqueeze", "flatten", "_reshape_alias")


@lowers(*(f"aten.{name}.{kind}" for name in _SHAPED for kind in ("default", "using_ints")))
@lowers("aten.squeeze.dim", "aten.squeeze.dims", "aten.squeeze.default")
def _reshape(walk: Lowering, node: fx.Node) -> Value:
    return reshaped(walk, walk.value(node.args[0]), list(walk.shape(node)))


def reshaped(walk: Lowering, x: Value, shape: list[int]) -> Value:
    """A value in another shape."""
    return like(x, walk.graph.node("Reshape", x.name, walk.graph.constant(shape), allowzero=1))


def _permuted(walk: Lowering, x: Value, order: list[int]) -> Value:
    return like(x, walk.graph.node("Transpose", x.name, perm=order))


@lowers("aten.permute.default")
def _permute(walk: Lowering, node: fx.Node) -> Value:
    order: Any = node.args[1]
    return _permuted(walk, walk.value(node.args[0]), [dim_of(walk, node, dim) for dim in order])


@lowers("aten.transpose.int", "aten.t.default")
def _transpose(walk: Lowering, node: fx.Node) -> Value:
    first, second = (dim_of(walk, node, dim) for dim in (node.args[1:] or (0, 1)))  # type: ignore[arg-type]
    order = list(range(len(walk.shape(node))))
    order[first], order[second] = order[second], order[first]
    return _permuted(walk, walk.value(node.args[0]), order)


@lowers("aten.expand.default")
def _expand(walk: Lowering, node: fx.Node) -> Value:
    x = walk.value(node.args[0])
    return like(x, walk.graph.node("Expand", x.name, walk.graph.constant(list(walk.shape(node)))))


@lowers("aten.repeat.default")
def _repeat(walk: Lowering, node: fx.Node) -> Value:
    counts: Any = node.args[1]
    shape = list(walk.shape(node.args[0]))  # type: ignore[arg-type]
    x = reshaped(walk, walk.value(node.args[0]), [1] * (len(counts) - len(shape)) + shape)
    return like(x, walk.graph.node("Tile", x.name, walk.graph.constant(list(counts))))


@lowers("aten.slice.Tensor")
def _slice(walk: Lowering, node: fx.Node) -> Value:
    source, dim, start, end, step = arguments(node, None, 0, None, None, 1)
    bounds: Any = (start or 0, _END if end is None else end)
    return _sliced(walk, source, int(dim), bounds, int(step))


def _sliced(walk: Lowering, source: Any, dim: int, bounds: tuple[int, int], step: int = 1) -> Value:
    x = walk.value(source)
    names = [walk.graph.constant([number]) for number in (*bounds, dim_of(walk, source, dim), step)]
    return like(x, walk.graph.node("Slice", x.name, *names))


@lowers("aten.flip.default")
def _flip(walk: Lowering, node: fx.Node) -> Value:
    x, dims = walk.value(node.args[0]), [dim_of(walk, node, int(dim)) for dim in node.args[1]]  # type: ignore[arg-type, union-attr]
    ends = [walk.graph.constant([number] * len(dims)) for number in (-1, -_END)]
    steps = walk.graph.constant([-1] * len(dims))
    return like(x, walk.graph.node("Slice", x.name, *ends, walk.graph.constant(dims), steps))


@lowers("aten.split.Tensor", "aten.split_with_sizes.default", "aten.unbind.int")
def _split(walk: Lowering, node: fx.Node) -> tuple[Value, ...]:
    source: Any = node.args[0]
    single = str(node.target) == "aten.unbind.int"
    rest = [*node.args[1:]]
    dim = dim_of(walk, source, (rest[0] if single else rest[1]) if len(rest) > (not single) else 0)  # type: ignore[arg-type]
    total = walk.shape(source)[dim]
    sizes: Any = 1 if single else rest[0]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - at) for at in range(0, total, sizes)]
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    parts = [_sliced(walk, source, dim, (end - size, end)) for size, end in zip(sizes, ends, strict=True)]
    if not single:
        return tuple(parts)
    shape = [size for at, size in enumerate(walk.shape(source)) if at != dim]
    return tuple(reshaped(walk, part, shape) for part in parts)


@lowers("aten.cat.default")
def _cat(walk: Lowering, node: fx.Node) -> Value:
    return _concat(walk, node, [walk.value(x) for x in node.args[0]])  # type: ignore[union-attr]


@lowers("aten.stack.default")
def _stack(walk: Lowering, node: fx.Node) -> Value:
    dim = dim_of(walk, node, node.args[1] if len(node.args) > 1 else 0)  # type: ignore[arg-type]
    parts: Any = node.args[0]
    shape = [*walk.shape(parts[0])]
    return _concat(walk, node, [reshaped(walk, walk.value(x), [*shape[:dim], 1, *shape[dim:]]) for x in parts])


def _concat(walk: Lowering, node: fx.Node, parts: list[Value]) -> Value:
    dtype = parts[0].dtype if len({part.dtype for part in parts}) == 1 else held(walk.dtype(node))
    names = [part.name if part.dtype == dtype else walk.graph.cast(part.name, dtype) for part in parts]
    axis = dim_of(walk, node, node.args[1] if len(node.args) > 1 else 0)  # type: ignore[arg-type]
    return Value(walk.graph.node("Concat", *names, axis=axis), dtype, max(part.bits for part in parts))


# Picking


@lowers("aten.select.int")
def _select(walk: Lowering, node: fx.Node) -> Value:
    source, dim, index = node.args
    return _gathered(walk, source, walk.graph.constant(index), dim_of(walk, source, dim))  # type: ignore[arg-type]


@lowers("aten.index_select.default")
def _index_select(walk: Lowering, node: fx.Node) -> Value:
    source, dim, index = node.args
    return _gathered(walk, source, walk.operand(index, torch.int64), dim_of(walk, source, dim))  # type: ignore[arg-type]


@lowers("aten.gather.default")
def _gather(walk: Lowering, node: fx.Node) -> Value:
    source, dim, index, *_ = node.args
    x = walk.value(source)
    axis = dim_of(walk, source, dim)  # type: ignore[arg-type]
    return like(x, walk.graph.node("GatherElements", x.name, walk.operand(index, torch.int64), axis=axis))


@lowers("aten.index.Tensor")
def _index(walk: Lowering, node: fx.Node) -> Value:
    indices: Any = node.args[1]
    given = [(at, index) for at, index in enumerate(indices) if index is not None]
    if len(given) != 1 or walk.dtype(given[0][1]) == torch.bool:
        raise NotExpressibleError("an index by a mask or by several tensors")
    return _gathered(walk, node.args[0], walk.operand(given[0][1], torch.int64), given[0][0])


def _gathered(walk: Lowering, source: Any, index: str, axis: int) -> Value:
    x = walk.value(source)
    return like(x, walk.graph.node("Gather", x.name, index, axis=axis))


@lowers("aten.unfold.default")
def _unfold(walk: Lowering, node: fx.Node) -> Value:
    """Windows along a dimension: picked, then their places moved to the end."""
    source, dim, size, step = node.args
    axis, count = dim_of(walk, source, dim), walk.shape(node)[dim_of(walk, source, dim)]  # type: ignore[arg-type]
    places = torch.arange(count)[:, None] * step + torch.arange(size)  # type: ignore[arg-type, operator]
    windows = _gathered(walk, source, walk.graph.constant(places), axis)
    order = [*range(len(walk.shape(node)))]
    return _permuted(walk, windows, [*order[: axis + 1], *order[axis + 2 :], axis + 1])


@lowers("aten.searchsorted.Tensor")
def _search(walk: Lowering, node: fx.Node) -> Value:
    """The first place that is not less is the number of entries that are less."""
    table, values = node.args[:2]
    if len(walk.shape(table)) != 1 or any(node.kwargs.values()):  # type: ignore[arg-type]
        raise NotExpressibleError("a search in several tables")
    g = walk.graph
    common = held(torch.promote_types(walk.dtype(table), walk.dtype(values)))
    column = g.node("Unsqueeze", walk.operand(values, common), g.constant([-1]))
    less = g.cast(g.node("Less", walk.operand(table, common), column), torch.int64)
    return walk.result(node, g.node("ReduceSum", less, g.constant([-1]), keepdims=0))


# Windows and borders


@lowers(*(f"aten.max_pool{n}d_with_indices.default" for n in (2, 3)))
def _max_pool(walk: Lowering, node: fx.Node) -> tuple[Value, ...]:
    x, size, stride, padding, dilation, ceil = arguments(node, None, None, [], 0, 1, False)
    dims: Any = len(size)
    each = [list(v) if isinstance(v, list | tuple) else [v] * dims for v in (padding, dilation)]
    places: dict[str, Any] = {
        "kernel_shape": size,
        "strides": stride or size,
        "pads": each[0] * 2,
        "dilations": each[1],
    }
    pooled = walk.graph.node("MaxPool", walk.operand(x, torch.float32), **places, ceil_mode=int(bool(ceil)))
    source = walk.value(x)
    kept = pooled if source.dtype == torch.float32 else walk.graph.cast(pooled, source.dtype)
    return (like(source, kept),)


@lowers("aten.constant_pad_nd.default")
def _pad(walk: Lowering, node: fx.Node) -> Value:
    source = walk.value(node.args[0])
    number: Any = node.args[2] if len(node.args) > 2 else 0  # noqa: PLR2004 - the third argument
    constant = walk.graph.constant(torch.tensor(number, dtype=source.dtype))
    return like(source, walk.graph.node("Pad", source.name, _borders(walk, node), constant, mode="constant"))


@lowers(*(f"aten.replication_pad{n}d.default" for n in (1, 2, 3)))
def _edge(walk: Lowering, node: fx.Node) -> Value:
    source = walk.value(node.args[0])
    return like(source, walk.graph.node("Pad", source.name, _borders(walk, node), mode="edge"))


def _borders(walk: Lowering, node: fx.Node) -> str:
    """The amounts, all before and then all after, first dimension first; torch names the last one first, in pairs."""
    amounts: Any = node.args[1]
    dims = len(walk.shape(node))
    before, after = [0] * dims, [0] * dims
    for pair in range(len(amounts) // 2):
        before[dims - 1 - pair], after[dims - 1 - pair] = amounts[2 * pair : 2 * pair + 2]
    return walk.graph.constant([*before, *after])
