# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/tensor_arithmetic.py
"""Torch functions that compute with the elements of a QTensor and keep its grid.

In: calls. Out: results on the input's grid, where not said otherwise. Fake-quantized and integer QTensors go the same way,
so that both have the same values; numbers and plain tensors are brought to the grid first, by the kernel of the rule.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .exact import exact_float
from .recording import unrecorded
from .support import refuse_call
from .tensor_call import Call, Grid


def pointwise(call: Call) -> Any:
    """The kernel on integers; the function on floats, saturated."""
    source = call.one_scale()
    if source.is_quantized:
        dtypes = dict.fromkeys(call.rule.dtypes, source.qtype)
        return call.keep(call.kernel(source._data, **dtypes))
    return call.keep(call.grid().limited(call.run()))


def unit(call: Call) -> Any:
    """The kernel's result, of scale 1 and of the narrowest feature dtype."""
    from ..dtype import qint8

    source = call.source
    one = torch.ones(1, device=source._data.device)
    return call.cls(call.kernel(source._data) if source.is_quantized else call.run(), one, qint8)


def compare(call: Call) -> Any:
    """The order of integers at the larger scale; a number or a plain tensor counts as the nearest integer."""
    left, right = call.argument(0, "input"), call.argument(1, "other")
    x, y = (isinstance(value, call.cls) for value in (left, right))
    if x and y:
        return call.func(_difference(call, left, right), 0)
    source = call.one_scale()
    integers, constant = source.int_repr().to(torch.int32), _constant(call, source, right if x else left)
    return call.func(integers, constant) if x else call.func(constant, integers)


def _constant(call: Call, source: Any, value: Any) -> Tensor:
    from ..dtype import qint32

    values = torch.as_tensor(value, dtype=torch.float32, device=source._data.device)
    integers: Tensor = call.kernels.quantize_constant(values, source.scale.reshape(()), output=qint32)
    return integers


def _difference(call: Call, left: Any, right: Any) -> Tensor:
    for value in (left, right):
        if value.per_channel_axis >= 0:
            call.one_scale()
    kernels = call.kernels
    scale = kernels.larger_scale(left.scale, right.scale)
    wider = max(left.qtype, right.qtype, key=lambda dtype: dtype.bits)
    name = call.rule.kernel
    p = getattr(kernels, f"derive_{name}")(
        s_x=left.scale, s_y=right.scale, s=scale, input=left.qtype, other=right.qtype, wider=wider
    )
    difference: Tensor = getattr(kernels, name)(left.int_repr(), right.int_repr(), p, wider=wider)
    return difference


def scale(call: Call) -> Any:
    """Times a number, whose size goes into the scale; times a mask, which selects."""
    source = call.one_scale()
    left, right = call.argument(0, "input"), call.argument(1, "other")
    other = right if isinstance(left, call.cls) else left
    if isinstance(other, Tensor) and other.dtype == torch.bool and not isinstance(other, call.cls):
        return call.keep(call.run())
    if isinstance(other, bool) or not isinstance(other, (int, float)):
        raise NotImplementedError(
            refuse_call(call.func, "only a python number or a bool tensor may be the other operand")
        )
    return _times(call, source, other)


def unscale(call: Call) -> Any:
    """Divided by a number: times its float32 reciprocal, whose size goes into the scale."""
    source, divisor = call.one_scale(), call.argument(1, "other")
    known = type(divisor) in {int, float} and divisor != 0
    if not known or source is not call.argument(0, "input") or call.kwargs.get("rounding_mode") is not None:
        raise NotImplementedError(
            refuse_call(call.func, "a QTensor is divided by a python number other than 0, without a rounding mode")
        )
    return _times(call, source, float(torch.tensor(1.0) / torch.tensor(float(divisor))))


def _times(call: Call, source: Any, factor: float) -> Any:
    kernels, number = call.kernels, torch.tensor(float(factor), device=source._data.device)
    scaled = Grid(kernels.scaled_scale(source.scale, number=number), source.qtype, source.is_quantized)
    if not scaled.is_integer:
        return call.cls(scaled.limited(source._data * factor), scaled.scale, source.qtype)
    p = getattr(kernels, f"derive_{call.rule.kernel}")(number=number, input=source.qtype, output=source.qtype)
    return call.cls(call.kernel(source._data, p, output=source.qtype), scaled.scale, source.qtype)


def bound(call: Call) -> Any:
    """Limits, each None, a number, a tensor or a QTensor."""
    grid, x = call.grid(), call.raw(call.argument(0, "input"))
    limits = (call.argument(1, "min"), call.argument(2, "max"))
    low, high = (None if limit is None else call.on(grid, limit) for limit in limits)
    return call.keep(torch.clamp(x, low, high))


def fill(call: Call) -> Any:
    """A constant where a mask is set."""
    grid, x, mask = call.grid(), call.raw(call.argument(0, "input")), call.argument(1, "mask")
    return call.keep(torch.where(mask, call.on(grid, call.argument(2, "value")), x))


def choose(call: Call) -> Any:
    """One of two by a condition, at the larger scale and the wider dtype of the QTensors among them."""
    method = isinstance(call.args[0], call.cls)
    condition = call.args[1] if method else call.argument(0, "condition")
    x = call.args[0] if method else call.argument(1, "input")
    y = call.argument(2, "other")
    known = [value for value in (x, y) if isinstance(value, call.cls)]
    grid = call.grid()
    if len(known) > 1:
        dtype = max((value.qtype for value in known), key=lambda dtype: dtype.bits)
        grid = Grid(call.kernels.larger_scale(x.scale, y.scale), dtype, x.is_quantized)
    chosen = torch.where(condition, _at(call, grid, x), _at(call, grid, y))
    return call.cls(chosen, grid.scale, grid.dtype)


def _at(call: Call, grid: Grid, value: Any) -> Tensor:
    """`Call.on`, without a computation where nothing changes."""
    if isinstance(value, call.cls) and value.scale is grid.scale and value.qtype is grid.dtype:
        data: Tensor = value._data
        return data
    return call.on(grid, value)


def take_in(call: Call) -> Any:
    """The last argument, brought to the grid, takes the place of elements of the first."""
    *others, value = call.args
    kwargs = dict(call.kwargs)
    if "source" in kwargs:
        others, value = list(call.args), kwargs.pop("source")
    result = call.func(*(call.raw(other) for other in others), _at(call, call.grid(), value), **kwargs)
    return None if result is None else call.keep(result)


def pad(call: Call) -> Any:
    """Borders; a constant is brought to the grid."""
    grid, source = call.grid(), call.source
    x, amounts, mode = source._data, call.argument(1, "pad"), call.argument(2, "mode", "constant")
    if mode == "constant":
        value = call.argument(3, "value")
        with unrecorded():
            constant = call.on(grid, value).item() if value else 0
        return call.keep(functional.pad(x, amounts, mode, constant))
    if mode not in {"replicate", "circular"}:
        raise NotImplementedError(refuse_call(call.func, f"mode {mode!r} has no integer form"))

    def borders(data: Tensor) -> Tensor:
        return functional.pad(data, amounts, mode)

    return call.keep(exact_float(borders, x) if grid.is_integer else borders(x))


def create(call: Call) -> Any:
    """A tensor of other values on the source's grid."""
    source = call.source
    if "dtype" in call.kwargs:
        return call.run()
    stand_in = source._data if not source.is_quantized else source._data.to(torch.float32)
    values = call.run_on(stand_in.detach(), source)
    return call.cls(call.on(call.grid(), values), source.scale, source.qtype)
