# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/flat_run.py
"""A converted model as a list of calls on plain integers: what its graph computes, without a module and a QTensor a layer.

In: the graph, and what conversion knows of the scale of each of its values. Out: `FlatRun`. A layer with a weight is one call
of its `Way` there; everything else is called as the graph calls it, and gets its integers as QTensors. A model runs like
this where nothing can tell the difference: not while hooks, recorders or modes look on, nor by definition, nor elsewhere than
on the CPU. Modules that were exchanged and buffers that were written to are noticed at each run, and the list is made anew.
"""

import operator
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.nn.modules.module import _has_any_global_hook

from .bind import bind_scales
from .exact import may_choose, proved_region
from .graph_module import QuantizedGraphModule, original_class
from .module_tree import all_modules
from .one_pass import is_plain
from .qtensor import QTensor
from .quantized_module import QuantizedModule, Scaled

NOT_RUN = object()
"""Instead of a result: the modules are to be called."""
_ATTRIBUTE = "_flat_run"
_Known = Mapping[fx.Node, Any]


class _OtherScaleError(Exception):
    """A value has not the scale that the graph shows."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One call, of the values at `inputs`; the result goes to `out`, and the values at `dead` are not read any more.

    Attributes:
        is_way: whether it is exact arithmetic on integers alone.
    """

    call: Callable[..., Any]
    inputs: tuple[int, ...]
    out: int
    dead: tuple[int, ...]
    is_way: bool


@dataclass(frozen=True, slots=True)
class _Called:
    """What a node calls, as the graph calls it.

    Attributes:
        node: the node.
        target: what is called with its arguments.
        inputs: of each input node the scale, where it arrives as plain integers.
        output: the scale of the result, where it is to leave as plain integers.
    """

    node: fx.Node
    target: Callable[..., Any]
    inputs: tuple[Scaled | None, ...]
    output: Scaled | None

    def __call__(self, *values: Any) -> Any:
        """The result."""
        wrapped = (x if s is None else QTensor(x, s.scale, s.dtype) for x, s in zip(values, self.inputs, strict=True))
        known = dict(zip(self.node.all_input_nodes, wrapped, strict=True))
        args, kwargs = map_arg((self.node.args, self.node.kwargs), known.__getitem__)
        result = self.target(*args, **kwargs)
        return result if self.output is None else _integers(result, self.output)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a run relies on: entries of dictionaries, and tensors at their versions."""

    entries: tuple[tuple[Mapping[str, Any], str, Any], ...]
    tensors: tuple[Tensor, ...]
    versions: list[int]

    @classmethod
    def of(cls, module: nn.Module) -> "_Found":
        """The children of a module, and the buffers of one that computes on integers."""
        buffers = module._buffers if isinstance(module, QuantizedModule) else {}
        entries = tuple((place, *item) for place in (module._modules, buffers) for item in place.items())
        tensors = tuple(x for x in buffers.values() if x is not None)
        return cls(entries, tensors, [x._version for x in tensors])

    def holds(self) -> bool:
        """Whether all is as it was."""
        for place, name, value in self.entries:
            if place.get(name) is not value:
                return False
        return [x._version for x in self.tensors] == self.versions


@dataclass(frozen=True, slots=True)
class FlatRun:
    """The calls of a model's graph.

    Attributes:
        graph: it.
        inputs: its placeholders, whose values come first.
        steps: the calls in order; the last one's result is the model's.
        ways: the layers that are called without their modules.
        found: what the modules had when this was made, and whose that was, if it computes on integers.

    A model that keeps its run is in no cycle with it, so that its memory is free when it is dropped.
    """

    graph: fx.Graph
    inputs: tuple[fx.Node, ...]
    steps: tuple[_Step, ...]
    ways: tuple[nn.Module, ...]
    found: tuple[tuple[QuantizedModule | None, _Found], ...]

    @classmethod
    def of(cls, model: QuantizedGraphModule) -> "FlatRun":
        """Derive the integers of all modules for the scales that the graph shows, and list the calls."""
        known = bind_scales(model)
        nodes = sorted(model.graph.nodes, key=lambda node: node.op != "placeholder")
        ways = {node: way for node in nodes if (way := _way(model, node, known)) is not None}
        near = {node: known[node] for way in ways for node in (way, *way.all_input_nodes)}
        flat = {node: scaled for node, scaled in near.items() if isinstance(scaled, Scaled)}
        inputs = tuple(node for node in nodes if node.op == "placeholder")
        layers = tuple(model.get_submodule(str(node.target)) for node in ways)
        modules, weak = all_modules(model), weakref.proxy(model)
        found = tuple((x if isinstance(x, QuantizedModule) else None, _Found.of(x)) for x in modules)
        return cls(model.graph, inputs, tuple(_steps(weak, nodes, ways, flat)), layers, found)

    def __reduce__(self) -> tuple[Any, ...]:
        """Nothing: a copy of a model makes its own."""
        return type(None), ()

    def renewed(self, model: QuantizedGraphModule) -> "FlatRun":
        """Itself, or where something was exchanged or written to, another; modules with such buffers forget what followed."""
        changed = [module for module, found in self.found if not found.holds()]
        for module in changed:
            if module is not None:
                module._forget()
        return FlatRun.of(model) if changed or model.graph is not self.graph else self

    def is_watched(self) -> bool:
        """Whether something waits for the call of a layer that would not come."""
        return any(
            module._forward_hooks
            or module._forward_pre_hooks
            or module._backward_hooks
            or module._backward_pre_hooks
            or "forward" in module.__dict__
            for module in self.ways
        )

    def __call__(self, *values: Any) -> Any:
        """Run.

        Raises:
            _OtherScaleError: an input brings a scale of its own.
        """
        memory = [*values, *[None] * len(self.steps)]
        with ExitStack() as region:
            proved = False
            for step in self.steps:
                if step.is_way is not proved:
                    proved = step.is_way
                    region.enter_context(proved_region("cpu")) if proved else region.close()
                memory[step.out] = step.call(*[memory[i] for i in step.inputs])
                for i in step.dead:
                    memory[i] = None
        return memory[-1]


def attach(model: QuantizedGraphModule) -> None:
    """List the calls of a model that was just converted."""
    model.__dict__[_ATTRIBUTE] = FlatRun.of(model)


def flat_layers(model: nn.Module) -> tuple[nn.Module, ...]:
    """The layers of a model that are called without their modules; a copy lists its calls first."""
    if isinstance(model, QuantizedGraphModule) and vars(model).get(_ATTRIBUTE) is None:
        attach(model)
    run = vars(model).get(_ATTRIBUTE)
    return () if run is None else run.ways


def attempt(model: QuantizedGraphModule, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of a model, or NOT_RUN."""
    if kwargs or not args or not all(isinstance(x, Tensor) and is_plain(x) and may_choose(x) for x in args):
        return NOT_RUN
    run = vars(model).get(_ATTRIBUTE)
    run = FlatRun.of(model) if run is None else run.renewed(model)
    model.__dict__[_ATTRIBUTE] = run
    if not run.ways or len(args) != len(run.inputs) or run.is_watched() or _is_watched(model):
        return NOT_RUN
    try:
        return run(*args)
    except _OtherScaleError:
        return NOT_RUN


