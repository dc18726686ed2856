# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/twins.py
"""The module that takes the place of another one: preparing and converting differ in the table alone.

In: modules with their qualified names, and a table from class to class. Out: for each name the module of the other class,
one for each object, so that a module that is registered twice stays one module.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

ClassTable = Mapping[type[nn.Module], type[nn.Module]]


def twins(modules: Iterable[tuple[str, nn.Module]], table: ClassTable) -> dict[str, nn.Module]:
    """Qualified name -> what `from_float` of the class in the table makes of the module.

    Raises:
        NotImplementedError, ValueError, TypeError: as `from_float` does, with the name in front.
    """
    made: dict[nn.Module, nn.Module] = {}
    new: dict[str, nn.Module] = {}
    for name, module in modules:
        if module not in made:
            made[module] = _twin(name, module, table)
        new[name] = made[module]
    return new


def _twin(name: str, module: nn.Module, table: ClassTable) -> nn.Module:
    target: Any = table[type(module)]
    try:
        made = target.from_float(module)
    except (NotImplementedError, ValueError, TypeError) as error:
        raise type(error)(f"{name}: {error}") from error
    assert isinstance(made, nn.Module)
    return made
