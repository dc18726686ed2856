# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/module_tree.py
"""Twins of module trees and changes in them.

In: a model. Out: a twin that shares the tensors, or the model with a sub-module put in a place.
"""

import copy
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

_FORWARD_HOOKS = (
    *("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
)


_COPIED = frozenset({dict, OrderedDict, set})
_CONTAINERS = frozenset({dict, OrderedDict, list, tuple})
_WITHOUT_MODULES = frozenset({"_parameters", "_buffers"})
_ATOMS = frozenset({bool, int, float, str, type(None)})


def adopt(module: nn.Module, source: nn.Module) -> None:
    """Make `module` an independent object with everything `source` holds: the same parameters, buffers and children."""
    held = {key: value.copy() if isinstance(value, dict) else value for key, value in vars(source).items()}
    module.__dict__.update(held)


def clone_state(module: nn.Module, memo: dict[int, nn.Module]) -> dict[str, Any]:
    """What a twin of `module` holds: the same tensors and values, twins of the sub-modules.

    Args:
        module: what to clone.
        memo: id of a module -> its twin; it is added to.
    """
    state = {key: value if type(value) in _ATOMS else _dict_copy(value) for key, value in vars(module).items()}
    state["_modules"] = {name: None if child is None else _twin(child, memo) for name, child in module._modules.items()}
    return state


def _dict_copy(value: Any) -> Any:
    """A dictionary or a set as `copy.copy` makes it, in a tenth of the time; anything else as it is."""
    if type(value) in _COPIED:
        return value.copy()
    return copy.copy(value) if isinstance(value, dict) else value


def clone_structure(module: nn.Module) -> nn.Module:
    """New module objects with the same parameters, buffers and values: swapping in one does not touch the other."""
    memo: dict[int, nn.Module] = {}
    twin = _twin(module, memo)
    if module._modules or not _is_torch_layer(module):  # those know no module but their children
        redirect(memo.values(), memo)
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
    parents: dict[str, nn.Module] = {}
    for name, module in new.items():
        path, _, attribute = name.rpartition(".")
        parent = parents[path] = parents.get(path) or root.get_submodule(path)
        gone.append(parent._modules.get(attribute))
        replaced[id(gone[-1])] = module
        parent._modules[attribute] = module
    replaced.pop(id(None), None)
    kept = {id(module) for module in new.values()}  # they may go on holding an old one
    redirect([module for module in all_modules(root) if id(module) not in kept], replaced)


def redirect(modules: Iterable[nn.Module], replaced: Mapping[int, nn.Module]) -> None:
    """Let every attribute of some modules that is or holds a replaced module hold the new one.

    Args:
        modules: where to look, not in what they hold.
        replaced: id of an old module -> the new one.
    """
    for module in modules:
        for key, value in vars(module).items():
            kind = type(value)
            if kind in _ATOMS or (kind in _CONTAINERS and not value) or key in _WITHOUT_MODULES:
                continue
            if (redirected := _redirected(value, replaced)) is not value:
                module.__dict__[key] = redirected  # the key is there, so this changes no size


def _redirected(value: Any, replaced: Mapping[int, nn.Module]) -> Any:
    """`value` itself, or a copy of the container with other modules in it."""
    kind = type(value)
    if kind not in _CONTAINERS:
        return replaced.get(id(value), value) if isinstance(value, nn.Module) else value
    if kind in (list, tuple):
        items = [_redirected(item, replaced) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else kind(items)
    looked = ((key, item, _redirected(item, replaced)) for key, item in value.items() if type(item) not in _ATOMS)
    changed = {key: new for key, item, new in looked if new is not item}
    return kind({**value, **changed}) if changed else value


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
        set_mode(module, old.training)
        device = _device(old) or home
        if device is not None and any(tensor.device != device for tensor in _tensors(module)):
            module.to(device)
        for hooks in _FORWARD_HOOKS:
            vars(module)[hooks].update(vars(old)[hooks])
    set_modules(root, new)


def _device(module: nn.Module) -> torch.device | None:
    return next((tensor.device for tensor in _tensors(module)), None)


def all_modules(root: nn.Module) -> Iterator[nn.Module]:
    """As `root.modules()`, in a fraction of the time: no name is made."""
    met: set[int] = set()
    waiting = [root]
    while waiting:
        module = waiting.pop()
        if id(module) not in met:
            met.add(id(module))
            yield module
            waiting += [child for child in reversed(module._modules.values()) if child is not None]


def named_modules(root: nn.Module, *, all_names: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """As `root.named_modules()`, in a third of the time.

    Args:
        root: the model.
        all_names: whether a module that is registered several times is given under each of its names.
    """
    met: set[int] = set()
    waiting = [("", root)]
    while waiting:
        name, module = waiting.pop()
        if all_names or id(module) not in met:
            met.add(id(module))
            yield name, module
            prefix = f"{name}." if name else ""
            waiting += [(prefix + key, child) for key, child in reversed(module._modules.items()) if child is not None]


def set_mode(module: nn.Module, training: bool) -> None:
    """`module.train(training)`, where it changes anything."""
    if any(part.training is not training for part in all_modules(module)):
        module.train(training)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, then buffers."""
    yield from (tensor for inner in all_modules(module) for tensor in inner._parameters.values() if tensor is not None)
    yield from (tensor for inner in all_modules(module) for tensor in inner._buffers.values() if tensor is not None)


def attribute_of(module: nn.Module | None, name: str, default: Any) -> Any:
    """`getattr` for what few modules have: they take long to say that they have none."""
    given = module is not None and (name in vars(module) or hasattr(type(module), name))
    return getattr(module, name, default) if given else default
