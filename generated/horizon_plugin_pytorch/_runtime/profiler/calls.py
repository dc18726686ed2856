# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/calls.py
"""A run of a model, layer by layer.

In: a model that tools may work in (see `layers.settled`) and its arguments. Out: a `LayerCall` for each call of a layer, in
order, given to a function while the model runs, so that nobody has to hold the features of two models.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..._tables import TABLES
from ..layer_calls import tensors_in
from .layers import is_used_by_methods, layers_of, with_tensors


@dataclass(frozen=True, slots=True, eq=False)
class LayerCall:
    """One call of a layer.

    Attributes:
        name: qualified name of the module.
        method: the method that was called; "" for the module itself.
        number: how often it was called before.
        module: the layer.
        arguments: (positional, keyword) arguments, copied before the call: some layers overwrite theirs.
        result: what came out, copied.
        rerun: calls the layer again with other tensors in the place of those among the arguments.
        raw_inputs, raw_outputs: the very tensors, to follow the flow by identity; they may be overwritten later.
    """

    name: str
    method: str
    number: int
    module: nn.Module
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    result: Any
    rerun: Callable[[Sequence[Tensor]], Any]
    raw_inputs: tuple[Tensor, ...]
    raw_outputs: tuple[Tensor, ...]

    @property
    def key(self) -> tuple[str, str, int]:
        """What the same call has in another stage of the model."""
        return self.name, self.method, self.number

    @property
    def title(self) -> str:
        """Name, method and number, as tables show them."""
        method = f"[{self.method}]" if self.method else ""
        return f"{self.name}{method}{f'({self.number})' if self.number else ''}"

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors among the arguments."""
        return tuple(tensors_in(self.arguments))

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The tensors of the result."""
        return tuple(tensors_in(self.result))


def run_layers(model: nn.Module, inputs: Sequence[Any], on_call: Callable[[LayerCall], object]) -> Any:
    """Run a model once and tell `on_call` of each call of a layer; returns the model's output."""
    watcher = _Watcher(on_call)
    removes: list[Callable[[], object]] = []
    for name, module in layers_of(model):
        watch = watcher.watch_methods if is_used_by_methods(module) else watcher.watch
        removes.extend(watch(name, module))
    try:
        with torch.no_grad():
            return model(*(_copied(value) for value in inputs))
    finally:
        for remove in removes:
            remove()


@dataclass(slots=True)
class _Watcher:
    on_call: Callable[[LayerCall], object]
    silent: bool = False
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    pending: list[tuple[Any, tuple[Tensor, ...]]] = field(default_factory=list)

    def watch(self, name: str, module: nn.Module) -> Iterator[Callable[[], object]]:
        """Tell of the calls of a module; gives what ends that."""

        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            if not self.silent:
                self.pending.append((_copied((args, kwargs)), tuple(tensors_in((args, kwargs)))))

        def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
            if not self.silent:
                arguments, raw = self.pending.pop()
                self.tell(name, "", module, module, arguments, raw, result)

        yield module.register_forward_pre_hook(before, with_kwargs=True).remove
        yield module.register_forward_hook(after, with_kwargs=True).remove

    def watch_methods(self, name: str, module: nn.Module) -> Iterator[Callable[[], object]]:
        """Tell of the calls of a module's methods; gives what ends that."""
        for method in TABLES.functional_methods:
            if inspect.ismethod(original := getattr(module, method, None)):
                module.__dict__[method] = self.telling(name, method, module, original)
                yield lambda method=method: module.__dict__.pop(method)  # type: ignore[misc]

    def telling(self, name: str, method: str, module: nn.Module, original: Callable[..., Any]) -> Callable[..., Any]:
        """`original`, told of."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.silent:
                return original(*args, **kwargs)
            arguments, raw = _copied((args, kwargs)), tuple(tensors_in((args, kwargs)))
            result = original(*args, **kwargs)
            self.tell(name, method, module, original, arguments, raw, result)
            return result

        return call

    def tell(
        self,
        name: str,
        method: str,
        module: nn.Module,
        function: Callable[..., Any],
        arguments: Any,
        raw: tuple[Tensor, ...],
        result: Any,
    ) -> None:
        """Make the call known, with nothing else being told meanwhile."""

        def rerun(tensors: Sequence[Tensor]) -> Any:
            args, kwargs = with_tensors(arguments, iter(tensors))
            return function(*args, **kwargs)

        number = self.seen[name, method]
        self.seen[name, method] += 1
        outputs = tuple(tensors_in(result))
        self.silent = True
        self.on_call(LayerCall(name, method, number, module, arguments, _copied(result), rerun, raw, outputs))
        self.silent = False


def _copied(value: Any) -> Any:
    tensors = tuple(tensors_in(value))
    return with_tensors(value, iter([x.detach().clone() for x in tensors]))
