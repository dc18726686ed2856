# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/fuse.py
"""`fuse_fx`: chains of operations that are computed as one become one module.

In: a float model. Out: a copy of it as a graph module: function calls replaced by modules, normalizations folded (or
kept, as the QAT mode says) and the chains of the tables' patterns fused. It computes the same in eval mode.
"""

from collections.abc import Iterable
from typing import Any

from torch import fx, nn
from torch.fx.node import map_arg

from .._tables import TABLES
from ..qat_mode import tricks
from .chain import Folds, fuse_chain
from .graph_module import FusedPart, GraphModuleWithAttr, become, set_graph
from .match import GraphView, Match
from .module_copy import copy_model
from .module_tree import named_modules, set_modules
from .place import Fusion, count_calls, plan_fusions
from .replace import replace_calls
from .tracer import QuantTracer
from .user_input import check_config_dict
from .wrapped_use import uses_in_wrapped_methods


def fuse_fx(model: nn.Module, fuse_custom_config_dict: dict[str, Any] | None = None) -> GraphModuleWithAttr:
    """Trace a float model and fuse it.

    Args:
        model: a float model that torch.fx can trace, or the result of an earlier call. It is copied, not changed.
        fuse_custom_config_dict: `preserved_attributes` (a list of names) is accepted; all attributes are preserved.

    Returns:
        A graph module that is still an instance of the model's class and keeps all its attributes.

    Raises:
        TypeError: not a module.
        ValueError: the model stores a tensor that cannot be copied, or uses a name that a graph module needs.
        torch.fx.proxy.TraceError: the model's code depends on values.
    """
    check_config_dict(fuse_custom_config_dict, "fuse_custom_config_dict")
    fused = fused_copy(model)
    fused.recompile()
    return fused


def fused_copy(model: nn.Module) -> GraphModuleWithAttr:
    """As `fuse_fx`; the graph is not compiled yet."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"fuse_fx takes an nn.Module, not {type(model).__name__}")
    own, separate = copy_model(model, "fuse_fx")
    traced = own if isinstance(own, GraphModuleWithAttr) else _traced(own)
    while _fuse_once(traced):  # a folded layer may be the start of another chain
        pass
    separate()
    return traced


def _traced(model: nn.Module) -> GraphModuleWithAttr:
    graph, scopes = replace_calls(model, QuantTracer().trace(model))
    traced = become(model, GraphModuleWithAttr, graph)
    traced._generated_scopes.update(scopes)
    return traced


def _fuse_once(model: GraphModuleWithAttr) -> bool:
    """Fuse all chains of the graph as it is, in place; False when there is none."""
    modules = dict(named_modules(model, all_names=True))
    view = GraphView(model.graph, modules)
    reserved = uses_in_wrapped_methods(model)
    fusions = plan_fusions(view, TABLES.patterns, reserved, duplicate=tricks.fx_force_duplicate_shared_convbn)
    if not fusions:
        return False
    folds: Folds = {}
    new: dict[str, nn.Module] = {}
    for fusion in fusions:
        model._fused_parts[fusion.name] = tuple(_parts(model, modules, fusion.matches[0]))
        folds = {} if tricks.fx_force_duplicate_shared_convbn else folds
        match = fusion.matches[0]
        parts = {step.role: modules[match.target(step.role) or ""] for step in match.pattern.steps}
        new[fusion.name] = fuse_chain(match.pattern, parts, folds)
    set_graph(model, _rewritten(model.graph, fusions))
    called = count_calls(GraphView(model.graph, modules)) + reserved
    for name in {part.name for fusion in fusions for part in model._fused_parts[fusion.name]} - new.keys():
        if not called[name]:
            new[name] = TABLES.identity()
    set_modules(model, new)
    return True


def _parts(model: GraphModuleWithAttr, modules: dict[str, nn.Module], match: Match) -> Iterable[FusedPart]:
    for step in match.pattern.steps:
        name = match.target(step.role)
        assert name is not None
        yield from model._fused_parts.get(name, (FusedPart(name, type(modules[name])),))


def _rewritten(graph: fx.Graph, fusions: tuple[Fusion, ...]) -> fx.Graph:
    """The graph with each chain as one call at the place of its last node."""
    calls = {match.nodes[-1]: (fusion.name, match) for fusion in fusions for match in fusion.matches}
    inner = {node for _, match in calls.values() for node in (*match.nodes, *_owners(match))} - calls.keys()
    made = fx.Graph(tracer_cls=graph._tracer_cls)
    env: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in inner:
            continue
        if node in calls:
            name, match = calls[node]
            env[node] = made.create_node("call_module", name, map_arg(match.inputs, env.__getitem__))
            env[node].meta.update(node.meta)
        else:
            env[node] = made.node_copy(node, env.__getitem__)
    return made


def _owners(match: Match) -> tuple[fx.Node, ...]:
    """The get_attr node of the module whose method the add calls."""
    add = match.node("add")
    return () if add is None else tuple(a for a in add.args[:1] if isinstance(a, fx.Node))
