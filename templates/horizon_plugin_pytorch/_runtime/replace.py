# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/replace.py
"""Function calls become modules: an operation that needs quantization parameters of its own gets a module to hold them.

In: a traced model and its graph. Out: a graph in which the calls listed in the tables are calls of generated modules,
named `<scope>_generated_<op>_<index>` and registered beside the module whose forward made the call.
"""

import inspect
import operator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_arg

from .._tables import TABLES
from .tables import Replacement
from .tracer import MODULE_METHOD

_IN_PLACE_OPERATORS = frozenset(n for n in dir(operator) if n.startswith("i") and hasattr(operator, f"__{n[1:]}__"))
_ARITHMETIC = frozenset({operator.add.__module__, "builtins", "math"})
_SIZE_METHODS = frozenset({"size", "dim", "ndimension", "numel", "nelement", "stride", "element_size", "get_device"})
_DATA_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "data", "real", "imag", "grad"})


class _Kind(Enum):
    """What a node holds: data that flows from the inputs, a tensor that does not, or a plain value such as a size."""

    DATA = auto()
    CONSTANT = auto()
    PLAIN = auto()


@dataclass(frozen=True, slots=True)
class _Call:
    """A traced call, sorted into what a replacement does with its arguments."""

    replacement: Replacement
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    constructor: dict[str, Any]
    parameters: dict[str, Any]
    in_place: bool


def replace_calls(root: nn.Module, graph: fx.Graph) -> tuple[fx.Graph, dict[str, str]]:
    """Register the generated modules in `root`.

    Returns:
        The new graph, or the given one where nothing is replaced, and for each generated module's name the scope of its call.
    """
    kinds: dict[fx.Node, _Kind] = {}
    for node in graph.nodes:
        kinds[node] = _kind(node, kinds)
    calls = {node: call for node in graph.nodes if (call := _fitting_call(node, kinds)) is not None}
    if not calls and not any(map(_delegate, graph.nodes)):
        return graph, {}
    scopes: dict[str, str] = {}
    made = fx.Graph(tracer_cls=graph._tracer_cls)
    env: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        owner = _delegating(root, node)
        if owner is not None:
            args, kwargs = map_arg((node.args[1:], node.kwargs), env.__getitem__)
            env[node] = made.create_node("call_module", owner, args, kwargs)
            env[node].meta.update({key: value for key, value in node.meta.items() if key != MODULE_METHOD})
            continue
        call = calls.get(node)
        if call is None:
            env[node] = made.node_copy(node, env.__getitem__)
            continue
        name = _register(root, node.meta["scope"], call)
        scopes[name] = node.meta["scope"]
        args, kwargs = map_arg(call.args, env.__getitem__), map_arg(call.kwargs, env.__getitem__)
        env[node] = _emit(made, name, call.replacement.method, args, kwargs)
        env[node].meta.update(node.meta)
        if call.in_place:
            env[node.all_input_nodes[0]] = env[node]  # whoever reads the input later reads what was written into it
    return made, scopes


def _delegate(node: fx.Node) -> type[nn.Module] | None:
    """The class of module that the method of a functional module stands for, where a node calls such a one."""
    called = node.op == "call_method" and node.meta.get(MODULE_METHOD)
    return TABLES.method_modules.get(str(node.target)) if called else None


def _delegating(root: nn.Module, node: fx.Node) -> str | None:
    """The name of the functional module whose method a node calls, now the module that the method stands for."""
    target = _delegate(node)
    if target is None:
        return None
    (place, *_) = node.args
    assert isinstance(place, fx.Node)
    name = str(place.target)
    owner = root.get_submodule(name)
    calls = [n for n in node.graph.nodes if n.op == "call_method" and n.args[:1] and _target_of(n.args[0]) == name]
    if len(calls) > 1:
        raise ValueError(
            f"{name}: a FloatFunctional whose {node.target} is called serves {len(calls)} calls; give each one of its own"
        )
    module = target().train(owner.training)
    if "qconfig" in owner.__dict__:
        module.__dict__["qconfig"] = owner.__dict__["qconfig"]
    root.set_submodule(name, module)
    return name


def _target_of(node: Any) -> object:
    return node.target if isinstance(node, fx.Node) and node.op == "get_attr" else None


def _emit(graph: fx.Graph, name: str, method: str | None, args: Any, kwargs: Any) -> fx.Node:
    if method is None:
        return graph.create_node("call_module", name, args, kwargs)
    owner = graph.create_node("get_attr", name)
    return graph.create_node("call_method", method, (owner, *args), kwargs)


def _register(root: nn.Module, scope: str, call: _Call) -> str:
    path, _, last = scope.rpartition(".")
    parent = root.get_submodule(path)
    stem = f"{last}_generated_{call.replacement.op}_"
    index = next(i for i in range(len(parent._modules) + 1) if not hasattr(parent, f"{stem}{i}"))
    module = call.replacement.module(**call.constructor)
    for key, place in call.parameters.items():
        module.register_parameter(key, None if place is None else _parameter(root, place.target))
    parent.add_module(f"{stem}{index}", module.train(parent.training))
    return f"{path}.{stem}{index}" if path else f"{stem}{index}"


def _parameter(root: nn.Module, path: str) -> nn.Parameter:
    """A constant of the model as a parameter: the same object, if it is one."""
    owner, _, name = path.rpartition(".")
    tensor: torch.Tensor = getattr(root.get_submodule(owner), name)
    return tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor.detach(), requires_grad=False)


