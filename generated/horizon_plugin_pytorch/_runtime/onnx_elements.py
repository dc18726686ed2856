# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/onnx_elements.py
"""Operators in ONNX that compute element by element: arithmetic, comparisons, conversions, bits.

In: nodes. Out: values of the dtype that torch gives the node, integers as int64.
"""

from typing import Any

import torch
from torch import fx

from .onnx_graph import Value
from .onnx_lowering import WORD, Lowering, NotExpressibleError, arguments, bits_of, held, lowers, rule_name

_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "maximum": "Max", "minimum": "Min", "pow": "Pow"}
_COMPARISONS = {"eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual"}
_UNARY = {"neg": "Neg", "abs": "Abs", "floor": "Floor", "ceil": "Ceil", "round": "Round", "exp": "Exp", "sqrt": "Sqrt"}
_LOGIC = {"and": "And", "or": "Or", "xor": "Xor"}


def _base(node: fx.Node) -> str:
    return rule_name(node).split(".")[1]


@lowers(*(f"aten.{name}.{kind}" for name in _BINARY for kind in ("Tensor", "Scalar", "default")))
def _binary(walk: Lowering, node: fx.Node) -> Value:
    dtype = held(walk.dtype(node))
    x, y = (walk.operand(arg, dtype) for arg in node.args[:2])
    if (alpha := node.kwargs.get("alpha", 1)) != 1:
        y = walk.graph.node("Mul", y, walk.operand(alpha, dtype))
    return walk.result(node, walk.graph.node(_BINARY[_base(node)], x, y))


@lowers("aten.trunc.default")
def _trunc(walk: Lowering, node: fx.Node) -> Value:
    x = walk.value(node.args[0]).name
    toward = walk.graph.node("Floor", walk.graph.node("Abs", x))
    return walk.result(node, walk.graph.node("Mul", walk.graph.node("Sign", x), toward))


@lowers("aten.rsub.Scalar", "aten.rsub.Tensor")
def _reversed_sub(walk: Lowering, node: fx.Node) -> Value:
    dtype = held(walk.dtype(node))
    return walk.result(
        node, walk.graph.node("Sub", walk.operand(node.args[1], dtype), walk.operand(node.args[0], dtype))
    )


@lowers(*(f"aten.{name}.{kind}" for name in (*_COMPARISONS, "ne") for kind in ("Tensor", "Scalar")))
def _compare(walk: Lowering, node: fx.Node) -> Value:
    first, second = node.args[:2]
    common = held(_common(walk, first, second))
    common = torch.int64 if common == torch.bool else common
    x, y = walk.operand(first, common), walk.operand(second, common)
    name = _base(node)
    made = walk.graph.node(_COMPARISONS.get(name, "Equal"), x, y)
    return walk.result(node, walk.graph.node("Not", made) if name == "ne" else made)


def _common(walk: Lowering, first: Any, second: Any) -> torch.dtype:
    """The dtype in which torch compares."""
    sample = [
        torch.empty(walk.shape(a) and 1, dtype=walk.dtype(a)) if isinstance(a, fx.Node) else a for a in (first, second)
    ]
    return torch.result_type(*sample)


@lowers(*(f"aten.{name}.default" for name in _UNARY))
def _unary(walk: Lowering, node: fx.Node) -> Value:
    return walk.result(node, walk.graph.node(_UNARY[_base(node)], walk.operand(node.args[0], held(walk.dtype(node)))))


@lowers("aten.clamp.default", "aten.clamp.Tensor", "aten.clamp_min.default", "aten.relu.default")
def _clamp(walk: Lowering, node: fx.Node) -> Value:
    dtype = held(walk.dtype(node))
    x, low, high = arguments(node, None, 0, None)
    low, high = node.kwargs.get("min", low), node.kwargs.get("max", high)
    if len(node.args) == 1 and "max" in node.kwargs and "min" not in node.kwargs:
        low = None
    name = walk.operand(x, dtype)
    for op, limit in (("Max", low), ("Min", high)):
        name = name if limit is None else walk.graph.node(op, name, walk.operand(limit, dtype))
    return walk.result(node, name)


