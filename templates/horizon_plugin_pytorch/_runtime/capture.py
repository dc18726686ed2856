# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/capture.py
"""A converted model as one flat graph of torch's own operators on plain tensors.

In: a model and example inputs. Out: `Captured`, a graph for inputs of these sizes without modules, QTensors or derivations:
everything that follows from weights and scales is a constant of it. What exporters and compilers of other formats read.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from .dtype import QuantDType
from .errors import DataDependentError
from .qtensor import QTensor
from .recording import capturing

_CONSTANT = "_constant_{}"
_ASKED_FOR_A_VALUE = re.compile(r"get value out of a tracing tensor with ([\w.]+)")


@dataclass(frozen=True, slots=True)
class Mark:
    """What makes an output a QTensor."""

    scale: Tensor
    dtype: QuantDType
    axis: int


@dataclass(frozen=True, slots=True)
class Captured:
    """A model for inputs of given sizes.

    Attributes:
        graph: the tensors among the inputs -> a tuple of the tensors among the outputs; QTensors as their integers, those
            among the inputs with the scales of the example.
        marks: for each output what makes it a QTensor; None for a plain tensor.
        rebuild: the tensors among the outputs -> what the model returns.
    """

    graph: fx.GraphModule
    marks: tuple[Mark | None, ...]
    rebuild: Callable[[list[Any]], Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the model."""
        given = self.graph(*map(_data, _tensors((args, kwargs))))
        return self.rebuild([_marked(x, mark) for x, mark in zip(given, self.marks, strict=True)])


def capture(model: nn.Module, *args: Any, **kwargs: Any) -> Captured:
    """Run a converted model on example inputs and keep what was computed.

    Args:
        model: converted, or any model whose operations do not depend on the values of tensors.
        args: example inputs; tensors also within lists, tuples and dicts. What is no tensor becomes part of the graph.
        kwargs: likewise.

    Returns:
        The graph, for inputs of the same sizes.

    Raises:
        DataDependentError: what the model does depends on the values of tensors.
    """
    leaves, spec = pytree.tree_flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
    entering = [_mark(leaves[place]) for place in places]
    examples = [_data(leaves[place]) for place in places]
    outputs: list[Any] = []

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        for place, tensor, mark in zip(places, tensors, entering, strict=True):
            leaves[place] = _marked(tensor, mark)
        inputs, keywords = pytree.tree_unflatten(leaves, spec)
        outputs[:] = pytree.tree_flatten(model(*inputs, **keywords))
        return tuple(_data(x) for x in outputs[0] if isinstance(x, Tensor))

    with torch.no_grad(), capturing():
        run(*examples)  # integers are derived at the first call
        graph = _recorded(run, examples)
    _fold(graph)
    found, out_spec = outputs
    marks = tuple(_mark(x) for x in found if isinstance(x, Tensor))
    return Captured(graph, marks, _rebuilder(found, out_spec))


def _recorded(run: Callable[..., Any], examples: list[Tensor]) -> fx.GraphModule:
    """The graph of a function.

    Raises:
        DataDependentError: it asks for the value of a tensor.
    """
    try:
        return make_fx(run)(*examples)
    except RuntimeError as error:
        asked = _ASKED_FOR_A_VALUE.search(str(error))
        if asked is None:
            raise
        raise DataDependentError(
            f"the model's operations depend on the values of tensors ({asked[1]}), which a graph does not know"
        ) from error


def _data(x: Tensor) -> Tensor:
    return x._data if isinstance(x, QTensor) else x


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _mark(x: Tensor) -> Mark | None:
    return Mark(x.q_scale(), x.dtype, x.q_per_channel_axis()) if isinstance(x, QTensor) else None


def _marked(x: Tensor, mark: Mark | None) -> Tensor:
    return x if mark is None else QTensor(x, mark.scale, mark.dtype, mark.axis)


def _rebuilder(found: list[Any], spec: Any) -> Callable[[list[Any]], Any]:
    fixed = [None if isinstance(x, Tensor) else x for x in found]
    places = [i for i, x in enumerate(found) if isinstance(x, Tensor)]

    def rebuild(tensors: list[Any]) -> Any:
        leaves = list(fixed)
        for place, tensor in zip(places, tensors, strict=True):
            leaves[place] = tensor
        return pytree.tree_unflatten(leaves, spec)

    return rebuild


def _fold(module: fx.GraphModule) -> None:
    """Compute what depends on constants alone, and drop what nothing reads."""
    known: dict[fx.Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            known[node] = getattr(module, str(node.target))
        elif node.op == "call_function" and all(n in known for n in node.all_input_nodes):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*args, **kwargs)
    for count, node in enumerate(_boundary(known)):
        name = _CONSTANT.format(count)
        module.register_buffer(name, known[node])
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name))
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()


def _boundary(known: dict[fx.Node, Any]) -> Iterator[fx.Node]:
    """The tensors that are known and that something unknown reads."""
    for node, value in list(known.items()):
        if isinstance(value, Tensor) and any(user not in known for user in node.users):
            yield node
