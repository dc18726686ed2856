# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/page_histograms.py
"""Histograms of tensors beside the range that their scale can show.

In: features of a run, and those of a reference. Out: for each feature counts over common bins, and what is clipped.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..._tools import TOOLS
from ...dtype import get_horizon_quant_dtype

Feature = dict[str, Any]


def feature_histograms(
    features: Sequence[Feature], references: Sequence[Feature], *, per_channel: bool = False
) -> list[dict[str, Any]]:
    """A histogram a feature; empty and integer tensors are left out."""
    known = {(feature["module_name"], feature["attr"]): feature["data"] for feature in references}
    made = (_histogram(f, known.get((f["module_name"], f["attr"])), per_channel=per_channel) for f in features)
    return [histogram for histogram in made if histogram is not None]


def _histogram(feature: Feature, reference: Tensor | None, *, per_channel: bool) -> dict[str, Any] | None:
    data = _finite(feature["data"])
    if not data.numel():
        return None
    other = data if reference is None else _finite(reference)
    both = torch.cat([data, other])
    low, high = float(both.min()), float(both.max())
    limit = _limit(feature)
    return {
        "layer": feature["module_name"].partition("[")[0].partition("(")[0],
        "title": feature["module_name"],
        "attr": feature["attr"],
        "low": low,
        "high": high if high > low else low + 1,
        "counts": _counts(data, low, high),
        "reference": None if reference is None else _counts(other, low, high),
        "limit": limit,
        "clipped": None if limit is None else float((other.abs() > limit).float().mean()),
        "scale": None if feature["scale"] is None else float(feature["scale"].max()),
        "dtype": feature["dtype"],
        "mean": float(data.mean()),
        "std": float(data.std(correction=0)),
        "channels": _channel_ranges(feature["data"]) if per_channel else None,
    }


def _finite(data: Tensor) -> Tensor:
    flat = data.detach().reshape(-1).float().cpu()
    return flat[torch.isfinite(flat)]


def _counts(data: Tensor, low: float, high: float) -> list[int]:
    edges = (low, high if high > low else low + 1)
    counts: list[int] = torch.histc(data, TOOLS.histogram_bins, *edges).long().tolist()
    return counts


def _limit(feature: Feature) -> float | None:
    """The largest value that the scale can show."""
    if feature["scale"] is None:
        return None
    return float(feature["scale"].max()) * (get_horizon_quant_dtype(feature["dtype"]).max + 1)


def _channel_ranges(data: Tensor) -> list[list[float]] | None:
    """[low, high] of each channel of a tensor [N, C, ...], for at most as many channels as are drawn."""
    if data.dim() < 2 or not data.numel():  # noqa: PLR2004  # no channels
        return None
    channels = data.detach().float().transpose(0, 1).flatten(1)[: TOOLS.channels]
    return [channels.min(1).values.tolist(), channels.max(1).values.tolist()]
