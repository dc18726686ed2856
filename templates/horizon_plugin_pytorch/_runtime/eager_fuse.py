# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/eager_fuse.py
"""`fuse_modules`: the user names the modules that are computed as one; nothing is traced.

In: a float model and names of modules in data-flow order. Out: the model with each chain as one module, at the place of the
add where there is one (so that `self.add.add(x, y)` still works), else of the first, and identities in the other places.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from .._tables import TABLES
from .chain import fuse_chain
from .fold import foldable
from .module_tree import set_modules
from .tables import FusionPattern
from .user_input import did_you_mean

Fuser = Callable[..., list[nn.Module]]
Methods = Mapping[tuple[type[nn.Module], ...], Callable[..., nn.Module]]


def fuse_known_modules(
    mod_list: Sequence[nn.Module], is_qat: bool = False, additional_fuser_method_mapping: Methods | None = None
) -> list[nn.Module]:
    """Fuse modules that a pattern knows.

    Args:
        mod_list: modules in data-flow order.
        is_qat: without effect: `set_qat_mode` says what becomes of a normalization.
        additional_fuser_method_mapping: classes -> a function of `is_qat` and the modules that gives the fused one.

    Returns:
        As many modules: the fused one in the place of the add, or else first; identities in the other places.

    Raises:
        NotImplementedError: no pattern has these classes in this order.
        ValueError: a normalization cannot be folded.
    """
    types = tuple(type(module) for module in mod_list)
    method = (additional_fuser_method_mapping or {}).get(types)
    if method is not None:
        return _placed(method(is_qat, *mod_list), len(types), 0)
    pattern = _pattern(types)
    if pattern is None:
        raise NotImplementedError(f"Cannot fuse modules: {', '.join(t.__name__ for t in types)}. {_known(types)}")
    roles = [step.role for step in pattern.steps]
    parts = dict(zip(roles, mod_list, strict=True))
    if "norm" in parts and not foldable(parts["weighted"], parts["norm"]):
        names = f"{types[roles.index('norm')].__name__} into {types[0].__name__}"
        raise ValueError(f"Cannot fold {names}: it has no running statistics of as many channels")
    return _placed(fuse_chain(pattern, parts, {}), len(types), roles.index("add") if "add" in roles else 0)


def fuse_modules(
    model: nn.Module,
    modules_to_fuse: Sequence[str] | Sequence[Sequence[str]],
    inplace: bool = False,
    fuser_func: Fuser = fuse_known_modules,
    fuse_custom_config_dict: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Fuse modules of a float model by name.

    Args:
        model: a float model.
        modules_to_fuse: names in data-flow order, or a list of such lists.
        inplace: change the model itself instead of a deep copy.
        fuser_func: what fuses a list of modules.
        fuse_custom_config_dict: may hold "additional_fuser_method_mapping", see `fuse_known_modules`.

    Returns:
        The fused model.

    Raises:
        ValueError: an unknown name or key, or a normalization that cannot be folded.
        NotImplementedError: modules that no pattern has in this order.
    """
    config = dict(fuse_custom_config_dict or {})
    methods = config.pop("additional_fuser_method_mapping", None)
    if config:
        near = did_you_mean(str(next(iter(config))), ["additional_fuser_method_mapping"])
        raise ValueError(f"fuse_custom_config_dict has unknown keys {sorted(config)}{near}")
    single = bool(modules_to_fuse) and isinstance(modules_to_fuse[0], str)
    chains: Any = [modules_to_fuse] if single else modules_to_fuse
    own = model if inplace else copy.deepcopy(model)
    for chain in chains:
        modules = [_named(own, name) for name in chain]
        try:
            fused = fuser_func(modules, additional_fuser_method_mapping=methods)
        except (NotImplementedError, ValueError) as error:
            raise type(error)(f"{', '.join(chain)}: {error}") from error
        set_modules(own, dict(zip(chain, fused, strict=True)))
    return own


def _pattern(types: tuple[type[nn.Module], ...]) -> FusionPattern | None:
    fitting = (p for p in TABLES.patterns if len(p.steps) == len(types))
    return next((p for p in fitting if all(t in s.modules for t, s in zip(types, p.steps, strict=True))), None)


def _placed(fused: nn.Module, count: int, place: int) -> list[nn.Module]:
    placed: list[nn.Module] = [TABLES.identity() for _ in range(count)]
    placed[place] = fused
    return placed


def _named(model: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    if name not in modules or not name:
        raise ValueError(f"fuse_modules: the model has no module {name!r}{did_you_mean(name, modules)}")
    return modules[name]


def _known(types: tuple[type[nn.Module], ...]) -> str:
    """What goes on behind the first of the classes."""
    chains = [p for p in TABLES.patterns if types and types[0] in p.steps[0].modules]
    if not chains:
        return "A chain starts with a weighted layer that is not fused yet"
    roles = sorted({" -> ".join(step.role for step in p.steps) for p in chains}, key=len)
    return f"Chains that start with {types[0].__name__}: {'; '.join(roles)}"
