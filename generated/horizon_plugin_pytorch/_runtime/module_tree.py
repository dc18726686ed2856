# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/module_tree.py
"""Copies of module trees and changes in them.

In: a model. Out: an independent copy, a copy that shares the tensors, or the model with a sub-module put in a place.
"""

import copy
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)

_FORWARD_HOOKS = (
    *("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
)


_CONTAINERS = (list, tuple, dict, OrderedDict)
_WITHOUT_MODULES = ("_parameters", "_buffers")
_ATOMS = (bool, int, float, str, type(None))


def copy_model(model: M, caller: str) -> tuple[M, Callable[[], None]]:
    """A deep copy whose parameters are still the model's memory, so that none is copied that folding makes anew.

    Args:
        model: what to copy.
        caller: for the error.

    Returns:
        The copy, and a function that gives memory of its own to every parameter of the copy that is then still in use.

    Raises:
        ValueError: the model stores a tensor that autograd computed, which cannot be copied.
    """
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            if _holds_non_leaf(value):
                place = f"{name}.{attribute}" if name else attribute
                raise ValueError(
                    f"{caller} copies the model, but {_tensor_place(module, place)} of {type(module).__name__} is the "
                    f"result of a computation with gradients, which cannot be copied; store it with .detach()"
                )
    aliases = {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in model.parameters() if type(p) is nn.Parameter}
    memo: dict[int, Any] = dict(aliases)
    for module in model.modules():
        if type(module).__module__.startswith("torch.nn.modules.") and not module._modules:
            memo[id(module)] = _layer_copy(module, memo)
    own = copy.deepcopy(model, memo)
    references = [weakref.ref(alias) for alias in aliases.values()]

    def separate() -> None:
        for reference in references:
            if (parameter := reference()) is not None:
                parameter.data = parameter.detach().clone()

    return own, separate


def _layer_copy(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """What `copy.deepcopy` makes of a layer of torch without children, at a third of the time: most it holds is empty."""
    own_way = hasattr(module, "__deepcopy__") or type(module).__getstate__ is not nn.Module.__getstate__
    if own_way or "_compiled_call_impl" in vars(module):
        return copy.deepcopy(module, memo)
    twin = object.__new__(type(module))
    memo[id(module)] = twin
    vars(twin).update({key: _deep_copy(value, memo) for key, value in vars(module).items()})
    return twin


def _deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    """As `copy.deepcopy`, without its ceremonies for what layers of torch hold: numbers, pairs of them, parameters."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is tuple and all(type(item) in _ATOMS for item in value):
        return value
    if kind is dict and id(value) not in memo:
        memo[id(value)] = twin = {key: _deep_copy(item, memo) for key, item in value.items()}
        return twin
    if kind in _CONTAINERS and not value:
        return kind()
    return memo[id(value)] if id(value) in memo else copy.deepcopy(value, memo)


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


def clone_state(module: nn.Module, memo: dict[int, nn.Module]) -> dict[str, Any]:
    """What a twin of `module` holds: the same tensors and values, twins of the sub-modules.

    Args:
        module: what to clone.
        memo: id of a module -> its twin; it is added to.
    """
    state = {key: _dict_copy(value) if isinstance(value, dict) else value for key, value in vars(module).items()}
    state["_modules"] = {name: None if child is None else _twin(child, memo) for name, child in module._modules.items()}
    return state


def _dict_copy(value: dict[Any, Any]) -> dict[Any, Any]:
    """As `copy.copy`, which takes ten times as long; most dictionaries of a module are empty."""
    return value.copy() if type(value) in _CONTAINERS else copy.copy(value)


def clone_structure(module: nn.Module) -> nn.Module:
    """New module objects with the same parameters, buffers and values: swapping in one does not touch the other."""
    memo: dict[int, nn.Module] = {}
    twin = _twin(module, memo)
    redirect(twin, memo)
    return twin


def _twin(module: nn.Module, memo: dict[int, nn.Module]) -> nn.Module:
    if id(module) not in memo:
        twin = memo[id(module)] = object.__new__(type(module))
        twin.__dict__.update(clone_state(module, memo))
    return memo[id(module)]


def set_modules(root: nn.Module, new: Mapping[str, nn.Module]) -> None:
    """Put modules at qualified names of `root`; whatever referred to the modules there refers to the new ones."""
    replaced: dict[int, nn.Module] = {}
    gone: list[nn.Module | None] = []  # keeps the ids in `replaced` from being used again
    for name, module in new.items():
        path, _, attribute = name.rpartition(".")
        parent = root.get_submodule(path)
        gone.append(parent._modules.get(attribute))
        replaced[id(gone[-1])] = module
        parent._modules[attribute] = module
    redirect(root, {key: module for key, module in replaced.items() if key != id(None)}, keep=tuple(new.values()))


def redirect(root: nn.Module, replaced: Mapping[int, nn.Module], keep: tuple[nn.Module, ...] = ()) -> None:
    """Let every attribute of a module in `root`, but in those of `keep`, that is or holds a replaced module hold the new.

    Args:
        root: where to look.
        replaced: id of an old module -> the new one.
        keep: modules that may go on holding an old one.
    """
    kept = {id(module) for module in keep}
    for module in tuple(root.modules()):
        if id(module) not in kept:
            for key, value in tuple(vars(module).items()):
                kind = type(value)
                if kind in _ATOMS or key in _WITHOUT_MODULES or (kind in _CONTAINERS and not value):
                    continue
                if (redirected := _redirected(value, replaced)) is not value:
                    module.__dict__[key] = redirected


def _redirected(value: Any, replaced: Mapping[int, nn.Module]) -> Any:
    """`value` itself, or a copy of the container with other modules in it."""
    kind = type(value)
    if kind not in _CONTAINERS:
        return replaced.get(id(value), value) if isinstance(value, nn.Module) else value
    if kind in (list, tuple):
        items = [_redirected(item, replaced) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else kind(items)
    entries = {key: _redirected(item, replaced) for key, item in value.items()}
    return value if all(entries[key] is item for key, item in value.items()) else kind(entries)


def swappable(root: nn.Module, mapping: Mapping[type[nn.Module], type[nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    """Every (qualified name, sub-module) whose exact type is in `mapping`; nothing inside such a module.

    Nor inside a layer of torch.nn that is not in `mapping`: it computes with its parts in its own way.
    """

    def walk(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        for attribute, child in module._modules.items():
            if child is None:
                continue
            name = prefix + attribute
            if type(child) in mapping:
                yield name, child
            elif not _is_torch_layer(child):
                yield from walk(name + ".", child)

    yield from walk("", root)


def _is_torch_layer(module: nn.Module) -> bool:
    home = type(module).__module__
    return home.startswith(("torch.nn.", "torch.ao.nn.")) and not home.endswith(".container")


def swap(root: nn.Module, new: Mapping[str, nn.Module]) -> None:
    """`set_modules`, each in the mode and on the device of the module it replaces, with the user's hooks."""
    home = _device(root)
    for name, module in new.items():
        old = root.get_submodule(name)
        module.train(old.training)
        device = _device(old) or home
        if device is not None and any(tensor.device != device for tensor in _tensors(module)):
            module.to(device)
        for hooks in _FORWARD_HOOKS:
            vars(module)[hooks].update(vars(old)[hooks])
    set_modules(root, new)


def _device(module: nn.Module) -> torch.device | None:
    return next((tensor.device for tensor in _tensors(module)), None)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()