def _is_watched(model: nn.Module) -> bool:
    modes = torch._C._len_torch_function_stack() or torch._C._len_torch_dispatch_stack()
    hooks = model._forward_hooks or model._forward_pre_hooks or model._backward_hooks or model._backward_pre_hooks
    own_call = original_class(model).__call__ is not nn.Module.__call__
    return bool(modes or hooks or own_call or _has_any_global_hook())  # type: ignore[no-untyped-call]


def _way(model: nn.Module, node: fx.Node, known: _Known) -> Callable[..., Tensor] | None:
    """A node as a function of plain integers; None where it is called as it is."""
    module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
    inputs = [scaled for x in node.args if isinstance(x, fx.Node) and isinstance(scaled := known[x], Scaled)]
    if not isinstance(module, QuantizedModule) or node.kwargs or not inputs or len(inputs) < len(node.args):
        return None
    return module.direct(*inputs)


def _steps(
    model: Any,
    nodes: list[fx.Node],
    ways: Mapping[fx.Node, Callable[..., Tensor]],
    flat: Mapping[fx.Node, Scaled],
) -> Iterator[_Step]:
    places = {node: place for place, node in enumerate(nodes)}
    last = {read: node for node in nodes for read in node.all_input_nodes}
    for node in nodes:
        if node.op == "placeholder":
            continue
        read: Any = node.args if node in ways else node.all_input_nodes  # a way may read one value twice
        call = ways.get(node) or _called(model, node, flat)
        dead = tuple(places[x] for x in node.all_input_nodes if last[x] is node)
        yield _Step(call, tuple(places[x] for x in read), places[node], dead, node in ways)


def _called(model: Any, node: fx.Node, flat: Mapping[fx.Node, Scaled]) -> _Called:
    name = str(node.target)
    targets: dict[str, Any] = {
        "get_attr": partial(operator.attrgetter(name), model),
        "call_module": partial(_call_module, model, name),
        "call_method": partial(_call_method, name),
        "call_function": node.target,
        "output": _same,
    }
    target = targets[node.op]
    return _Called(node, target, tuple(flat.get(x) for x in node.all_input_nodes), flat.get(node))


def _call_module(model: nn.Module, name: str, *args: Any, **kwargs: Any) -> Any:
    return model.get_submodule(name)(*args, **kwargs)


def _call_method(name: str, owner: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(owner, name)(*args, **kwargs)


def _same(x: Any) -> Any:
    return x


def _integers(x: Any, scaled: Scaled) -> Tensor:
    """The integers of a QTensor of the scale that is expected."""
    if not isinstance(x, QTensor) or x.scale is not scaled.scale or x.qtype != scaled.dtype or x.per_channel_axis >= 0:
        raise _OtherScaleError
    return x.int_repr()
