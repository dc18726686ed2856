# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/onnx_export.py
"""ONNX files of models: QAT models with QuantizeLinear and DequantizeLinear, converted models with integer operators.

In: models and example inputs. Out: files that onnxruntime runs. The arguments are those of the documented API; what has no
effect here says so.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import IO, Any

import torch
from torch import Tensor, nn
from torch.onnx import OperatorExportTypes, TrainingMode
from torch.utils import _pytree as pytree

from .capture import capture
from .errors import ArgumentError, DataDependentError
from .graph_module import QuantizedGraphModule
from .onnx_graph import OPSET, require_onnx
from .onnx_lowering import NotExpressibleError, lower
from .qtensor import QTensor
from .straight_through import marked_quantization

File = str | os.PathLike[str] | IO[bytes]

_FIRST_OPSET_WITH_CHANNELS = 13
_FUNCTIONS = ("Acosh", "Asinh", "Atanh", "Cosh", "Sinh")
"""Functions of ONNX that torch's exporter does not write, and the first opset of all of them."""
_OPSET_OF_FUNCTIONS = 9


def export_to_onnx(
    model: nn.Module,
    args: Any,
    f: File,
    export_params: bool = True,
    verbose: bool = False,
    training: TrainingMode = TrainingMode.EVAL,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    operator_export_type: OperatorExportTypes | None = OperatorExportTypes.ONNX_FALLTHROUGH,
    opset_version: int = 11,
    do_constant_folding: bool = True,
    dynamic_axes: Any = None,
    keep_initializers_as_inputs: bool | None = None,
    custom_opsets: Any = None,
) -> None:
    """Write a float, calibration or QAT model as ONNX; fake quantization becomes QuantizeLinear and DequantizeLinear.

    Quantizers of more than 8 bits become float operators (Div, Floor, Clip, Mul), since QuantizeLinear has no such types in
    these opsets.

    Args:
        model: in the state in which it is to be written: validation, as a rule.
        args: example input, or a tuple of them.
        f: path or binary file.
        export_params: write the weights.
        verbose: print the graph.
        training: mode of batch norm and dropout.
        input_names: of the graph.
        output_names: of the graph.
        operator_export_type: accepted; standard operators are written always.
        opset_version: raised to 13 where it is less, the first with scales for each channel.
        do_constant_folding: of torch's exporter; weights keep their quantizers.
        dynamic_axes: as torch's exporter takes them.
        keep_initializers_as_inputs: as torch's exporter takes it.
        custom_opsets: accepted.

    Raises:
        ImportError: `onnx` is not installed.
        ArgumentError: the model is converted.
    """
    require_onnx()
    if isinstance(model, QuantizedGraphModule):
        raise ArgumentError(
            "export_to_onnx takes float, calibration and QAT models; this one is converted: use export_quantized_onnx"
        )
    options = {
        "export_params": export_params,
        "verbose": verbose,
        "training": training,
        "input_names": input_names,
        "output_names": output_names,
        "opset_version": max(opset_version, _FIRST_OPSET_WITH_CHANNELS),
        "dynamic_axes": dynamic_axes,
        "keep_initializers_as_inputs": keep_initializers_as_inputs,
    }
    # Folding would compute the quantized weights and leave no quantizer.
    with warnings.catch_warnings(), marked_quantization(), _more_functions(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(_Plain(model), _tuple(args), f, do_constant_folding=False, dynamo=False, **options)  # type: ignore[arg-type]


@contextmanager
def _more_functions() -> Iterator[None]:
    """Let torch's exporter write functions of one operand that ONNX has."""
    exporter: Any = torch.onnx
    with ExitStack() as stack:
        for name in _FUNCTIONS:
            exporter.register_custom_op_symbolic(f"aten::{name.lower()}", partial(_function, name), _OPSET_OF_FUNCTIONS)
            stack.callback(exporter.unregister_custom_op_symbolic, f"aten::{name.lower()}", _OPSET_OF_FUNCTIONS)
        yield


def _function(name: str, graph: Any, x: Any) -> Any:
    return graph.op(name, x).setType(x.type())


def export_quantized_onnx(
    model: nn.Module,
    args: Any,
    f: File,
    export_params: bool = True,
    verbose: bool = False,
    training: TrainingMode = TrainingMode.EVAL,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    operator_export_type: OperatorExportTypes | None = OperatorExportTypes.ONNX_FALLTHROUGH,
    opset_version: int | None = None,
    do_constant_folding: bool = True,
    example_outputs: Any = None,
    dynamic_axes: Any = None,
    keep_initializers_as_inputs: bool | None = None,
    custom_opsets: Any = None,
) -> None:
    """Write a converted model as ONNX with integer operators; it computes the same integers, for inputs of these sizes.

    Args:
        model: converted.
        args: example input, or a tuple of them.
        f: path or binary file.
        export_params: accepted; weights are constants.
        verbose: print the graph.
        training: accepted; converted models only infer.
        input_names: of the graph; by default arg0, arg1, ...
        output_names: of the graph; by default out0, out1, ...
        operator_export_type: accepted; standard operators are written always.
        opset_version: None or 17.
        do_constant_folding: accepted; constants are folded always.
        example_outputs: accepted.
        dynamic_axes: accepted when empty.
        keep_initializers_as_inputs: accepted.
        custom_opsets: accepted.

    Raises:
        ImportError: `onnx` is not installed.
        NotImplementedError: an operator has no exact ONNX form; it is named.
        ArgumentError: another opset, or dynamic axes.
    """
    onnx = require_onnx()
    if opset_version not in (None, OPSET):
        raise ArgumentError(f"export_quantized_onnx writes opset {OPSET}, not {opset_version}")
    if dynamic_axes:
        raise ArgumentError("export_quantized_onnx writes a graph for inputs of fixed sizes; leave dynamic_axes out")
    made = _lowered(model, args, input_names, output_names)
    if verbose:
        print(onnx.helper.printable_graph(made.graph))  # noqa: T201 - asked for
    onnx.save(made, f)


def onnx_gaps(model: nn.Module, args: Any) -> str:
    """Why a converted model has no exact ONNX form; empty when it has one."""
    try:
        _lowered(model, args)
    except NotExpressibleError as error:
        return str(error)
    return ""


def _lowered(
    model: nn.Module, args: Any, input_names: Sequence[str] | None = None, output_names: Sequence[str] | None = None
) -> Any:
    inputs = _tuple(args)
    try:
        captured = capture(model, *inputs)
    except DataDependentError as error:
        raise NotExpressibleError(str(error)) from error
    tensors = [
        x.int_repr() if isinstance(x, QTensor) else x for x in pytree.tree_leaves(inputs) if isinstance(x, Tensor)
    ]
    names = list(input_names or [f"arg{i}" for i in range(len(tensors))])
    outputs = list(output_names or [f"out{i}" for i in range(len(captured.marks))])
    return lower(captured, tensors, names, outputs)


class _Plain(nn.Module):
    """A model whose outputs are plain tensors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def forward(self, *inputs: Any) -> Any:
        return pytree.tree_map(lambda x: x.dequantize() if isinstance(x, QTensor) else x, self.model(*inputs))


def _tuple(args: Any) -> tuple[Any, ...]:
    return tuple(args) if isinstance(args, tuple | list) else (args,)
