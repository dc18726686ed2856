# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/weights.py
"""`compare_weights`: how far quantized weights are from the float ones.

In: a float model and a QAT or converted one. Out: for each quantized weight how alike both are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..._tools import TOOLS
from ..weights import per_channel
from .layers import aligned, layers_of
from .measures import measure_named, signal_to_noise
from .parameters import Parameter, weight_of
from .text_table import draw, table_of, write


@dataclass(frozen=True, slots=True, eq=False)
class WeightComparison:
    """One weight in two models.

    Attributes:
        layer: qualified name of the layer.
        similarity: by the metric that was asked for.
        error_in_scales: the largest difference, in scales of its channel; absolute where the weight has no scale.
        sqnr: signal to noise, decibel.
        before, after: the weight in both models.
    """

    layer: str
    similarity: float
    error_in_scales: float
    sqnr: float
    before: Parameter
    after: Parameter

    @property
    def name(self) -> str:
        """Qualified name of the weight."""
        return f"{self.layer}.{self.after.name}"


def compare_weights(
    float_model: nn.Module,
    qat_quantized_model: nn.Module,
    similarity_func: str | Callable[..., Any] | None = None,
    with_tensorboard: bool = False,
    tensorboard_dir: str | Path | None = None,
    out_dir: str | Path | None = None,
) -> dict[str, dict[str, Tensor]]:
    """Compare the weights of two stages; write weight_comparison.txt.

    Args:
        float_model: the earlier stage; an unfused float model is fused where the other is.
        qat_quantized_model: the later stage.
        similarity_func: "Cosine" (None), "MSE", "L1", "KL", "SQNR", or a function of both tensors.
        with_tensorboard: also write histograms for tensorboard, which must be installed.
        tensorboard_dir: where to; None: `out_dir`.
        out_dir: where files go; None: the current directory.

    Returns:
        Name of the weight -> {"float", "quantized"}: both weights as float values.
    """
    metric = TOOLS.default_metric if similarity_func is None else similarity_func
    found = weight_comparisons(float_model, qat_quantized_model, metric)
    write_weights(found, out_dir)
    if with_tensorboard:
        from .statistics import write_histograms

        tagged = [
            (f"{w.name}:{key}", p.data) for w in found for key, p in (("float", w.before), ("quantized", w.after))
        ]
        write_histograms(tagged, Path(tensorboard_dir or out_dir or "."))
    return {w.name: {"float": w.before.data, "quantized": w.after.data} for w in found}


def write_weights(found: Sequence[WeightComparison], out_dir: str | Path | None) -> None:
    """Write the file of comparisons."""
    table = table_of("weights")
    write(out_dir, (table, draw(table, ((w.name, w.similarity, w.error_in_scales) for w in found))))


def weight_comparisons(model1: nn.Module, model2: nn.Module, metric: Any) -> tuple[WeightComparison, ...]:
    """The weights that both models have and that at least one quantizes, in the order of registration."""
    measure = measure_named(metric)
    earlier = dict(layers_of(aligned(model1, model2)))
    found: list[WeightComparison] = []
    with torch.no_grad():
        for name, module in layers_of(aligned(model2, model1)):
            before, after = (weight_of(m) if m is not None else None for m in (earlier.get(name), module))
            if before is None or after is None or before.data.shape != after.data.shape:
                continue
            if before.scale is None and after.scale is None:
                continue
            a, b = before.channels_first.cpu(), after.channels_first.cpu()
            sqnr = signal_to_noise(a.double(), b.double())
            found.append(WeightComparison(name, measure(a, b), _in_scales(a, b, after), sqnr, before, after))
    return tuple(found)


def _in_scales(a: Tensor, b: Tensor, weight: Parameter) -> float:
    if weight.scale is None:
        return float((a - b).abs().max())
    return float(((a - b).abs() / per_channel(weight.scale.cpu(), a.dim() - 1)).max())
