# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/qat_in_graph.py
"""A prepared model within the graph of `torch.compile`: calibration, QAT and validation without a graph break.

In: a call of a prepared model that the compiler traces. Out: one node of its graph, which the backend takes apart into the plain
operators of the layers and of their fake quantizers, so that it can fuse them and derive the backward pass. Parameters, scales and
ranges are inputs of the graph. Observing is one operator there, `observe`, which writes to ranges and scales: it runs as it does
outside of graphs, for any observer, and raises the same error, with the layer's name, where a value is NaN or Inf.

The graph holds for the states that the model was in (switches, modes, settings of observers), and another is made for others. A
model that cannot be shown to the compiler runs as it is, behind a graph break, and a warning says why: one with hooks, one that is
to observe its very first batch (which shapes the buffers), one whose values are those of integers (exact QAT).
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.ao.quantization import FakeQuantizeBase
from torch.utils import _pytree as pytree

from .fake_quant_switches import SWITCHES
from .fake_quantize import FakeQuantize
from .identity import model_of
from .in_graph import Exchange, as_it_is, as_node, called, is_real
from .qat_module import QATModule
from .qtensor import QTensor
from .recording import capturing
from .shared_calls import CallRanges

_INPUTS = (Tensor, int, float, bool, str)
_OUTPUTS = (*_INPUTS, type(None))


def call(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the compiler traces instead of `model(*args, **kwargs)`."""
    if not all(isinstance(x, _INPUTS) and not isinstance(x, QTensor) for x in pytree.tree_leaves((args, kwargs))):
        return as_it_is(model, args, kwargs)
    states = [_state_of(module) for module in model.modules()]
    name, tensors = model._identity, own_tensors(model)
    if _is_refused(name, states, tensors, args, kwargs).numel():
        return as_it_is(model, args, kwargs)
    return _recorded(name, states, tensors, args, kwargs)


def own_tensors(model: nn.Module) -> list[Tensor]:
    """Parameters and buffers, but for switches, which say what the graph is."""
    named = [x for name, x in model.named_buffers() if name.rpartition(".")[2] not in SWITCHES]
    return [*model.parameters(), *named]


def _state_of(module: nn.Module) -> tuple[Any, ...]:
    """What a graph is made for."""
    state: tuple[Any, ...] = module.training, bool(module._forward_hooks), bool(module._forward_pre_hooks)
    if isinstance(module, FakeQuantize):
        observer: Any = module.activation_post_process
        grid = observer.quant_min, observer.quant_max, observer.averaging_constant
        return (*state, module.switches, module.frozen, str(module.rounded_as), *grid)
    if isinstance(module, QATModule):
        return (*state, module.quantizes, str(module.exact))
    return state


@as_node  # type: ignore[untyped-decorator]
def _is_refused(
    name: str, states: list[Any], tensors: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Tensor:
    """One element if the model cannot be shown to the compiler, else none: the one thing that its tracer looks at in a node."""
    model = model_of(name)
    if not all(isinstance(x, FakeTensor) for x in tensors):  # the backend; the tracer has asked already
        return torch.empty(0)
    with capturing():
        reason = _refusal(model)
    reason = reason or _failure(name, tensors, args, kwargs)
    if not reason:
        return torch.empty(0)
    text = f"torch.compile runs a prepared model as it is, behind a graph break: {reason}"
    warnings.warn(text, UserWarning, stacklevel=2)
    return torch.empty(1)


def _refusal(model: nn.Module) -> str:
    for name, module in model.named_modules():
        hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
        if not all(isinstance(hook, CallRanges) for hook in hooks):
            return f"{name or 'the model'} has hooks"
        if isinstance(module, FakeQuantizeBase) and not isinstance(module, FakeQuantize):
            return f"{name} is a {type(module).__name__}, which is no fake quantizer of this package"
        if isinstance(module, FakeQuantize) and module.in_place:
            return f"{name} quantizes in place"
        if isinstance(module, FakeQuantize) and module._observes() and not module.activation_post_process.has_data:
            return f"{name} has observed nothing yet; run one batch before the model is compiled"
    return ""


def _failure(name: str, tensors: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Why a run on stand-ins fails; the tensors it writes to are copies."""
    try:
        with torch.no_grad():
            result = _run(name, [x.detach().clone() for x in tensors], args, kwargs)
    except Exception as error:  # noqa: BLE001 - whatever a model asks of its tensors
        return (str(error).splitlines() or [type(error).__name__])[0]
    strange = [x for x in pytree.tree_leaves(result) if not isinstance(x, _OUTPUTS) or isinstance(x, QTensor)]
    return f"a {type(strange[0]).__name__} is among its results" if strange else ""


@as_node  # type: ignore[untyped-decorator]
def _recorded(
    name: str, states: list[Any], tensors: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if is_real((tensors, args, kwargs)):
        return as_it_is(model_of(name), args, kwargs)
    return _run(name, tensors, args, kwargs)


def _run(name: str, tensors: Sequence[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """On stand-ins, with other tensors in the place of the model's own."""
    model = model_of(name)
    paths = {module: path for path, module in model.named_modules()}

    def observe(fake_quant: nn.Module, x: Tensor) -> None:
        _observe(name, paths[fake_quant], x.detach(), [held.detach() for held in own_tensors(fake_quant)])

    with _holding(model, tensors), capturing(observe), Exchange({}):
        return called(model, *args, **kwargs)


@contextmanager
def _holding(model: nn.Module, tensors: Sequence[Tensor]) -> Iterator[None]:
    """A model with other tensors in the place of its own."""
    given = dict(zip(map(id, own_tensors(model)), tensors, strict=True))
    places: list[Any] = [held for module in model.modules() for held in (module._parameters, module._buffers)]
    before = [(held, key, x) for held in places for key, x in held.items() if id(x) in given]
    for held, key, x in before:
        held[key] = given[id(x)]
    try:
        yield
    finally:
        for held, key, x in before:
            held[key] = x


@torch.library.custom_op("horizon_plugin_pytorch::observe", mutates_args={"held"})
def _observe(model: str, quantizer: str, x: Tensor, held: list[Tensor]) -> None:
    """Let a fake quantizer of a model observe a tensor, with `held` in the place of its own tensors."""
    fake_quant: Any = model_of(model).get_submodule(quantizer)
    with torch.no_grad(), _holding(fake_quant, held):
        fake_quant.observe(x, place=f"{quantizer} ({type(fake_quant).__name__})")


@_observe.register_fake
def _(model: str, quantizer: str, x: Tensor, held: list[Tensor]) -> None:
    return None