@lowers("aten._to_copy.default", "aten.to.dtype")
def _convert(walk: Lowering, node: fx.Node) -> Value:
    """Integers stay what they are, in an integer type that holds them and in a float type; only floats are computed."""
    source, target = walk.value(node.args[0]), walk.dtype(node)
    if source.dtype == torch.int64 and target != torch.bool:
        exact = source.bits <= _exact_bits(target)
        kept = min(source.bits, bits_of(target))
        if exact:
            return Value(source.name, torch.int64, kept, source.constant)
    return Value(walk.operand(node.args[0], held(target)), held(target), bits_of(target))


def _exact_bits(dtype: torch.dtype) -> int:
    """How many bits of integers a dtype surely holds, or for sums is proved to hold."""
    return {torch.float32: 24, torch.float64: 53}.get(dtype, WORD)


@lowers("aten.where.self")
def _where(walk: Lowering, node: fx.Node) -> Value:
    dtype = held(walk.dtype(node))
    condition, x, y = node.args
    return walk.result(
        node,
        walk.graph.node("Where", walk.operand(condition, torch.bool), walk.operand(x, dtype), walk.operand(y, dtype)),
    )


@lowers("aten.nan_to_num.default")
def _nan_to_num(walk: Lowering, node: fx.Node) -> Value:
    g, dtype = walk.graph, held(walk.dtype(node))
    x, number, *ends = arguments(node, None, 0.0, None, None)
    ends = [end if end is not None else limit for end, limit in zip(reversed(ends), _ends(dtype), strict=True)]
    name = walk.operand(x, dtype)
    name = g.node("Where", g.node("IsNaN", name), walk.operand(number or 0.0, dtype), name)
    return walk.result(
        node, g.node("Min", g.node("Max", name, walk.operand(ends[0], dtype)), walk.operand(ends[1], dtype))
    )


def _ends(dtype: torch.dtype) -> tuple[float, float]:
    limits = torch.finfo(dtype)
    return limits.min, limits.max


# Bits


@lowers("aten.__rshift__.Tensor", "aten.__rshift__.Scalar", "aten.bitwise_right_shift.Tensor")
def _right(walk: Lowering, node: fx.Node) -> Value:
    return walk.result(node, walk.floored(walk.operand(node.args[0], torch.int64), walk.power(node.args[1])))


@lowers("aten.__lshift__.Tensor", "aten.__lshift__.Scalar", "aten.bitwise_left_shift.Tensor")
def _left(walk: Lowering, node: fx.Node) -> Value:
    return walk.result(node, walk.graph.node("Mul", walk.operand(node.args[0], torch.int64), walk.power(node.args[1])))


@lowers("aten.bitwise_and.Scalar", "aten.__and__.Scalar")
def _mask(walk: Lowering, node: fx.Node) -> Value:
    """The lowest bits are the remainder of a division."""
    mask: Any = node.args[1]
    if mask < 0 or mask & (mask + 1):
        raise NotExpressibleError(f"{rule_name(node)} with {mask}: only masks of the lowest bits are remainders")
    return walk.result(
        node, walk.graph.node("Mod", walk.operand(node.args[0], torch.int64), walk.graph.constant(mask + 1))
    )


@lowers(
    *(
        f"aten.{kind}_{name}.{end}"
        for kind in ("bitwise", "logical")
        for name in _LOGIC
        for end in ("Tensor", "default")
    )
)
def _logic(walk: Lowering, node: fx.Node) -> Value:
    if walk.dtype(node) != torch.bool:
        raise NotExpressibleError(f"{rule_name(node)} of integers: ONNX has it from opset 18 on")
    x, y = (walk.operand(arg, torch.bool) for arg in node.args[:2])
    return walk.result(node, walk.graph.node(_LOGIC[_base(node).split("_")[1]], x, y))


@lowers("aten.bitwise_not.default", "aten.logical_not.default")
def _not(walk: Lowering, node: fx.Node) -> Value:
    return walk.result(node, walk.graph.node("Not", walk.operand(node.args[0], torch.bool)))
