# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/onnx_lowering.py
"""A captured integer graph as ONNX: the walk over its operators.

In: a `Captured` model and its example inputs. Out: an ONNX model that gives the same integers. Every integer is int64 in ONNX,
where nothing that the kernels compute overflows; floats keep their type. Integers that torch holds in a float type, because
its kernels for products want that, stay integers. Rules for
torch's operators stand in `onnx_elements`, `onnx_moves`, `onnx_places` and `onnx_products`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from .capture import Captured
from .onnx_graph import OnnxGraph, Value

Rule = Callable[["Lowering", fx.Node], Any]

_RULES: dict[str, Rule] = {}
_DECOMPOSITIONS: Callable[[], Any] = core_aten_decompositions
_MOST_SHIFT = 62
WORD = 64


class NotExpressibleError(NotImplementedError):
    """An operator that has no exact ONNX form here."""


def lowers(*names: str) -> Callable[[Rule], Rule]:
    """Decorate the rule of some of torch's operators, named as `aten.add.Tensor`."""

    def remember(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, rule))
        return rule

    return remember


def lower(captured: Captured, inputs: list[Tensor], input_names: list[str], output_names: list[str]) -> Any:
    """The ONNX model of a captured graph.

    Args:
        captured: the graph.
        inputs: its example inputs; their sizes and dtypes become those of the model.
        input_names: one for each input.
        output_names: one for each output.

    Raises:
        NotExpressibleError: an operator without exact form; all of them are named.
    """
    from . import onnx_elements, onnx_moves, onnx_places, onnx_products  # noqa: F401 - they register their rules

    walk = Lowering(_decomposed(captured.graph, inputs), inputs)
    if missing := sorted({str(node.target) for node in _without_rule(walk.module)}):
        raise NotExpressibleError(f"no exact ONNX form is known for {', '.join(missing)}")
    return walk.run(inputs, input_names, output_names)


def _decomposed(module: fx.GraphModule, inputs: list[Tensor]) -> fx.GraphModule:
    """The graph with operators that have no rule cut into ones that torch calls its core, where torch knows how."""
    missing = {node.target for node in _without_rule(module)}
    table = {target: cut for target, cut in _decompositions().items() if target in missing} if missing else {}
    if not table:
        return module
    with torch.no_grad():
        return make_fx(module, decomposition_table=table)(*inputs)


@functools.cache
def _decompositions() -> dict[Any, Any]:
    """Operator -> how torch cuts it; finding all of them takes longer than a small model."""
    return dict(_DECOMPOSITIONS().items())


def _without_rule(module: fx.GraphModule) -> Iterator[fx.Node]:
    yield from (n for n in module.graph.nodes if n.op == "call_function" and rule_name(n) not in _RULES)


def rule_name(node: fx.Node) -> str:
    """How rules name what a node calls."""
    return (
        getattr(node.target, "__name__", "") if not isinstance(node.target, torch._ops.OpOverload) else str(node.target)
    )


