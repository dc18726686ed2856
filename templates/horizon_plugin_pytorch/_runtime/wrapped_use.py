# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/wrapped_use.py
"""Which sub-modules the wrapped methods of a graph use: the graph does not show it, and fusing must not take them away.

In: a graph module. Out: a count for every module that the code of a wrapped method names as `self.<path>`, and for all
modules inside it. Code is read, not run: a path that is put together at run time is not seen.
"""

import dis
import functools
import inspect
from collections import Counter
from collections.abc import Iterator
from types import CodeType, FunctionType

from torch import nn

from .graph_module import SELF, GraphModuleWithAttr
from .match import called_module
from .module_tree import named_modules


def uses_in_wrapped_methods(model: GraphModuleWithAttr) -> Counter[str]:
    """One use for each module that a wrapped method of the graph may call."""
    used: set[str] = set()
    if not any(node.op == "call_method" and called_module(node) for node in model.graph.nodes):
        return Counter()
    names = {id(module): name for name, module in named_modules(model)}
    owners = {name or SELF: module for name, module in named_modules(model, all_names=True)}
    for node in model.graph.nodes:
        owner = owners.get(called_module(node) or "") if node.op == "call_method" else None
        if owner is not None:
            for module in _modules_used(owner, str(node.target), set()):
                used.update(names[id(inner)] for inner in module.modules() if id(inner) in names)
    return Counter(used)


def _modules_used(owner: nn.Module, method: str, seen: set[str]) -> Iterator[nn.Module]:
    """The modules that a method names, also in the methods of the same object that it calls."""
    seen.add(method)
    function = inspect.getattr_static(type(owner), method, None)
    function = inspect.unwrap(function) if isinstance(function, FunctionType) else None
    if not isinstance(function, FunctionType) or not function.__code__.co_varnames:
        return
    for path in _self_paths(function.__code__, function.__code__.co_varnames[0]):
        if isinstance(getattr(type(owner), path[0], None), FunctionType):
            if path[0] not in seen:
                yield from _modules_used(owner, path[0], seen)
        elif (module := _named_module(owner, path)) is not None:
            yield module


def _named_module(owner: nn.Module, path: tuple[str, ...]) -> nn.Module | None:
    """The module that `owner.<path>` is, or whose method it is; None for any other value."""
    value: object = owner
    for attribute in path:
        parent, value = value, getattr(value, attribute, None)
        if not isinstance(value, nn.Module):
            return parent if isinstance(parent, nn.Module) and callable(value) else None
    return value if isinstance(value, nn.Module) else None


@functools.lru_cache(maxsize=256)
def _self_paths(code: CodeType, name: str) -> tuple[tuple[str, ...], ...]:
    """Every `self.a.b.c` in a function, as (a, b, c), for the `self` called `name`; also in functions defined in it."""
    return tuple(_found_paths(code, name))


def _found_paths(code: CodeType, name: str) -> Iterator[tuple[str, ...]]:
    path: list[str] | None = None
    for step in dis.get_instructions(code):
        if path is not None and step.opname in {"LOAD_ATTR", "LOAD_METHOD"}:
            path.append(str(step.argval))
            continue
        if path:
            yield tuple(path)
        path = [] if _loads(step, name) else None
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and name in constant.co_freevars:
            yield from _self_paths(constant, name)


def _loads(step: dis.Instruction, name: str) -> bool:
    """Whether the instruction leaves the variable on top of the stack; one may load two."""
    loaded = step.argval[-1] if isinstance(step.argval, tuple) and step.argval else step.argval
    return step.opname.startswith(("LOAD_FAST", "LOAD_DEREF")) and loaded == name
