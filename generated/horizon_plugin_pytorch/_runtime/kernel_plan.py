# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/kernel_plan.py
"""The kernel plan of a converted model: how each layer computes, and why that is exact.

In: a converted model. Out: a table, a row a layer that chose. Conversion chooses for the scales that the graph shows; a layer
that has met none yet has chosen nothing, and kernels that fast mode compiles stand there once they were called. Other layers
compute by the definition.
"""

from dataclasses import dataclass

from torch import nn

from .flat_run import flat_layers
from .quantized_module import QuantizedModule


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer.

    Attributes:
        layer: its qualified name.
        type: its class.
        flat: whether plain integers go its way without its module being called, where nothing watches it.
        proofs: the ways it chose, each with its proof; first to the sums of products, then through the requantization.
    """

    layer: str
    type: str
    flat: bool
    proofs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """Every layer of a model; print it."""

    layers: tuple[PlannedLayer, ...]

    def __str__(self) -> str:
        called = ("module", "flat")
        rows = [(row.layer, row.type, called[row.flat], "; ".join(row.proofs) or "definition") for row in self.layers]
        table = [("layer", "type", "called", "computes in: proof"), *rows]
        widths = [*(max(len(row[i]) for row in table) for i in range(3)), 0]
        return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in table)


def plan_of(model: nn.Module) -> KernelPlan:
    """What each quantized layer chose."""
    layers = ((name, module) for name, module in model.named_modules() if isinstance(module, QuantizedModule))
    flat = set(flat_layers(model))
    return KernelPlan(
        tuple(PlannedLayer(name, type(module).__name__, module in flat, module.proofs) for name, module in layers)
    )
