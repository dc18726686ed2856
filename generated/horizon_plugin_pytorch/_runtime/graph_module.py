# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/graph_module.py
"""Graph modules that stay what the user's model was: its class, attributes, methods; only forward is the graph's.

In: a model (a copy that we own) and its graph. Out: the same object, now of a class that derives from one of the three
kinds below and from the model's own class. So `isinstance`, methods, `super()`, buffers, hooks and references to the
model from its own parts all hold, which a graph module made of the graph's targets alone would lose.
"""

import copy
import functools
import types
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import fx, nn

from .checkpoints import load_state
from .graph_print import printable
from .graph_record import GraphRecord, graph_of, record_of
from .identity import introduce
from .module_tree import clone_state, redirect

G = TypeVar("G", bound="GraphModuleWithAttr")

SELF = "_self"
"""The target of a get_attr node for the root module itself."""


@dataclass(frozen=True, slots=True)
class FusedPart:
    """One part of a fused module: the qualified name and the class it had."""

    name: str
    type: type[nn.Module]


class GraphModuleWithAttr(fx.GraphModule):
    """The float model as a graph: what `fuse_fx` returns.

    Attributes:
        _generated_scopes: qualified name of a generated module -> that of the module whose forward held the call.
        _fused_parts: qualified name of a fused module -> its parts, in data-flow order.
    """

    _kind: ClassVar[type["GraphModuleWithAttr"]]
    _original: ClassVar[type[nn.Module]]
    _generated_scopes: dict[str, str]
    _fused_parts: dict[str, tuple[FusedPart, ...]]

    def __init__(self, root: nn.Module, graph: fx.Graph) -> None:
        raise TypeError(f"{type(self).__name__} is made by fuse_fx, prepare_qat_fx and convert_fx, not constructed")

    def recompile(self) -> Any:
        """As of every graph module: the graph was edited."""
        self.__dict__["_identity"] = introduce(self)
        _own(self, self.graph)
        return super().recompile()

    @property
    def _self(self) -> Self:
        """The module itself, so that a graph can call a method of it."""
        return self

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As of every module, but a state that does not fit, or is of another march, changes nothing."""
        return load_state(self, state_dict, strict=strict, assign=assign)

    def __deepcopy__(self, memo: dict[int, Any]) -> "GraphModuleWithAttr":
        twin = _blank(self._kind, self._original, type(self).__name__)
        memo[id(self)] = twin
        twin.__dict__.update({key: copy.deepcopy(value, memo) for key, value in vars(self).items() if key != "_graph"})
        twin.graph = printable(copy.deepcopy(self.graph))
        return twin

    def __copy__(self) -> "GraphModuleWithAttr":
        twin = _blank(self._kind, self._original, type(self).__name__)
        twin.__dict__.update(
            {key: copy.copy(value) if isinstance(value, dict) else value for key, value in vars(self).items()}
        )
        twin.graph = printable(copy.deepcopy(self.graph))
        return twin

    def structural_clone(self, shared: Iterable[nn.Module] = ()) -> "GraphModuleWithAttr":
        """New module objects all the way down, the same tensors, a graph of its own, not yet compiled.

        Args:
            shared: modules that the clone holds themselves, for others take their place there.
        """
        twin = _blank(self._kind, self._original, type(self).__name__)
        memo: dict[int, nn.Module] = {id(self): twin, **{id(module): module for module in shared}}
        twin.__dict__.update(clone_state(self, memo))
        redirect(memo.values(), memo)
        set_graph(twin, copy.deepcopy(self.graph))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        state = {key: value for key, value in vars(self).items() if key not in {"_graph", "_code"}}
        state["_record"] = record_of(self.graph)
        return _blank, (self._kind, self._original, type(self).__name__), state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        record: GraphRecord = state["_record"]
        self.__dict__.update({key: value for key, value in state.items() if key != "_record"})
        self.graph = printable(graph_of(record))


class ObservedGraphModule(GraphModuleWithAttr):
    """A model for calibration or QAT: what `prepare_qat_fx` returns.

    Attributes:
        qconfig_report: which rule gave which module its qconfig (`QConfigReport`); print it.
    """

    qconfig_report: Any

    def recompile(self) -> Any:
        """As of every graph module, but errors pass as they are: `torch.compile` cannot look into torch.fx's way to print them."""
        code = super().recompile()
        del type(self).__call__
        return code

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """As of every module; `torch.compile` sees its layers and fake quantizers as plain operators."""
        if torch.compiler.is_dynamo_compiling():
            from .qat_in_graph import call  # it imports the compiler

            return call(self, args, kwargs)
        module: Any = super()
        return module._call_impl(*args, **kwargs)


