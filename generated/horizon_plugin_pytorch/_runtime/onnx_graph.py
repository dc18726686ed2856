# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/onnx_graph.py
"""ONNX graphs, built node by node.

In: operators, names of values, torch tensors. Out: a checked `ModelProto`. The `onnx` package is an optional extra and is
imported here alone.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

IR_VERSION = 8  # read by every onnxruntime since 1.10
OPSET = 17

_TYPES = {
    torch.bool: "BOOL",
    torch.uint8: "UINT8",
    torch.int8: "INT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float32: "FLOAT",
    torch.float64: "DOUBLE",
}


def require_onnx() -> Any:
    """The `onnx` package.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("ONNX export needs the package onnx: pip install 'open-horizon-plugin[onnx]'") from error
    return onnx


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph.

    Attributes:
        name: of the ONNX value.
        dtype: of the ONNX value: torch.int64 for every integer, torch.bool, torch.float32 or torch.float64.
        bits: of the integers; a float tensor of torch that holds integers of so many bits is kept as integers.
        constant: the value, where it is known.
    """

    name: str
    dtype: torch.dtype
    bits: int = 64
    constant: Tensor | None = None


class OnnxGraph:
    """Nodes, constants and inputs of a graph under construction."""

    def __init__(self) -> None:
        self.onnx = require_onnx()
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._constants: dict[tuple[object, ...], str] = {}

    def type_of(self, dtype: torch.dtype) -> int:
        """The ONNX code of a torch dtype."""
        return int(getattr(self.onnx.TensorProto, _TYPES[dtype]))

    def node(self, op: str, *inputs: str, count: int = 1, **attributes: Any) -> Any:
        """Add an operator; the name of its output, or the names of its `count` outputs."""
        names = [f"{op.lower()}_{len(self.nodes)}" + (f"_{i}" if count > 1 else "") for i in range(count)]
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if count == 1 else names

    def constant(self, value: Tensor | list[int] | int) -> str:
        """The name of a constant; equal ones are one. Numbers and lists become int64."""
        tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.int64)
        array = tensor.detach().cpu().contiguous().numpy()
        key = (str(tensor.dtype), tuple(tensor.shape), array.tobytes())
        if key not in self._constants:
            name = self._constants[key] = f"constant_{len(self._constants)}"
            self.initializers.append(self.onnx.numpy_helper.from_array(array, name))
        return self._constants[key]

    def cast(self, name: str, dtype: torch.dtype) -> str:
        """A value as another dtype."""
        made: str = self.node("Cast", name, to=self.type_of(dtype))
        return made

    def model(self, inputs: list[tuple[str, Tensor]], outputs: list[tuple[str, torch.dtype, torch.Size]]) -> Any:
        """The finished model.

        Args:
            inputs: (name, example).
            outputs: (name, dtype, shape).
        """
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes,
            "horizon_plugin_pytorch",
            [helper.make_tensor_value_info(name, self.type_of(x.dtype), list(x.shape)) for name, x in inputs],
            [helper.make_tensor_value_info(name, self.type_of(dtype), list(shape)) for name, dtype, shape in outputs],
            self.initializers,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        self.onnx.checker.check_model(made)
        return made
