# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/in_graph.py
"""A converted model within the graph of `torch.compile`.

In: a call of a converted model that the compiler traces. Out: one node of its graph. The compiler's own recorder does not look
into the model, whose integers and scales are Python objects to it; the backend does, and gets the plain operators that every
other recorder gets (`recording`), so that it can fuse them. The model's tensors are inputs of the graph; a first run on
stand-ins finds them. A model whose modules were loaded, moved or exchanged since is traced anew; a tensor that was written to
or exchanged is not noticed, as in an exported model. A model of compiled loops (`fast_mode`) is one operator, which runs them.

Importing this imports the compiler, so it is imported only while a call is traced.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch._dynamo
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from .exact import by_definition, is_plain_arithmetic
from .flat_run import NOT_RUN, attempt
from .graph_module import QuantizedGraphModule
from .host import tensors_in
from .identity import model_of
from .int8_products import int8_products
from .qtensor import QTensor
from .quantized_module import QuantizedModule
from .recording import capturing

_break: Any = torch.compiler.disable
as_node: Any = getattr(torch._dynamo, "nonstrict_trace", _break)  # torch 2.6 has no such nodes
called: Any = nn.Module._call_impl
_Mode: Any = TorchDispatchMode
_REAL = (Tensor, nn.Parameter)
_CONSTANTS = "_constants"
_INPUTS, _OUTPUTS = "_input_tree", "_output_tree"


@dataclass(frozen=True, slots=True)
class _Integers:
    """A QTensor taken apart: only tensors and words leave a node."""

    data: Tensor
    scale: Tensor
    dtype: str
    axis: int

    def whole(self) -> QTensor:
        """The QTensor."""
        return QTensor(self.data, self.scale, self.dtype, self.axis)


pytree.register_pytree_node(
    _Integers,
    lambda x: ([x.data, x.scale], (x.dtype, x.axis)),
    lambda tensors, words: _Integers(*tensors, *words),
    serialized_type_name="horizon_plugin_pytorch.Integers",
)


@dataclass(frozen=True, slots=True)
class _Constants:
    """The tensors of a model, found when its modules were at these generations."""

    generations: tuple[int, ...]
    tensors: list[Tensor]

    def __reduce__(self) -> tuple[Any, ...]:
        """Nothing: a copy of a model has others."""
        return type(None), ()


def call(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the compiler traces instead of `model(*args, **kwargs)`.

    Where a QTensor comes in, or something watches the layers, the graph breaks and the model runs as it is.
    """
    modules = list(model.modules())
    leaves = pytree.tree_leaves((args, kwargs))
    watched = any(m._forward_hooks or m._forward_pre_hooks for m in modules)
    if watched or any(isinstance(x, QTensor) for x in leaves):
        return as_it_is(model, args, kwargs)
    layers = [m for m in modules if isinstance(m, QuantizedModule)]
    name, generations = model._identity, [m._generation for m in layers]
    if any(m.compiles for m in layers) and all(isinstance(x, Tensor) and x.is_cpu for x in leaves):
        result = _as_operator(name, generations, args, kwargs)
    else:
        _find_constants(name, generations, args, kwargs)
        result = _recorded(name, generations, model._constants.tensors, args, kwargs)
    return pytree.tree_map(_whole, result, is_leaf=_is_apart)