class QuantizedGraphModule(GraphModuleWithAttr):
    """A model that computes on integers: what `convert_fx` returns."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As `forward`: by calling the modules, or what they would compute where nothing can tell the difference."""
        if torch.compiler.is_dynamo_compiling():
            return self._call_impl(*args, **kwargs)
        from .flat_run import NOT_RUN, attempt  # it imports modules that import this one

        result = attempt(self, args, kwargs) if self._compiled_call_impl is None else NOT_RUN
        return super().__call__(*args, **kwargs) if result is NOT_RUN else result

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """The call of a graph module as `torch.compile` sees it, also of one within a model."""
        if torch.compiler.is_dynamo_compiling():
            from .in_graph import call  # it imports the compiler

            return call(self, args, kwargs)
        module: Any = super()
        return module._call_impl(*args, **kwargs)

    def recompile(self) -> Any:
        """As of every graph module: the graph was edited."""
        self.__dict__.pop("_flat_run", None)
        return super().recompile()

    def kernel_plan(self) -> Any:
        """How each layer computes and why that is exact (`KernelPlan`); print it."""
        from .kernel_plan import plan_of  # modules of layers import this one

        return plan_of(self)


def become(model: nn.Module, kind: type[G], graph: fx.Graph) -> G:
    """Turn `model` itself into a graph module of `kind` that runs `graph` once it is compiled: call `recompile()` last.

    Raises:
        ValueError: the model uses a name for itself that a graph module needs.
    """
    original = original_class(model)
    _check_names(model, original)
    model.__class__ = _make_class(kind, original, type(model).__name__)
    assert isinstance(model, kind)
    for key, value in _own_attributes().items():
        if key not in vars(model):
            model.__dict__[key] = copy.copy(value)
    model.__dict__.setdefault("_generated_scopes", {})
    model.__dict__.setdefault("_fused_parts", {})
    set_graph(model, graph)
    return model


def set_graph(model: fx.GraphModule, graph: fx.Graph) -> None:
    """Give a graph module another graph without compiling it, which takes as long as tracing."""
    _own(model, graph)
    model.__dict__["_graph"] = printable(graph)


def _own(model: fx.GraphModule, graph: fx.Graph) -> None:
    """As torch.fx does, but weakly: a model that is dropped frees its memory at once, without waiting for the collector."""
    proxy: Any = weakref.proxy(model, lambda _: setattr(graph, "owning_module", None))
    graph.owning_module = proxy


@functools.cache
def _own_attributes() -> Mapping[str, Any]:
    """What torch keeps in a graph module of this version, but its graph."""
    return {key: value for key, value in vars(fx.GraphModule(nn.Module(), fx.Graph())).items() if key != "_graph"}


def original_class(model: nn.Module) -> type[nn.Module]:
    """The user's class behind `model`; nn.Module for a graph module that has none."""
    if isinstance(model, GraphModuleWithAttr):
        return model._original
    return nn.Module if isinstance(model, fx.GraphModule) else type(model)


def _make_class(kind: type[G], original: type[nn.Module], name: str) -> type[G]:
    """A class for one object: recompiling a graph installs forward on the class."""
    bases = (kind,) if issubclass(kind, original) else (kind, original)
    body = {"_kind": kind, "_original": original, "__module__": original.__module__, "__doc__": original.__doc__}
    made = types.new_class(name, bases, exec_body=lambda namespace: namespace.update(body))
    assert issubclass(made, kind)
    return made


def _blank(kind: type[G], original: type[nn.Module], name: str) -> G:
    return object.__new__(_make_class(kind, original, name))


def _check_names(model: nn.Module, original: type[nn.Module]) -> None:
    """A user's attribute named as one of the graph module's own would be hidden by it, or hide it."""
    if isinstance(model, fx.GraphModule):
        return
    needed = {name for name in vars(fx.GraphModule) if not name.startswith("_")} | {SELF}
    own = {*vars(model), *model._modules, *model._parameters, *model._buffers}
    own.update(name for cls in original.__mro__ if not issubclass(nn.Module, cls) for name in vars(cls))
    if taken := sorted(needed & own):
        raise ValueError(
            f"{original.__name__} has attributes that a torch.fx graph module needs for itself: {', '.join(taken)}; "
            f"rename them"
        )
