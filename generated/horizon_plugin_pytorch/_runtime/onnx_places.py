# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/onnx_places.py
"""Operators in ONNX along dimensions: sums, extremes and their places, orders.

In: nodes. Out: values of the source's dtype in ONNX, and places as int64.
"""

from typing import Any

import torch
from torch import fx

from .onnx_graph import Value
from .onnx_lowering import Lowering, held, lowers
from .onnx_moves import dim_of, like, reshaped


def _dims(walk: Lowering, node: fx.Node) -> list[int]:
    source: Any = node.args[0]
    given: Any = node.args[1] if len(node.args) > 1 else None
    listed = [given] if isinstance(given, int) else list(given or range(len(walk.shape(source))))
    return [dim_of(walk, source, dim) for dim in listed]


def _keeps(node: fx.Node) -> int:
    return int(bool(node.args[2])) if len(node.args) > 2 else int(bool(node.kwargs.get("keepdim", False)))  # noqa: PLR2004


@lowers("aten.sum.dim_IntList", "aten.sum.default")
def _sum(walk: Lowering, node: fx.Node) -> Value:
    x = walk.operand(node.args[0], held(walk.dtype(node)))
    return walk.result(
        node, walk.graph.node("ReduceSum", x, walk.graph.constant(_dims(walk, node)), keepdims=_keeps(node))
    )


@lowers("aten.amax.default", "aten.amin.default")
def _extreme(walk: Lowering, node: fx.Node) -> Value:
    x = walk.value(node.args[0])
    op = "ReduceMax" if "amax" in str(node.target) else "ReduceMin"
    return like(x, walk.graph.node(op, x.name, axes=_dims(walk, node), keepdims=_keeps(node)))


@lowers("aten.max.dim", "aten.min.dim")
def _extreme_with_place(walk: Lowering, node: fx.Node) -> tuple[Value, Value]:
    x, name = walk.value(node.args[0]), "Max" if "max" in str(node.target) else "Min"
    axes = _dims(walk, node)
    values = walk.graph.node(f"Reduce{name}", x.name, axes=axes, keepdims=_keeps(node))
    return like(x, values), _place(walk, node, f"Arg{name}", node.args[0], axes[0])


@lowers("aten.argmax.default", "aten.argmin.default")
def _arg(walk: Lowering, node: fx.Node) -> Value:
    op = "ArgMax" if "argmax" in str(node.target) else "ArgMin"
    if len(node.args) > 1 and node.args[1] is not None:
        return _place(walk, node, op, node.args[0], _dims(walk, node)[0])
    flat = reshaped(walk, walk.value(node.args[0]), [-1])
    return Value(walk.graph.node(op, walk.graph.cast(flat.name, torch.float64), axis=0, keepdims=0), torch.int64)


def _place(walk: Lowering, node: fx.Node, op: str, source: Any, axis: int) -> Value:
    """The first place of an extreme; ONNX's kernels take doubles, which hold the integers."""
    x = walk.operand(source, torch.float64)
    return Value(walk.graph.node(op, x, axis=axis, keepdims=_keeps(node)), torch.int64)


@lowers("aten.sort.stable", "aten.sort.default", "aten.topk.default")
def _sort(walk: Lowering, node: fx.Node) -> tuple[Value, Value]:
    """ONNX's largest come in the order of their places where they are equal, as in a stable sort."""
    x, source = walk.value(node.args[0]), node.args[0]
    values: dict[str, Any] = dict(zip(_NAMES[str(node.target)], node.args[1:], strict=False)) | node.kwargs
    axis = dim_of(walk, source, values.get("dim", -1))
    count = values.get("k", walk.shape(source)[axis] if walk.shape(source) else 1)  # type: ignore[arg-type]
    largest = int(values.get("largest", values.get("descending", False)))
    made = walk.graph.node("TopK", x.name, walk.graph.constant([count]), count=2, axis=axis, largest=largest, sorted=1)
    return like(x, made[0]), Value(made[1], torch.int64)


_NAMES = {
    "aten.sort.stable": ("stable", "dim", "descending"),
    "aten.sort.default": ("dim", "descending"),
    "aten.topk.default": ("k", "dim", "largest", "sorted"),
}