class Lowering:
    """The state of a walk: what each node of the torch graph is in ONNX, and what torch computed for it."""

    def __init__(self, module: fx.GraphModule, inputs: list[Tensor]) -> None:
        self.module = module
        self.graph = OnnxGraph()
        self.values: dict[fx.Node, Any] = {}
        recorder = _Recorder(module)
        with torch.no_grad():
            recorder.run(*inputs)
        self.seen = recorder.seen

    def run(self, inputs: list[Tensor], input_names: list[str], output_names: list[str]) -> Any:
        """Walk over all nodes; the finished model."""
        names, results = iter(input_names), []
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                self.values[node] = self._entering(next(names), node)
            elif node.op == "get_attr":
                self.values[node] = self.known(getattr(self.module, str(node.target)))
            elif node.op == "call_function":
                self.values[node] = _RULES[rule_name(node)](self, node)
            else:
                results = list(node.args[0])
        for name, result in zip(output_names, results, strict=True):
            self.graph.nodes.append(
                self.graph.onnx.helper.make_node(
                    "Cast", [self.values[result].name], [name], to=self.graph.type_of(self.dtype(result))
                )
            )
        leaving = [(name, *self.seen[result]) for name, result in zip(output_names, results, strict=True)]
        return self.graph.model(list(zip(input_names, inputs, strict=True)), leaving)

    def _entering(self, name: str, node: fx.Node) -> Value:
        dtype = self.dtype(node)
        kept = held(dtype)
        return Value(name if kept == dtype else self.graph.cast(name, kept), kept, bits_of(dtype))

    # What rules ask for

    def dtype(self, arg: Any) -> torch.dtype:
        """The dtype that torch has for an argument; of a python number the default one."""
        if isinstance(arg, fx.Node):
            dtype: torch.dtype = self.seen[arg][0]
            return dtype
        return torch.bool if isinstance(arg, bool) else torch.int64 if isinstance(arg, int) else torch.float32

    def shape(self, node: fx.Node) -> torch.Size:
        """The sizes of a node's tensor."""
        size: torch.Size = self.seen[node][1]
        return size

    def value(self, arg: Any) -> Value:
        """The ONNX value of a node."""
        found: Value = self.values[arg]
        return found

    def known(self, tensor: Tensor) -> Value:
        """A constant."""
        kept = tensor.detach().to(held(tensor.dtype))
        return Value(self.graph.constant(kept), kept.dtype, bits_of(tensor.dtype), tensor.detach())

    def operand(self, arg: Any, dtype: torch.dtype) -> str:
        """The name of a node's value or of a number as `dtype`, which is one that ONNX values have."""
        if not isinstance(arg, fx.Node):
            return self.graph.constant(torch.tensor(arg, dtype=dtype))
        value = self.value(arg)
        return value.name if value.dtype == dtype else self.graph.cast(value.name, dtype)

    def result(self, node: fx.Node, name: str) -> Value:
        """The value of a node, held as its dtype is held."""
        dtype = self.dtype(node)
        return Value(name, held(dtype), bits_of(dtype))

    def floored(self, x: str, power: str) -> str:
        """floor(x / power) of integers: ONNX divides toward zero."""
        g = self.graph
        quotient: str = g.node("Div", g.node("Sub", x, g.node("Mod", x, power)), power)
        return quotient

    def power(self, shift: Any) -> str:
        """2**shift, int64; a shift of more bits than any number has counts as 62."""
        g = self.graph
        constant = self.value(shift).constant if isinstance(shift, fx.Node) else torch.tensor(shift)
        if constant is not None:
            return g.constant(1 << constant.to(torch.int64).clamp(0, _MOST_SHIFT))
        most = g.constant(_MOST_SHIFT)
        table = g.constant(1 << torch.arange(_MOST_SHIFT + 1))
        found: str = g.node("Gather", table, g.node("Min", self.operand(shift, torch.int64), most), axis=0)
        return found


class _Recorder(fx.Interpreter):
    """Runs a graph and remembers dtype and sizes of what each node gives; a tuple for tuples."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.seen: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """See the class."""
        given = super().run_node(n)
        if isinstance(given, Tensor):
            self.seen[n] = (given.dtype, given.shape)
        return given


def held(dtype: torch.dtype) -> torch.dtype:
    """The dtype that ONNX values have for a torch dtype."""
    return dtype if dtype.is_floating_point or dtype == torch.bool else torch.int64


def bits_of(dtype: torch.dtype) -> int:
    """The bits of the integers of a torch dtype; of others those of the largest integer."""
    return torch.iinfo(dtype).bits if not dtype.is_floating_point and dtype != torch.bool else WORD


def arguments(node: fx.Node, *defaults: Any) -> list[Any]:
    """The arguments of a call; where it gives fewer, those of `defaults`, one for each."""
    return [*node.args, *defaults[len(node.args) :]]
