# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/scale_fit.py
"""How a scale fits the values that it is meant for.

In: a layer that gives its output a scale, and the values of another stage. Out: the range that the scale can show beside
the range that the values have.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from ..observers import FixedScaleObserver
from ..qtensor import QTensor
from ..quantized_module import QuantizedModule
from .layers import values


@dataclass(frozen=True, slots=True)
class ScaleFit:
    """One output.

    Attributes:
        range: the largest value that the scale can show.
        peak: the largest absolute value that there is.
        clipped: the share of values beyond the range, 0 to 1.
        observed: False when the scale is still the one it was made with.
        fixed: the scale was given, not observed.
    """

    range: float
    peak: float
    clipped: float
    observed: bool
    fixed: bool

    @property
    def spare_bits(self) -> float:
        """log2 of range / peak: positive, bits that are never used; negative, bits that are missing."""
        return math.log2(self.range / self.peak) if self.peak > 0 and self.range > 0 else 0.0


def scale_fit(module: nn.Module, reference: Sequence[Tensor], outputs: Sequence[Tensor]) -> ScaleFit | None:
    """The fit of the only output of a layer with a scale of its own; None where it has none."""
    quantizer = getattr(module, "activation_post_process", None)
    own = isinstance(quantizer, FakeQuantizeBase)
    integers = isinstance(module, QuantizedModule) and isinstance(getattr(module, "scale", None), Tensor)
    if not (own or integers) or len(outputs) != 1 or not isinstance(outputs[0], QTensor):
        return None
    output, magnitudes = outputs[0], values(reference[0]).abs()
    limit = float(output.q_scale().max()) * (output.dtype.max + 1)
    observer = getattr(quantizer, "activation_post_process", None)
    saw_data = getattr(observer, "has_data", True) if own else True
    return ScaleFit(
        range=limit,
        peak=float(magnitudes.max()) if magnitudes.numel() else 0.0,
        clipped=float((magnitudes > limit).float().mean()) if magnitudes.numel() else 0.0,
        observed=bool((output.q_scale() != 1).any()) or (own and saw_data),
        fixed=isinstance(observer, FixedScaleObserver),
    )
