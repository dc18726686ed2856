# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/onnx_products.py
"""Sums of products in ONNX, on integers: ConvInteger and MatMulInteger, a byte at a time.

In: nodes of convolutions, matrix products and window sums whose operands are integers of 8 or 16 bits. Out: int64 sums. Both
operands are unsigned bytes with a zero point, since onnxruntime's signed kernels saturate sums of pairs on older processors;
the upper byte of 16 bits counts 256 times. What else is a product of floats becomes a product of floats.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from .onnx_graph import Value
from .onnx_lowering import Lowering, NotExpressibleError, arguments, lowers

_BYTE = 8
_TWO_BYTES = 16
_HALF = 128
_BASE = 256
_EXACT_FLOAT32 = 1 << 24
_Part = tuple[str, int, int]  # unsigned bytes, their zero point, how often they count
Product = Callable[[str, str, str, str], str]


def _parts(walk: Lowering, value: Value, what: str) -> list[_Part]:
    """An operand as unsigned bytes."""
    g = walk.graph
    if value.bits <= _BYTE:
        return [(g.cast(g.node("Add", value.name, g.constant(_HALF)), torch.uint8), _HALF, 1)]
    if value.bits > _TWO_BYTES:
        raise NotExpressibleError(f"{what} of {value.bits} bits: ONNX multiplies bytes")
    low = g.node("Mod", value.name, g.constant(_BASE))
    high = g.node("Add", walk.floored(value.name, g.constant(_BASE)), g.constant(_HALF))
    return [(g.cast(high, torch.uint8), _HALF, _BASE), (g.cast(low, torch.uint8), 0, 1)]


def _summed(walk: Lowering, x: Value, y: Value, product: Product, what: str) -> str:
    """The sum of the products of all pairs of parts, int64."""
    g, total = walk.graph, ""
    for first, x_zero, x_factor in _parts(walk, x, what):
        for second, y_zero, y_factor in _parts(walk, y, what):
            zeros = [g.constant(torch.tensor(zero, dtype=torch.uint8)) for zero in (x_zero, y_zero)]
            part = g.cast(product(first, second, *zeros), torch.int64)
            part = g.node("Mul", part, g.constant(x_factor * y_factor)) if x_factor * y_factor > 1 else part
            total = g.node("Add", total, part) if total else part
    return total


def _integers(walk: Lowering, arg: Any) -> Value | None:
    """An operand that holds integers; None for one that holds floats."""
    value = walk.value(arg)
    if value.dtype == torch.int64:
        return value
    constant = value.constant
    if constant is None or not bool((constant == constant.round()).all()) or not _fits(constant, _TWO_BYTES):
        return None
    return Value(
        walk.graph.constant(constant.to(torch.int64)), torch.int64, _BYTE if _fits(constant, _BYTE) else _TWO_BYTES
    )


def _fits(x: Tensor, bits: int) -> bool:
    ends = torch.aminmax(x) if x.numel() else (torch.zeros(()), torch.zeros(()))
    return bool(ends[0] >= -(1 << bits - 1)) and bool(ends[1] < 1 << bits - 1)


@lowers("aten.convolution.default")
def _convolution(walk: Lowering, node: fx.Node) -> Value:
    x, weight, bias, stride, padding, dilation, transposed, extra, groups = node.args
    places: dict[str, Any] = {"strides": stride, "dilations": dilation, "group": groups, "pads": [*padding, *padding]}  # type: ignore[misc]
    left, right = _integers(walk, x), _integers(walk, weight)
    if left is None or right is None or bias is not None:
        return _float_convolution(walk, node, places)
    if transposed:
        return _transposed(walk, node, left, {**places, "output_padding": extra})
    return _sums(
        walk,
        node,
        _summed(walk, left, right, lambda *names: walk.graph.node("ConvInteger", *names, **places), "convolution"),
    )


def _sums(walk: Lowering, node: fx.Node, name: str) -> Value:
    """Sums of integers, which torch holds in a float type that is proved to hold them."""
    return Value(name, torch.int64, 32 if walk.dtype(node) == torch.float32 else 53)


def _float_convolution(walk: Lowering, node: fx.Node, places: dict[str, Any]) -> Value:
    x, weight, bias, *_, transposed, extra, _ = node.args
    dtype = walk.dtype(node)
    names = [walk.operand(arg, dtype) for arg in (x, weight, bias) if arg is not None]
    if transposed:
        return walk.result(node, walk.graph.node("ConvTranspose", *names, **{**places, "output_padding": extra}))
    return walk.result(node, walk.graph.node("Conv", *names, **places))


def _transposed(walk: Lowering, node: fx.Node, x: Value, places: dict[str, Any]) -> Value:
    """ONNX has it for floats only; it is exact where no sum of a byte's products leaves float32's integers."""
    weight = walk.value(node.args[1]).constant
    if weight is None or _BASE * weight.abs().sum((0, *range(2, weight.dim()))).max() >= _EXACT_FLOAT32:
        raise NotExpressibleError("a transposed convolution with sums beyond 2**24: ONNX computes it in float32")
    g, total = walk.graph, ""
    filters = g.constant(weight.to(torch.float32))
    for part, zero, factor in _parts(walk, x, "transposed convolution"):
        values = g.cast(g.node("Sub", g.cast(part, torch.int64), g.constant(zero)), torch.float32)
        sums = g.cast(g.node("ConvTranspose", values, filters, **places), torch.int64)
        sums = g.node("Mul", sums, g.constant(factor)) if factor > 1 else sums
        total = g.node("Add", total, sums) if total else sums
    return _sums(walk, node, total)


@lowers("aten.mm.default", "aten.bmm.default", "aten.matmul.default")
def _matrices(walk: Lowering, node: fx.Node) -> Value:
    x, y = (_integers(walk, arg) for arg in node.args)
    if x is None or y is None:
        return walk.result(node, walk.graph.node("MatMul", *(walk.operand(arg, walk.dtype(node)) for arg in node.args)))
    return _sums(
        walk, node, _summed(walk, x, y, lambda *names: walk.graph.node("MatMulInteger", *names), "matrix product")
    )


@lowers(*(f"aten.avg_pool{n}d.default" for n in (2, 3)))
def _window_sum(walk: Lowering, node: fx.Node) -> Value:
    """A window's sum is a convolution with ones."""
    x, size, stride, padding, ceil, _, divisor = arguments(node, None, None, [], 0, False, True, None)
    padding = padding if isinstance(padding, list) else [padding] * len(size)
    value = _integers(walk, x)
    if value is None or divisor != 1 or ceil:
        raise NotExpressibleError("an average of windows that is no plain sum of integers")
    channels = walk.shape(node)[1]
    ones = walk.known(torch.ones(channels, 1, *size, dtype=torch.int8))
    places: dict[str, Any] = {"strides": stride or size, "pads": [*padding, *padding], "group": channels}
    return _sums(
        walk,
        node,
        _summed(walk, value, ones, lambda *names: walk.graph.node("ConvInteger", *names, **places), "window"),
    )
