# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/exact_qat.py
"""Exact QAT: the forward values of a QAT module are those of its march's integers, bit for bit.

In: what a QAT module computed in float, and its inputs. Out: the same tensors with other values: the inputs' integers go
through the quantized form of the module, whose result is dequantized. Backward, gradients are those of the float
computation (straight-through), so what is trained and validated is what is deployed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .qtensor import QTensor
from .recording import graph_observer, is_recorded
from .straight_through import is_marked
from .support import ACCUMULATOR, integer_sources
from .tensor_call import Call

_State = tuple[object, ...]

_TWINS: WeakKeyDictionary[nn.Module, tuple[_State, nn.Module]] = WeakKeyDictionary()


class NotInGraphError(RuntimeError):
    """A graph of `torch.compile` cannot hold what a QAT module does; it runs as it is."""


class _Values(torch.autograd.Function):
    """The given values with the gradient of `computed`."""

    @staticmethod
    def forward(ctx: Any, computed: Tensor, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(computed: Tensor, values: Tensor) -> Tensor:
    """`values`, with the gradient of `computed`."""
    out: Tensor = _Values.apply(computed, values)  # type: ignore[no-untyped-call]
    return out


def exact_result(
    module: Any, op: str, method: str | None, computed: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """What a QAT module gives, where its values are to be those of its integers.

    Args:
        module: the QAT module; its `exact` says whether all are, or those that the specs name.
        op: the operator that it computed.
        method: the method that was called; None: the module itself.
        computed: its float result: a tensor or QTensor, or a tuple or list of them.
        args: what it was called with.
        kwargs: what it was called with.

    Returns:
        `computed` with exact values; `computed` itself where they are not wanted, for a module without a quantized form, and
        where an input was no QTensor, for then no integers are defined.
    """
    if module.exact is None and not _is_named(module, op, computed, args):
        return computed
    from .._tables import TABLES

    if type(module) not in TABLES.quantized_modules or not _has_integers(args, kwargs):
        return computed
    if graph_observer() is not None:
        raise NotInGraphError(f"the values of {op} are those of integers here, which follow from scales as they are")
    with torch.no_grad():
        twin = _twin(module)
        run = twin if method is None else getattr(twin, method)
        integers = run(*map(_integers, args), **{key: _integers(value) for key, value in kwargs.items()})
    result = _replaced(computed, integers)
    return marked(result) if module.exact else result


def _is_named(module: Any, op: str, computed: Any, args: tuple[Any, ...]) -> bool:
    """Whether the specs want the integers of this call; not for a recorder, which is shown plain operators."""
    if not module.quantizes:
        return False
    if module.of_composite is not None:
        named = module.of_composite
    else:
        target = str(computed.dtype) if isinstance(computed, QTensor) else ACCUMULATOR
        sources = integer_sources(op, module.march, target)
        named = bool(sources) and any(str(x.dtype) in sources for x in _flat(args) if isinstance(x, QTensor))
    plain_only = is_recorded() and graph_observer() is None
    return named and not (plain_only or is_marked())


def exact_call(call: Call, behaviour: Callable[[Call], Any], computed: Any) -> Any:
    """What a torch function gives when its values are to be those of its integers.

    Args:
        call: the function with fake-quantized arguments.
        behaviour: what it does with a QTensor.
        computed: its float result.

    Returns:
        `computed` with exact values.
    """
    kwargs = {key: _integers(value) for key, value in call.kwargs.items()}
    with torch.no_grad():
        integers = behaviour(replace(call, args=tuple(map(_integers, call.args)), kwargs=kwargs))
    return _replaced(computed, integers)


def marked(result: Any) -> Any:
    """A result whose QTensors are known to have the values of integers."""
    for value in _flat(result):
        if isinstance(value, QTensor) and not value.is_quantized:
            value._exact = True
    return result


def _twin(module: nn.Module) -> nn.Module:
    """The quantized form of a module as it is now; made anew when a weight, scale or bias has changed."""
    from .._tables import TABLES

    state = _state(module)
    known = _TWINS.get(module)
    if known is not None and known[0] == state:
        return known[1]
    quantized_class: Any = TABLES.quantized_modules[type(module)]
    twin: nn.Module = quantized_class.from_float(module)
    _TWINS[module] = (state, twin)
    return twin


def _state(module: nn.Module) -> _State:
    """What shows whether any tensor of a module was written to, moved or replaced."""
    tensors = (*module.parameters(), *module.buffers())
    return tuple((id(tensor), tensor._version, tensor.data_ptr()) for tensor in tensors)


def _has_integers(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the inputs are QTensors; a stub's input is float by its nature."""
    tensors = [value for value in _flat((*args, *kwargs.values())) if isinstance(value, Tensor)]
    return bool(tensors) and all(isinstance(value, QTensor) for value in tensors)


def _flat(values: Any) -> list[Any]:
    if isinstance(values, list | tuple):
        return [item for value in values for item in _flat(value)]
    return [values]


def _integers(value: Any) -> Any:
    """A QTensor with its integers; lists and tuples of them."""
    if isinstance(value, QTensor):
        return QTensor(value.int_repr(), value.scale, value.qtype, value.per_channel_axis)
    return type(value)(_integers(item) for item in value) if type(value) in (list, tuple) else value


def _replaced(computed: Any, integers: Any) -> Any:
    """`computed` with the values of `integers`."""
    if isinstance(computed, QTensor):
        values = straight_through(computed.as_subclass(Tensor), integers.dequantize())
        return QTensor(values, computed.scale, computed.qtype, computed.per_channel_axis)
    if isinstance(computed, Tensor) and not computed.is_floating_point():
        return integers
    if isinstance(computed, Tensor):
        exact = integers.dequantize() if isinstance(integers, QTensor) else integers
        return straight_through(computed, exact)
    if isinstance(computed, list | tuple):
        return type(computed)([_replaced(*pair) for pair in zip(computed, integers, strict=True)])
    return computed
