# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/module_copy.py
"""Deep copies of models that copy no tensor before it is known to stay.

In: a model. Out: an independent copy of it, as `copy.deepcopy` makes it, but parameters, and buffers of torch's own
layers, are the model's memory until they are asked to separate: folding makes most of them anew.
"""

import copy
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .module_tree import all_modules

M = TypeVar("M", bound=nn.Module)

_ATOMS = frozenset({bool, int, float, str, type(None)})
_CONTAINERS = frozenset({list, tuple, dict, set, OrderedDict})


def copy_model(model: M, caller: str) -> tuple[M, Callable[[], None]]:
    """A deep copy whose parameters are still the model's memory, so that none is copied that folding makes anew.

    Args:
        model: what to copy.
        caller: for the error.

    Returns:
        The copy, and a function that gives memory of its own to every tensor of the copy that is then still in use.

    Raises:
        ValueError: the model stores a tensor that autograd computed, which cannot be copied.
    """
    aliases = {id(tensor): _alias(tensor) for tensor in _aliased(model)}
    references = [weakref.ref(alias) for alias in aliases.values()]
    try:
        own: M = deep_copy(model, dict[int, Any](aliases))
    except RuntimeError as error:
        if (place := _place_of_non_leaf(model)) is None:
            raise
        raise ValueError(
            f"{caller} copies the model, but {place} is the "
            f"result of a computation with gradients, which cannot be copied; store it with .detach()"
        ) from error

    def separate() -> None:
        for reference in references:
            if (tensor := reference()) is not None:
                tensor.data = tensor.detach().clone()

    return own, separate


def _aliased(model: nn.Module) -> Iterator[Tensor]:
    """The tensors to copy late."""
    for module in all_modules(model):
        yield from (p for p in module._parameters.values() if type(p) is nn.Parameter)
        if _is_layer_of_torch(type(module)):
            yield from (b for b in module._buffers.values() if type(b) is Tensor and not b.requires_grad)


def _alias(tensor: Tensor) -> Tensor:
    alias = tensor.detach()
    return nn.Parameter(alias, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else alias


def deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    """As `copy.deepcopy`, without its ceremonies for modules and for what they hold most: numbers, and nothing."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind in _CONTAINERS and not value:
        memo[id(value)] = twin = kind()
        return twin
    if kind is dict:
        memo[id(value)] = twin = {}
        twin.update({deep_copy(key, memo): deep_copy(item, memo) for key, item in value.items()})
        return twin
    if kind is tuple and _ATOMS.issuperset(map(type, value)):
        return value
    if isinstance(value, nn.Module) and _is_plain(value):
        return _module_copy(value, memo)
    return copy.deepcopy(value, memo)


def _module_copy(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    memo[id(module)] = twin = object.__new__(type(module))
    held = {key: value if type(value) in _ATOMS else deep_copy(value, memo) for key, value in vars(module).items()}
    vars(twin).update(held)
    return twin


def _is_plain(module: nn.Module) -> bool:
    """Whether copying a module is no more than copying its attributes."""
    cls: Any = type(module)
    return (
        cls.__getstate__ is nn.Module.__getstate__
        and (cls.__setstate__ is nn.Module.__setstate__ or _is_layer_of_torch(cls))  # theirs add what old pickles lack
        and (cls.__reduce_ex__, cls.__reduce__, cls.__new__)
        == (object.__reduce_ex__, object.__reduce__, object.__new__)
        and not hasattr(cls, "__deepcopy__")
        and "_compiled_call_impl" not in vars(module)
    )


def _is_layer_of_torch(cls: type[nn.Module]) -> bool:
    return cls.__module__.startswith("torch.nn.modules.")


def _place_of_non_leaf(model: nn.Module) -> str | None:
    """Where a model stores a tensor that autograd computed, and in what; None where it does not."""
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            if _holds_non_leaf(value):
                place = f"{name}.{attribute}" if name else attribute
                return f"{_tensor_place(module, place)} of {type(module).__name__}"
    return None


def _holds_non_leaf(value: object) -> bool:
    if isinstance(value, torch.Tensor):
        return not value.is_leaf
    if isinstance(value, dict):
        return any(_holds_non_leaf(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_holds_non_leaf(item) for item in value)


def _tensor_place(module: nn.Module, place: str) -> str:
    for name, buffer in module.named_buffers(recurse=False):
        if place.endswith("_buffers") and not buffer.is_leaf:
            return repr(place.removesuffix("_buffers") + name)
    return repr(place)
