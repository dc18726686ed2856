# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/layer_calls.py
"""One run of a prepared or converted model, written down operator by operator.

In: a model and example inputs. Out: a `LayerCall` for each call of an operator of the support table: which one, where,
with which arguments and tensors. The model is copied before it runs, so neither its observers nor its hooks change.
"""

import copy
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, get_testing_overrides

from .._tables import TABLES
from .functional_module import FunctionalModule
from .locate import calling_place
from .qtensor import QTensor

_FUNCTIONS = {func: rule.op for rule in TABLES.tensor_rules if rule.op for func in rule.functions}


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One call of an operator.

    Attributes:
        name: qualified name of the module, with (1), (2) ... for later calls; for a function, its own and its caller's.
        op: id of the operator.
        module: what was called, or whose method; None for a function.
        arguments: arguments of the call by name.
        inputs: the tensors among the arguments, in order, those in lists too.
        outputs: the tensors of the result.
    """

    name: str
    op: str
    module: nn.Module | None
    arguments: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that a run called, in order, and the tensors that something other than a stub at the end reads."""

    calls: tuple[LayerCall, ...]
    read: tuple[Tensor, ...]

    def reads(self, tensor: Tensor) -> bool:
        """Whether this very tensor is used inside the model."""
        return any(tensor is other for other in self.read)


def record_run(model: nn.Module, inputs: Sequence[Any]) -> Run:
    """Run a copy of `model` once in evaluation mode."""
    twin = copy.deepcopy(model).eval()
    recorder = _Recorder()
    for name, module in twin.named_modules():
        if isinstance(module, FunctionalModule):
            recorder.watch_methods(name, module)
        elif getattr(module, "_OP", ""):
            recorder.watch(name, module)
    with torch.no_grad(), _Functions(recorder):
        twin(*inputs)
    return Run(tuple(recorder.calls), tuple(recorder.read))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in a value, those in lists, tuples and dicts too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)


@dataclass(slots=True)
class _Recorder:
    calls: list[LayerCall] = field(default_factory=list)
    read: list[Tensor] = field(default_factory=list)
    depth: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def watch(self, name: str, module: nn.Module) -> None:
        """Note each call of a module."""

        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            self.depth += 1

        def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
            self.depth -= 1
            bound = _bound(inspect.signature(module.forward), args, kwargs)
            self.note(name, str(module._OP), module, bound, result)

        module.register_forward_pre_hook(before, with_kwargs=True)
        module.register_forward_hook(after, with_kwargs=True)

    def watch_methods(self, name: str, module: nn.Module) -> None:
        """Note each call of a method of a module that is used by its methods."""
        for method, op in TABLES.functional_methods.items():
            if (original := getattr(module, method, None)) is not None:
                module.__dict__[method] = self.noting(name, op, module, original)

    def noting(self, name: str, op: str, module: nn.Module, original: Callable[..., Any]) -> Callable[..., Any]:
        """`original`, noted."""
        signature = inspect.signature(original)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.depth += 1
            before = self.seen[name]
            result = original(*args, **kwargs)
            self.depth -= 1
            if self.seen[name] == before:  # else it has called the method that computes, which was noted
                self.note(name, op, module, _bound(signature, args, kwargs), result)
            return result

        return call

    def note(self, name: str, op: str, module: nn.Module | None, arguments: Mapping[str, Any], result: Any) -> None:
        """Add a call."""
        number = self.seen[name]
        self.seen[name] += 1
        inputs, outputs = tuple(tensors_in(arguments)), tuple(tensors_in(result))
        self.calls.append(LayerCall(f"{name}({number})" if number else name, op, module, arguments, inputs, outputs))
        if any(isinstance(x, QTensor) for x in outputs) or not any(isinstance(x, QTensor) for x in inputs):
            self.read.extend(inputs)  # a dequantizing call is where a tensor leaves the model


class _Functions(TorchFunctionMode):
    """Notes calls of functions that are operators of their own, outside of the modules that are noted."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if self.recorder.depth == 0:
            inputs = tuple(tensors_in((args, kwargs)))
            op = _FUNCTIONS.get(func)
            if op is not None and any(isinstance(x, QTensor) for x in inputs):
                self.recorder.note(_place(func), op, None, _named(func, args, kwargs), result)
            elif any(True for _ in tensors_in(result)):
                self.recorder.read.extend(inputs)
        return result


def _place(func: Any) -> str:
    place = calling_place()
    return f"{torch.overrides.resolve_name(func) or func.__name__}{f' in {place.path}' if place else ''}"


def _named(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments by name, as torch documents the function; torch's own functions have no signature."""
    described = get_testing_overrides().get(func)
    return _bound(inspect.signature(described), args, kwargs) if described else _numbered(args, kwargs)


def _bound(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:  # a call by another of the function's overloads
        return _numbered(args, kwargs)
    bound.apply_defaults()
    return bound.arguments


def _numbered(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**{str(i): value for i, value in enumerate(args)}, **kwargs}
