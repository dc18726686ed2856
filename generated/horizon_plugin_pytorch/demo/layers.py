# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/layers.py
"""What every layer computes, and how near two stages of a model are, layer by layer.

In: graph modules that come from one float model, so their nodes have the same names, and one input. Out: a row a layer.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..qtensor import QTensor


@dataclass(frozen=True, slots=True)
class Output:
    """What one node computed: the module's name (and method), its class, and the result as it is."""

    name: str
    kind: str
    value: Tensor

    @property
    def values(self) -> Tensor:
        """The result as float64 values."""
        value = self.value.dequantize() if isinstance(self.value, QTensor) else self.value
        return value.to(torch.float64)


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of the integer model.

    Attributes:
        name: qualified name of the module, and its method if it is used by methods.
        kind: class of the quantized module.
        dtype: of its output.
        scale: of its output; smallest and largest if it is one a channel; empty for float32.
        calibration: cosine of the float output and the calibrated one.
        conversion: cosine of the QAT output and the integer one.
        steps: mean distance of the QAT output and the integer one, in steps of the output's scale.
    """

    name: str
    kind: str
    dtype: str
    scale: str
    calibration: float
    conversion: float
    steps: float | None


def record(model: fx.GraphModule, inputs: Tensor) -> dict[str, Output]:
    """The outputs of all modules, by node name, in order."""
    recorder = _Recorder(model)
    with torch.no_grad():
        recorder.run(inputs)
    return recorder.outputs


def compare(
    fused: fx.GraphModule, calibrated: fx.GraphModule, qat: fx.GraphModule, quantized: fx.GraphModule, inputs: Tensor
) -> tuple[LayerRow, ...]:
    """A row for each layer that all four stages have."""
    stages = [record(model, inputs) for model in (fused, calibrated, qat, quantized)]
    return tuple(_row(*(stage[node] for stage in stages)) for node in stages[-1] if all(node in s for s in stages))


def cosine(x: Tensor, y: Tensor) -> float:
    """Cosine of the angle between two tensors, read as vectors; 1 for two that are all zero."""
    x, y = x.flatten(), y.flatten()
    if not bool(x.any()) and not bool(y.any()):
        return 1.0
    return float(nn.functional.cosine_similarity(x, y, dim=0))


class _Recorder(fx.Interpreter):
    """Runs a graph node by node and keeps what modules return."""

    def __init__(self, model: fx.GraphModule) -> None:
        super().__init__(model)
        self.outputs: dict[str, Output] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node; keep its result if a module computed a tensor."""
        result = super().run_node(n)
        owner = self._owner(n)
        if owner is not None and isinstance(result, Tensor):
            name = str(n.target) if n.op == "call_module" else f"{_first(n).target}.{n.target}"
            self.outputs[n.name] = Output(name, type(owner).__name__, result)
        return result

    def _owner(self, node: fx.Node) -> nn.Module | None:
        """The module that a node calls, itself or by a method."""
        if node.op == "call_module":
            return self.module.get_submodule(str(node.target))
        if node.op == "call_method" and _first(node).op == "get_attr":
            found = self.env[_first(node)]
            return found if isinstance(found, nn.Module) else None
        return None


def _first(node: fx.Node) -> fx.Node:
    found = node.args[0]
    assert isinstance(found, fx.Node)
    return found


def _row(fused: Output, calibrated: Output, qat: Output, quantized: Output) -> LayerRow:
    value = quantized.value
    scale = value.q_scale() if isinstance(value, QTensor) else None
    return LayerRow(
        name=quantized.name,
        kind=quantized.kind,
        dtype=str(value.dtype).removeprefix("torch."),
        scale="" if scale is None else _scale_text(scale),
        calibration=cosine(fused.values, calibrated.values),
        conversion=cosine(qat.values, quantized.values),
        steps=_steps(qat.values, quantized) if scale is not None and scale.numel() == 1 else None,
    )


def _steps(expected: Tensor, given: Output) -> float:
    """Mean distance in steps of the given output's scale."""
    assert isinstance(given.value, QTensor)
    return float((expected - given.values).abs().mean() / given.value.q_scale().to(torch.float64))


def _scale_text(scale: Tensor) -> str:
    low, high = float(scale.min()), float(scale.max())
    return f"{low:.6g}" if scale.numel() == 1 else f"{low:.4g} .. {high:.4g}"