def _kind(node: fx.Node, kinds: dict[fx.Node, _Kind]) -> _Kind:
    if node.op == "get_attr":
        return _Kind.CONSTANT
    if node.op not in {"call_function", "call_method"}:
        return _Kind.DATA
    if _is_plain(node):
        return _Kind.PLAIN
    inputs = {kinds[n] for n in node.all_input_nodes}
    if inputs == {_Kind.PLAIN} and getattr(node.target, "__module__", None) in _ARITHMETIC:
        return _Kind.PLAIN
    return _Kind.DATA if _Kind.DATA in inputs else _Kind.CONSTANT


def _is_plain(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _SIZE_METHODS or getattr(torch.Tensor, str(node.target), None) in TABLES.plain
    if node.target is getattr:
        return hasattr(torch.Tensor, str(node.args[1])) and node.args[1] not in _DATA_ATTRIBUTES
    return node.target in TABLES.plain


def _fitting_call(node: fx.Node, kinds: dict[fx.Node, _Kind]) -> _Call | None:
    """The first replacement of the tables that this call fits, with the call's arguments sorted."""
    if node.op not in {"call_function", "call_method"} or node.meta.get(MODULE_METHOD):
        return None
    for replacement in TABLES.replacements:
        targets: tuple[Any, ...] = replacement.functions if node.op == "call_function" else replacement.methods
        if node.target in targets and (call := _sorted_call(node, replacement, kinds)) is not None:
            return call
    return None


def _sorted_call(node: fx.Node, replacement: Replacement, kinds: dict[fx.Node, _Kind]) -> _Call | None:
    keywords = {k: v for k, v in node.kwargs.items() if k not in replacement.drop_kwargs}
    count = max(replacement.data_args, 1)
    args = (*node.args, *_pop_data(keywords, count - len(node.args)))
    if replacement.number_first:
        if [type(a) in {int, float} for a in args] != [True, False]:
            return None
        args = args[::-1]
    data, rest = args[:count], args[count:]
    if len(data) < count or not _are_data(data[0] if replacement.data_args == 0 else data, kinds, replacement.numbers):
        return None
    constructor = dict(zip(replacement.constructor_args, rest, strict=False))
    rest = rest[len(constructor) :]
    constructor |= {k: keywords.pop(k) for k in replacement.constructor_args if k in keywords}
    parameters = {k: constructor.pop(k, None) for k in replacement.parameters}
    if any(v is not None and not _is_constant(v, kinds) for v in parameters.values()):
        return None
    keywords = {k: v for k, v in keywords.items() if not _is_default(replacement, k, v)}
    called = getattr(replacement.module, replacement.method or "forward")
    traced: list[fx.Node] = []
    map_arg(constructor, traced.append)  # a module is made now, so it cannot take what is known when it runs
    if traced or not _accepts(called, (*data, *rest), keywords):
        return None
    return _Call(replacement, (*data, *rest), keywords, constructor, parameters, _writes_input(node, constructor))


def _is_constant(value: Any, kinds: dict[fx.Node, _Kind]) -> bool:
    """Whether an argument is a tensor that the model holds."""
    return isinstance(value, fx.Node) and value.op == "get_attr" and kinds[value] is _Kind.CONSTANT


def _pop_data(keywords: dict[str, Any], count: int) -> tuple[Any, ...]:
    """Take up to `count` data arguments given by keyword; torch calls the first one `input`."""
    named = sorted(
        (k for k, v in keywords.items() if isinstance(v, fx.Node | list | tuple)), key=lambda k: k != "input"
    )
    return tuple(keywords.pop(k) for k in named[: max(count, 0)])


def _are_data(data: Any, kinds: dict[fx.Node, _Kind], numbers: str) -> bool:
    """Whether all are tensors, or numbers where they may be, and at least one of them flows from the inputs."""
    if not isinstance(data, list | tuple):
        return False
    are_numbers = [type(a) in {int, float} for a in data]
    if any(are_numbers) and (numbers == "none" or (numbers == "last" and are_numbers[0])):
        return False
    if numbers == "last" and not are_numbers[-1]:
        return False
    nodes = [a for a, number in zip(data, are_numbers, strict=True) if not number]
    if not all(isinstance(a, fx.Node) for a in nodes):
        return False
    found = {kinds[a] for a in nodes}
    return _Kind.DATA in found and _Kind.PLAIN not in found


def _accepts(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    try:
        inspect.signature(function).bind(None, *args, **kwargs)
    except TypeError:
        return False
    return True


def _is_default(replacement: Replacement, name: str, value: Any) -> bool:
    """Whether the module that takes the call would be made with this very value anyway."""
    parameter = inspect.signature(replacement.module).parameters.get(name)
    return (
        replacement.method is None
        and parameter is not None
        and type(value) is type(parameter.default)
        and bool(value == parameter.default)
    )


def _writes_input(node: fx.Node, constructor: dict[str, Any]) -> bool:
    """Whether the call also writes its result into its first input: `add_`, `+=`, `inplace=True`."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    special = name.startswith("__") and name.endswith("__")
    by_name = name.strip("_") in _IN_PLACE_OPERATORS if special else name.endswith("_") or name in _IN_PLACE_OPERATORS
    return by_name or constructor.get("inplace") is True
