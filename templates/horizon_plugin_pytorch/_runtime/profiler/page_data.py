# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/page_data.py
"""The rows of a page's charts and tables, as plain data.

In: comparisons, weights, rankings. Out: dicts of texts and numbers.
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..._tools import TOOLS
from ...dtype import get_horizon_quant_dtype
from .findings import Finding
from .measures import is_worse
from .sensitivity import Sensitivity
from .similarity import Comparison
from .weights import WeightComparison


def layer_rows(found: Sequence[Comparison], findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """A row a call of a layer."""
    conspicuous = {finding.layer: finding.text for finding in reversed(findings)}
    return [
        {
            "index": c.index,
            "name": c.name,
            "title": c.title,
            "type": c.type.rpartition(".")[2],
            "similarity": c.similarity,
            "scale": None if c.scale is None else float(c.scale.max()),
            "error": c.error,
            "errorInScales": c.error_in_scales,
            "ownError": c.own_error_in_scales,
            "ownSqnr": c.own_sqnr,
            "range": c.fit.range if c.fit else None,
            "peak": c.fit.peak if c.fit else None,
            "clipped": c.fit.clipped if c.fit else None,
            "spareBits": c.fit.spare_bits if c.fit else None,
            "finding": conspicuous.get(c.name, ""),
        }
        for c in found
    ]


def beyond(metric: str, found: Sequence[Comparison]) -> int:
    """How many comparisons are worse than the metric's own threshold."""
    return sum(metric in TOOLS.metrics and is_worse(metric, c.similarity, None) for c in found)


def sensitivity_rows(found: Sequence[Sensitivity]) -> list[dict[str, Any]]:
    """A row a tensor, the most costly first."""
    return [
        {"rank": rank, "layer": s.layer, "kind": s.kind, "value": s.value, "dtype": s.dtype}
        for rank, s in enumerate(found)
    ]


def weight_rows(found: Sequence[WeightComparison]) -> list[dict[str, Any]]:
    """A row a weight: its extremes and, for at most as many channels as are drawn, theirs and those of their scales."""
    return [_weight(weight) for weight in found]


def _weight(weight: WeightComparison) -> dict[str, Any]:
    channels = weight.before.channels_first.detach().cpu().flatten(1)
    shown = torch.linspace(0, channels.shape[0] - 1, min(channels.shape[0], TOOLS.channels)).long()
    lows, highs = channels.min(1).values, channels.max(1).values
    scale = weight.after.scale
    limits: list[float] | None = None
    if scale is not None:
        top = get_horizon_quant_dtype(weight.after.dtype).max + 1
        limits = (scale.cpu() * top).expand_as(highs)[shown].tolist()
    return {
        "layer": weight.layer,
        "similarity": weight.similarity,
        "sqnr": weight.sqnr,
        "low": float(lows.min()),
        "high": float(highs.max()),
        "channel": shown.tolist(),
        "lows": lows[shown].tolist(),
        "highs": highs[shown].tolist(),
        "limits": limits,
    }
