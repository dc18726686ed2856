# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/bind.py
"""Scales along the graph of a converted model, so that every module derives its integers at conversion.

In: a converted model. Out: the same model; each quantized module has met the input scales that the graph shows. Where a
scale is not known (inside of a wrapped method, behind a function that no table knows) a module derives at its first call.
"""

import operator
from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from .._tables import TABLES
from .composite import QATComposite
from .functional_quantized import QuantizedFunctional
from .lut_float import UnaryFunction
from .quantized_module import QuantizedModule, Scaled

_Found = Scaled | tuple[Any, ...] | None  # of a tensor, or of each tensor of a tuple; None: not known
_Known = Mapping[fx.Node, _Found]


def bind_scales(model: fx.GraphModule) -> _Known:
    """Derive the integers of every module of the graph.

    Returns:
        What is known of the value of each node.

    Raises:
        NotImplementedError: a march does not support a dtype; the module is named.
    """
    known: dict[fx.Node, _Found] = {}
    modules = dict(model.named_modules(remove_duplicate=False))
    for node in model.graph.nodes:
        known[node] = _scale_of(modules, node, known)
    return known


def _scale_of(modules: Mapping[str, nn.Module], node: fx.Node, known: _Known) -> _Found:
    """What is known of a node's value; lists of tensors with one scale count as one."""
    inputs: list[Scaled | None] = []
    map_arg(
        (node.args, node.kwargs), lambda n: inputs.extend(_flat(known[n]))
    )  # a node that is passed twice counts twice
    if node.op == "call_module":
        return _of_module(str(node.target), modules[str(node.target)], inputs)
    if node.op == "call_method":
        owner = _owner(modules, node)
        if owner is not None:
            return owner.bind_method(str(node.target), inputs[1:], node.args[1:])
        return _kept(getattr(Tensor, str(node.target), None), inputs)
    if node.target is operator.getitem and isinstance(parts := known.get(node.args[0]), tuple):  # type: ignore[arg-type]
        return _part(parts, node.args[1])
    return _kept(node.target, inputs) if node.op == "call_function" else None


def _flat(found: _Found) -> tuple[Scaled | None, ...]:
    return tuple(item for part in found for item in _flat(part)) if isinstance(found, tuple) else (found,)


def _part(parts: tuple[Any, ...], index: object) -> _Found:
    return parts[index] if isinstance(index, int) and -len(parts) <= index < len(parts) else None


def _of_module(name: str, module: nn.Module, inputs: list[Scaled | None]) -> _Found:
    module = module.table if isinstance(module, UnaryFunction) else module
    if isinstance(module, QuantizedModule | QATComposite):
        try:
            return module.bind(*inputs)
        except (NotImplementedError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from error
    return inputs[0] if inputs and type(module) in TABLES.passthrough_modules else None


def _owner(modules: Mapping[str, nn.Module], node: fx.Node) -> QuantizedFunctional | None:
    """The module whose method a node calls, if it is one of ours."""
    first = node.args[0] if node.args else None
    if not isinstance(first, fx.Node) or first.op != "get_attr":
        return None
    owner = modules.get(str(first.target))
    return owner if isinstance(owner, QuantizedFunctional) else None


def _kept(function: object, inputs: list[Scaled | None]) -> Scaled | None:
    """The scale of the first input, for functions that keep it."""
    kept = function in TABLES.passthrough or function in TABLES.passthrough_lists or function is operator.getitem
    return inputs[0] if kept and inputs else None
