# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/recognize.py
"""Modules of packages that need not be installed, known by the names of their classes.

In: a model that holds some. Out: the same model with our own float modules in their places.
"""

from typing import Any

from torch import nn

from .._tables import TABLES
from .module_tree import all_modules, swap


def recognized(module: nn.Module) -> type[nn.Module] | None:
    """The class of ours that takes the place of a module; None when there is none."""
    cls = type(module)
    return TABLES.recognized.get(f"{cls.__module__}.{cls.__qualname__}")


def replace_recognized(model: nn.Module) -> None:
    """Replace every such module, in place."""
    if not any(map(recognized, all_modules(model))):
        return
    new: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        target: Any = recognized(module)
        if name and target is not None:
            new[name] = target.from_float(module)
    swap(model, new)
