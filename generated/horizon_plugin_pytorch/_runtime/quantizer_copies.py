# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantizer_copies.py
"""Quantizers of a model: the first of each kind is constructed, the others are its copies, in half of the time.

In: a factory of a qconfig and the arguments of a call. Out: what the factory makes. Only what it makes of classes of this
package and of plain values is copied, and only where torch makes tensors as it always does.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch._C import _len_torch_dispatch_stack, _len_torch_function_stack

from .dtype import QuantDType
from .march import require_march
from .module_tree import all_modules, clone_structure
from .partial_class import PartialClass

_PACKAGE = __name__.partition(".")[0] + "."
_VALUES = frozenset({bool, int, float, str, type(None), torch.dtype, torch.qscheme, QuantDType})
_HELD = _VALUES | {dict, OrderedDict, set}
_Argument = tuple[str, type, Any]


def made_by(factory: Callable[..., Any], **arguments: Any) -> Any:
    """What `factory(**arguments)` makes."""
    if not isinstance(factory, PartialClass) or _len_torch_function_stack() or _len_torch_dispatch_stack():
        return factory(**arguments)
    given = {**factory.keywords, **arguments}
    if not all(map(_is_known, (factory.cls, *given.values()))):
        return factory(**arguments)
    kind = tuple((name, type(value), value) for name, value in given.items())
    first = _first(factory.cls, kind, require_march(factory.cls.__name__), torch.get_default_dtype())
    return factory(**arguments) if first is None else _copy(first)


def _is_known(value: object) -> bool:
    return value.__module__.startswith(_PACKAGE) if isinstance(value, type) else type(value) in _VALUES


@functools.lru_cache(maxsize=256)
def _first(cls: type[nn.Module], arguments: tuple[_Argument, ...], march: str, dtype: torch.dtype) -> nn.Module | None:
    """One of a kind, which nobody else has; None where it holds what a copy would share."""
    with torch.inference_mode(False):  # it outlives the caller's mode
        made = cls(**{name: value for name, _, value in arguments})
    held = (value for module in all_modules(made) for value in vars(module).values())
    return made if all(type(value) in _HELD for value in held) else None


def _copy(first: nn.Module) -> nn.Module:
    twin = clone_structure(first)
    with torch.no_grad():
        for module in all_modules(twin):
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[name] = nn.Parameter(parameter.clone(), parameter.requires_grad)
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = buffer.clone()
    return twin
