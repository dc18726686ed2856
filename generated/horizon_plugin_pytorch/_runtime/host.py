# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/host.py
"""Operators of the host CPU, and functions that belong to an operator of the support matrix.

In: what a user gives to a module or a function. Out: nothing new: these check what comes in and keep the code out of
tracing. A host operator computes float32 in every stage of a model, is never swapped, and takes a QTensor only where the
support matrix says so.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from torch import Tensor, nn

from .march import require_march
from .qtensor import QTensor
from .support import require_cell
from .wrap import leaf_call

P = ParamSpec("P")
R = TypeVar("R")

_RESULT = "float32"


class HostModule(nn.Module):
    """A module that computes float32 on the host; a leaf of every trace.

    `_OP` is the operator's id in the support matrix.
    """

    _OP: ClassVar[str]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run forward, once the march is known to support the dtypes that come in."""
        require_values(self._OP, type(self).__name__, args, kwargs)
        return super().__call__(*args, **kwargs)


def require_values(op: str, where: str, *values: Any) -> None:
    """Raise NotImplementedError when a QTensor among `values` has a dtype that `op` does not take on the march."""
    for x in tensors_in(values):
        if isinstance(x, QTensor):
            require_cell(op, require_march(where), str(x.dtype), _RESULT, where)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)


def plain(x: Tensor) -> Tensor:
    """The float32 values of a QTensor; any other tensor as it is."""
    return x.dequantize() if isinstance(x, QTensor) else x


def operator_function(op: str, name: str, module: str, function: Callable[Concatenate[str, P], R]) -> Callable[P, R]:
    """The public form of a function whose first argument is its operator's id.

    Args:
        op: the operator's id in the support matrix.
        name: the public name.
        module: the module that holds it.
        function: the mechanism.

    Returns:
        A function that a trace records as one node.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(op, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__module__ = module
    signature = inspect.signature(function)
    vars(call)["__signature__"] = signature.replace(parameters=tuple(signature.parameters.values())[1:])
    public: Callable[P, R] = leaf_call(call)
    return public
