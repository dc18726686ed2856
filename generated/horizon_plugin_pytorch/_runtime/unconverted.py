# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/unconverted.py
"""What will not convert: operations of a prepared graph that take a quantized tensor and have no quantized form.

In: the fused graph and the modules that get a QAT form. Out: one sentence an operation, with the name of the layer and the
line of the user's code. Where quantized tensors flow is followed from the stubs on; what a leaf that the user wrapped
returns is not known, so nothing is said of what follows it.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import torch
from torch import fx, nn

from .._tables import TABLES
from .dispatch import has_quantized_form
from .graph_module import SELF, GraphModuleWithAttr
from .module_tree import named_modules
from .qconfig_resolution import Choice
from .tracer import source_line


def unconverted(model: GraphModuleWithAttr, quantized: Mapping[str, Choice]) -> Iterator[str]:
    """One sentence for each operation that takes a quantized tensor and will refuse it."""
    flowing: set[fx.Node] = set()
    names = {SELF, *(name for name, _ in named_modules(model))}
    for node in model.graph.nodes:
        takes = not flowing.isdisjoint(node.all_input_nodes)
        if node.op == "call_module":
            module = model.get_submodule(str(node.target))
            if str(node.target) in quantized:
                flowing.update([node] if _puts_out_integers(module, quantized[str(node.target)]) else [])
            elif takes and type(module) in TABLES.passthrough_modules:
                flowing.add(node)
            elif takes and _is_layer_of_torch(module):
                yield _sentence(f"{node.target!r} is a {type(module).__name__}, which", node)
        elif (owner := _owner(node, names)) is not None:
            flowing.update([node] if owner in quantized else [])
        elif takes and (name := _function(node)) is not None:
            if has_quantized_form(name):
                flowing.update([] if name in TABLES.plain else [node])
            elif _is_torch_function(name):
                yield _sentence(f"{torch.overrides.resolve_name(name) or name.__name__} in {_scope(node)}", node)


def _puts_out_integers(module: nn.Module, choice: Choice) -> bool:
    """Whether the QAT form of a module returns a QTensor: stubs at the end and accumulator outputs do not."""
    return not isinstance(module, torch.ao.quantization.DeQuantStub) and choice.qconfig.activation is not None


def _owner(node: fx.Node, modules: AbstractSet[str]) -> str | None:
    """The name of the one of some modules whose method a node calls; None when it calls none."""
    owner = node.args[0] if node.op == "call_method" and node.args else None
    if not isinstance(owner, fx.Node) or owner.op != "get_attr":
        return None
    name = str(owner.target)
    return name if name in modules else None


def _is_layer_of_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _function(node: fx.Node) -> Any:
    """The function of torch that a node calls; None for what is no call of one."""
    if node.op == "call_method":
        return getattr(torch.Tensor, str(node.target), None)
    return node.target if node.op == "call_function" else None


def _is_torch_function(func: Any) -> bool:
    """Functions and methods that QTensor dispatch sees; Python's operators reach it as methods of a tensor."""
    return func in torch.overrides.get_testing_overrides()


def _scope(node: fx.Node) -> str:
    return repr(node.meta["scope"]) if node.meta.get("scope") else "the model"


def _sentence(subject: str, node: fx.Node) -> str:
    where = source_line(node)
    return (
        f"{subject} has no quantized form, so it will refuse the quantized tensor that it takes"
        f"{f', at {where}' if where else ''}. Put a DeQuantStub before it, or use an operator of the support table"
    )
