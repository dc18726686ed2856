# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/findings.py
"""What is wrong with a quantized model, the most serious first, each with the layer and a remedy.

In: comparisons of layers and weights of two stages. Out: findings. A cause comes before what follows from it: a comparison
that compares nothing, values that are no numbers, scales that saw no data, scales that do not fit, then layers and weights
that lose much although their scale fits.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from ..._tools import TOOLS
from ...dtype import get_horizon_quant_dtype
from .similarity import Comparison, same_model
from .weights import WeightComparison

_NOTHING, _NOT_FINITE, _UNSEEN, _SCALE, _LAYER, _MEAN, _WEIGHT = range(7)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at.

    Attributes:
        layer: qualified name; "" for the models as a whole.
        text: what is so, with its value.
        remedy: what to do.
        rank: (kind, how bad): smaller is more serious.
    """

    layer: str
    text: str
    remedy: str
    rank: tuple[int, float]


def find(
    model1: nn.Module, model2: nn.Module, layers: Sequence[Comparison], weights: Sequence[WeightComparison]
) -> tuple[Finding, ...]:
    """All findings, the most serious first, one of a kind for a layer."""
    found = [*_of_models(model1, model2), *_of_weights(weights)]
    for comparison in layers:
        found.extend(_of_layer(comparison))
    first: dict[tuple[str, int], Finding] = {}
    for finding in sorted(found, key=lambda f: f.rank):
        first.setdefault((finding.layer, finding.rank[0]), finding)
    return tuple(first.values())


def rows(found: Iterable[Finding]) -> Iterator[tuple[str, str, str]]:
    """The columns of the table."""
    for finding in found:
        yield finding.layer or "(the models)", finding.text, finding.remedy


def _of_models(model1: nn.Module, model2: nn.Module) -> Iterator[Finding]:
    if text := same_model(model1, model2):
        yield Finding("", text, "pass two stages: float, calibrated, QAT, converted", (_NOTHING, 0))


def _of_layer(c: Comparison) -> Iterator[Finding]:
    limits = TOOLS.limits
    if not math.isfinite(c.error):
        yield Finding(
            c.name, "puts out NaN or Inf", "check its input data and the layers before it", (_NOT_FINITE, c.index)
        )
    elif c.fit is not None and not c.fit.observed:
        text = f"its scale is 1, as before any calibration; its values reach {c.fit.peak:.3g}"
        yield Finding(c.name, text, "run calibration with data that reach this layer", (_UNSEEN, c.index))
    elif c.fit is not None and c.fit.range <= limits.tiny_scale:
        yield Finding(
            c.name, "its scale is 0: it put out zeros only", "check the data of calibration", (_UNSEEN, c.index)
        )
    elif c.fit is not None and c.fit.spare_bits >= math.log2(limits.idle_range):
        yield _idle(c.name, c.fit.range, c.fit.peak, fixed=c.fit.fixed)
    elif c.fit is not None and c.fit.clipped >= limits.clipped:
        text = (
            f"{c.fit.clipped:.1%} of its values lie beyond its range of {c.fit.range:.3g}; they reach {c.fit.peak:.3g}"
        )
        remedy = (
            "give its stub another scale" if c.fit.fixed else "calibrate with more data, or with the min_max observer"
        )
        yield Finding(c.name, text, remedy, (_SCALE, c.fit.spare_bits))
    if c.own_sqnr is not None and c.own_sqnr < limits.op_sqnr:
        text = f"alone it keeps a signal-to-noise ratio of {c.own_sqnr:.1f} dB only"
        yield Finding(
            c.name,
            text,
            "give it int16 activations, or a narrower range (norm, bounded activation)",
            (_LAYER, c.own_sqnr),
        )
    if c.fit is not None and c.own_mean_error is not None and abs(c.own_mean_error) >= limits.mean_error:
        yield _moved(c.name, c.own_mean_error)


def _moved(layer: str, steps: float) -> Finding:
    text = f"alone it moves its values by {steps:+.2f} steps on average"
    remedy = "correct biases (calibrate does so, and correct_bias), or train it (QAT)"
    return Finding(layer, text, remedy, (_MEAN, -abs(steps)))


def _idle(layer: str, limit: float, peak: float, *, fixed: bool) -> Finding:
    text = f"its scale shows values up to {limit:.3g}, {limit / peak:.1f} times what there is ({peak:.3g})"
    remedy = "give its stub a scale that fits the data" if fixed else "calibrate it again, or freeze a smaller scale"
    return Finding(layer, text, remedy, (_SCALE, -math.log2(limit / peak)))


def _of_weights(found: Sequence[WeightComparison]) -> Iterator[Finding]:
    for weight in found:
        limit, peak = ranges(weight)
        ratio = limit / peak if peak > 0 else 1.0
        if ratio >= TOOLS.limits.idle_range:
            text = (
                f"the scale of its weight shows values up to {limit:.3g}, {ratio:.1f} times what there is ({peak:.3g})"
            )
            yield Finding(weight.layer, text, "calibrate it again", (_SCALE, -math.log2(ratio)))
        elif weight.sqnr < TOOLS.limits.weight_sqnr:
            text = f"its weight keeps a signal-to-noise ratio of {weight.sqnr:.1f} dB only"
            remedy = "train with weight decay, or clip the outliers of its channels"
            yield Finding(weight.layer, text, remedy, (_WEIGHT, weight.sqnr))


def ranges(weight: WeightComparison) -> tuple[float, float]:
    """(the largest value that the scale shows, the largest that there is) of the channel that fits best."""
    if weight.after.scale is None:
        return 1.0, 1.0
    first = weight.before.channels_first
    peaks = first.abs().flatten(1).max(1).values.cpu()
    limits = (weight.after.scale.cpu() * (get_horizon_quant_dtype(weight.after.dtype).max + 1)).expand_as(peaks)
    fitting = (limits / peaks.clamp_min(1e-30)).argmin()
    return float(limits[fitting]), float(peaks[fitting])
