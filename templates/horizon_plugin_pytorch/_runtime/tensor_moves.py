# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/tensor_moves.py
"""Torch functions that pick and move elements of a QTensor: integers stay what they are.

In: calls. Out: results with scale and dtype of the source; indices and other plain values without. Of equal elements the
one of the lowest index comes first.
"""

from typing import Any

import torch
from torch import Tensor

from .exact import exact_float
from .tensor_call import Call


def plain(call: Call) -> Any:
    """Run on the data."""
    return call.run()


def keep(call: Call) -> Any:
    """Run on the data, attach scale and dtype again."""
    source = call.source
    return call.keep(_in_place_or_row(call), lambda x: call.run_on(x, source))


def _in_place_or_row(call: Call) -> Any:
    """Run on the data; laid out anew for a function that refuses them as a layer's plan laid them out."""
    data = call.source._data
    try:
        return call.run()
    except RuntimeError:
        if data.is_contiguous():
            raise
        return call.run_on(data.contiguous(), call.source)


def keep_in_place(call: Call) -> Any:
    """`keep` for functions that move no element."""
    return call.keep(call.run())


def inert(call: Call) -> Any:
    """What changes values in training only: integers stay what they are."""
    return call.source if call.source.is_quantized else keep_in_place(call)


def keep_list(call: Call) -> Any:
    """`keep` for each item of the result."""
    source = call.source
    results = call.run()
    kept = []
    for index, result in enumerate(results):

        def rerun(x: Tensor, index: int = index) -> Tensor:
            item: Tensor = call.run_on(x, source)[index]
            return item

        kept.append(call.keep(result, rerun))
    return type(results)(kept)


def select(call: Call) -> Any:
    """`keep` by a float function that only picks values."""
    source = call.one_scale()
    if not source.is_quantized:
        return call.keep(call.run())
    return call.keep(exact_float(lambda x: call.run_on(x, source), source._data))


def value_and_index(call: Call) -> Any:
    """Keep the values; indices are plain."""
    if len(call.tensors) > 1:
        raise NotImplementedError(f"{call.func} of two QTensors needs an output scale: use a FloatFunctional")
    call.one_scale()
    return _pair(call, call.run())


def ordered(call: Call) -> Any:
    """Sort stably."""
    call.one_scale()
    x = call.raw(call.args[0] if call.args else call.kwargs["input"])
    dim, descending = call.argument(1, "dim", -1), call.argument(2, "descending", False)
    return _pair(call, call.func(x, dim=dim, descending=descending, stable=True))


def leading(call: Call) -> Any:
    """The first ones of a stable order."""
    call.one_scale()
    x, k = call.raw(call.argument(0, "input")), call.argument(1, "k")
    dim, largest = call.argument(2, "dim", -1), call.argument(3, "largest", True)
    values, indices = torch.sort(x, dim=dim, descending=largest, stable=True)
    made: Any = torch.return_types.topk
    return made((call.keep(values.narrow(dim, 0, k)), indices.narrow(dim, 0, k)))


def dequantize(call: Call) -> Any:
    """Run on the values."""
    values = [value.dequantize() if isinstance(value, call.cls) else value for value in call.args]
    kwargs = {k: value.dequantize() if isinstance(value, call.cls) else value for k, value in call.kwargs.items()}
    return call.func(*values, **kwargs)


def move(call: Call) -> Any:
    """`Tensor.to`: a float dtype asks for the values, anything else moves the data."""
    wanted = [v for v in (*call.args, *call.kwargs.values()) if isinstance(v, torch.dtype)]
    if any(dtype.is_floating_point for dtype in wanted):
        return dequantize(call)
    return keep_in_place(call)


def _pair(call: Call, result: Any) -> Any:
    """Values with their scale and plain indices; indices alone are plain, values alone have their scale."""
    if isinstance(result, Tensor):
        return call.keep(result) if result.dtype == call.source._data.dtype else result
    values, indices = result
    return type(result)((call.keep(values), indices))
