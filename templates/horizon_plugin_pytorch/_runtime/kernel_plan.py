# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/kernel_plan.py
"""The kernel plan of a converted model: how each layer computes, and why that is exact.

In: a converted model. Out: a table, a row a layer that chose. Conversion chooses for the scales that the graph shows; a layer
that has met none yet has chosen nothing. Other layers compute by the definition.
"""

from dataclasses import dataclass

from torch import nn

from .quantized_module import QuantizedModule


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer.

    Attributes:
        layer: its qualified name.
        type: its class.
        proofs: the ways it chose, each with its proof; first to the sums of products, then through the requantization.
    """

    layer: str
    type: str
    proofs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """Every layer of a model; print it."""

    layers: tuple[PlannedLayer, ...]

    def __str__(self) -> str:
        rows = [(row.layer, row.type, "; ".join(row.proofs) or "definition") for row in self.layers]
        table = [("layer", "type", "computes in: proof"), *rows]
        widths = [max(len(row[i]) for row in table) for i in range(2)]
        return "\n".join(f"{name:{widths[0]}}  {kind:{widths[1]}}  {proof}" for name, kind, proof in table)


def plan_of(model: nn.Module) -> KernelPlan:
    """What each quantized layer chose."""
    layers = ((name, module) for name, module in model.named_modules() if isinstance(module, QuantizedModule))
    return KernelPlan(tuple(PlannedLayer(name, type(module).__name__, module.proofs) for name, module in layers))