@_break  # type: ignore[untyped-decorator]
def as_it_is(model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of a model, or a module, outside of the graph."""
    result = attempt(model, args, kwargs) if isinstance(model, QuantizedGraphModule) else NOT_RUN
    return called(model, *args, **kwargs) if result is NOT_RUN else result


@_break  # type: ignore[untyped-decorator]
def apart(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A call outside of the graph."""
    return function(*args, **kwargs)


@as_node  # type: ignore[untyped-decorator]
def _as_operator(name: str, generations: list[int], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    leaves, vars(model_of(name))[_INPUTS] = pytree.tree_flatten((args, kwargs))
    tensors = _whole_model(name, leaves)
    fixed, spec = vars(model_of(name))[_OUTPUTS]
    return pytree.tree_unflatten(_filled(fixed, tensors), spec)


@torch.library.custom_op("horizon_plugin_pytorch::whole_model", mutates_args=())
def _whole_model(name: str, inputs: list[Tensor]) -> list[Tensor]:
    """A model as it runs outside of graphs, on the tensors among its arguments; gives those among its results."""
    args, kwargs = pytree.tree_unflatten(inputs, vars(model_of(name))[_INPUTS])
    return _tensors_of(name, pytree.tree_map(_apart, as_it_is(model_of(name), args, kwargs)))


@_whole_model.register_fake
def _(name: str, inputs: list[Tensor]) -> list[Tensor]:
    args, kwargs = pytree.tree_unflatten(inputs, vars(model_of(name))[_INPUTS])
    return _tensors_of(name, _run(model_of(name), args, kwargs, Exchange({})))


def _tensors_of(name: str, result: Any) -> list[Tensor]:
    """The tensors among a model's results; where they belong is kept with the model."""
    leaves, spec = pytree.tree_flatten(result)
    vars(model_of(name))[_OUTPUTS] = [None if isinstance(x, Tensor) else x for x in leaves], spec
    return [x.clone(memory_format=torch.contiguous_format) for x in leaves if isinstance(x, Tensor)]


def _filled(fixed: list[Any], tensors: list[Tensor]) -> list[Any]:
    rest = iter(tensors)
    return [next(rest) if x is None else x for x in fixed]


@as_node  # type: ignore[untyped-decorator]
def _find_constants(name: str, generations: list[int], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Let the model know its tensors, before the compiler reads them; the result is empty."""
    model, found = model_of(name), tuple(generations)
    known: _Constants | None = vars(model).get(_CONSTANTS)
    if not is_real((args, kwargs)) and (known is None or known.generations != found):
        search = _Search()
        _run(model, args, kwargs, search)
        vars(model)[_CONSTANTS] = _Constants(found, list(search.found.values()))
    return torch.empty(0)


@as_node  # type: ignore[untyped-decorator]
def _recorded(
    name: str, generations: list[int], constants: list[Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    model = model_of(name)
    if is_real((args, kwargs)):
        return pytree.tree_map(_apart, as_it_is(model, args, kwargs))
    known = vars(model)[_CONSTANTS].tensors
    return _run(model, args, kwargs, Exchange({id(x): y for x, y in zip(known, constants, strict=True)}))


def _run(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], mode: TorchDispatchMode) -> Any:
    """On stand-ins; where the graph will run with arithmetic that rounds earlier than float32, in float64."""
    on_gpu = any(x.is_cuda for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor))
    with torch.no_grad(), capturing(), _integers_alone() if on_gpu else _exact_arithmetic(), mode:
        return pytree.tree_map(_apart, called(model, *args, **kwargs))


@contextmanager
def _integers_alone() -> Iterator[None]:
    """On a GPU, whose fastest float algorithms may round: products of integers, else float64."""
    with int8_products(), by_definition():
        yield


def _exact_arithmetic() -> AbstractContextManager[None]:
    return nullcontext() if is_plain_arithmetic() else by_definition()


class _Search(_Mode):  # type: ignore[misc]
    """Notes the tensors that meet stand-ins."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run as it is."""
        self.found.update({id(x): x for x in tensors_in((args, kwargs)) if type(x) in _REAL})
        return func(*args, **(kwargs or {}))


class Exchange(_Mode):  # type: ignore[misc]
    """Puts the graph's inputs into the place of the model's tensors; others are copied into the graph."""

    def __init__(self, inputs: Mapping[int, Tensor]) -> None:
        super().__init__()
        self.inputs = inputs

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run with the exchanged tensors."""
        args, kwargs = pytree.tree_map_only(Tensor, self._exchanged, (args, kwargs or {}))
        return func(*args, **kwargs)

    def _exchanged(self, x: Tensor) -> Tensor:
        if type(x) not in _REAL:
            return x
        found = self.inputs.get(id(x))
        return torch.ops.aten.lift_fresh_copy(x) if found is None else found


def is_real(tree: Any) -> bool:
    """Whether tensors are there to compute with: the backend runs nodes as they are."""
    return all(type(x) in _REAL for x in pytree.tree_leaves(tree) if isinstance(x, Tensor))


def _whole(x: Any) -> Any:
    return x.whole() if isinstance(x, _Integers) else x


def _is_apart(x: Any) -> bool:
    return isinstance(x, _Integers)


def _apart(x: Any) -> Any:
    """A result as it leaves a node: a QTensor as its parts, and a tensor of the model as a copy."""
    if isinstance(x, QTensor):
        return _Integers(x.int_repr(), x.scale.clone(), str(x.qtype), x.per_channel_axis)
    return x.clone() if isinstance(x, Tensor) and type(x) in _REAL else x
