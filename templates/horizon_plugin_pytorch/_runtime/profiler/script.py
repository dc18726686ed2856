# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/script.py
"""`script_profile` and `compare_script_models`: the values of every operation of a trace.

In: converted models or their traces. Out: values by name of the operation, and which of them are equal. The graph of a
trace is evaluated with all of its tensors as outputs, so what is compared is what the trace computes.
"""

import copy
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..._tools import TOOLS
from ..check_model import as_inputs
from ..errors import ArgumentError
from .layers import is_quantized
from .text_table import draw, folder, say, table_of

_OPERATOR = "aten::"


def script_profile(
    model: nn.Module,
    example_inputs: Any,
    out_dir: str | Path | None = None,
    march: str | None = None,
    mark_node_func: Callable[[Any], bool] | None = None,
    compare_with_hbdk_parser: bool = True,
) -> dict[str, Tensor]:
    """Save the value of every operation of a trace, and compare them with those of the trace saved and loaded again.

    Args:
        model: a converted model, which is traced, or a trace.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        out_dir: where horizon_script_result.pt goes; None: the current directory.
        march: accepted; a converted model has its march.
        mark_node_func: says which nodes of the trace count; None: all that give a tensor.
        compare_with_hbdk_parser: compare; the vendor's parser is not at hand, so with the saved form of the trace.

    Returns:
        Name -> value: "_<module>_aten_<operation>", with _1, _2, ... for later ones of that name.

    Raises:
        ArgumentError: a model that is neither converted nor a trace.
    """
    inputs = as_inputs(example_inputs)
    script = _traced(model, inputs, "script_profile")
    found = _values(script, inputs, mark_node_func)
    torch.save(found, folder(out_dir) / TOOLS.files["script_values"])
    if compare_with_hbdk_parser:
        _compare(
            found, _values(_saved_and_loaded(script), inputs, mark_node_func), "the ScriptModule and its saved form"
        )
    return found


def compare_script_models(model1: nn.Module, model2: nn.Module, example_inputs: Any, march: str | None = None) -> bool:
    """Compare the operations of two converted models or traces; print the table and a verdict.

    Args:
        model1: a converted model or a trace.
        model2: another.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        march: accepted; a converted model has its march.

    Returns:
        Whether all of them are equal.

    Raises:
        ArgumentError: a model that is neither converted nor a trace.
    """
    inputs = as_inputs(example_inputs)
    first, second = (
        _values(_traced(model, inputs, "compare_script_models"), inputs, None) for model in (model1, model2)
    )
    return _compare(first, second, "two ScriptModules")


def _traced(model: nn.Module, inputs: tuple[Any, ...], caller: str) -> Any:
    if isinstance(model, torch.jit.ScriptModule):
        return model
    if not isinstance(model, nn.Module) or not is_quantized(model):
        raise ArgumentError(f"{caller} takes a converted model or its trace, not a {type(model).__name__}")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch.jit about itself
        twin = copy.deepcopy(model).eval()  # which has derived nothing yet, so that two traces have the same operations
        return torch.jit.trace(twin, inputs, check_trace=False)  # type: ignore[no-untyped-call]


def _saved_and_loaded(script: Any) -> Any:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(script, file)
        file.seek(0)
        return torch.jit.load(file)  # type: ignore[no-untyped-call]


def _values(script: Any, inputs: tuple[Any, ...], marks: Callable[[Any], bool] | None) -> dict[str, Tensor]:
    """Evaluate the graph of a trace with the tensors of all of its operations as outputs."""
    graph = script.inlined_graph.copy()
    nodes = [node for node in graph.nodes() if node.kind().startswith(_OPERATOR) and (marks is None or marks(node))]
    chosen = [(node, v) for node in nodes for v in node.outputs() if isinstance(v.type(), torch._C.TensorType)]
    joined = graph.create("prim::TupleConstruct", [value for _, value in chosen], 1)
    joined.output().setType(torch._C.TupleType([value.type() for _, value in chosen]))
    graph.appendNode(joined)
    for _ in tuple(graph.outputs()):
        graph.eraseOutput(0)
    graph.registerOutput(joined.output())
    function: Any = torch._C._create_function_from_graph("values", graph)
    with torch.no_grad():
        return dict(zip(_names(node for node, _ in chosen), function(script._c, *inputs), strict=True))


def _names(nodes: Iterator[Any]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for node in nodes:
        module = node.scopeName().rpartition("/")[2].removeprefix("__module").replace(".", "_")
        name = f"{module}_{node.kind().replace('::', '_')}"
        yield f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1


def _compare(first: dict[str, Tensor], second: dict[str, Tensor], what: str) -> bool:
    """Print which operations are equal, and a verdict; a loaded trace has no modules, so then the order counts."""
    names = list(first)
    pairs = [(first[n], second.get(n)) for n in names]
    if first.keys() != second.keys():
        pairs = list(zip(first.values(), (*second.values(), *[None] * len(first)), strict=False))
    equal = [b is not None and a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs]
    say(draw(table_of("script"), zip(names, equal, strict=True)))
    same = all(equal) and len(first) == len(second)
    say(f"All ops in {what} are same." if same else f"{equal.count(False)} ops in {what} differ.")
    return same
