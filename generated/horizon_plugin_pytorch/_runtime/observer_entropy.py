# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observer_entropy.py
"""The observer that keeps the most information: the clipping bound whose quantized histogram diverges least.

In: float tensors, whose absolute values are counted over all batches. Out: every few batches a symmetric range. All
candidate bounds are tried in a few tensor expressions.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from .._observer_defaults import KL_BINS, KL_UPDATE_INTERVAL
from .errors import ArgumentError
from .observer_counts import CountingObserver

_LEAST_BINS = 256
_FIRST_CANDIDATE = 128
_SMOOTHING = 9
_BLOCK = 1 << 20  # elements of one intermediate tensor


class KLObserver(CountingObserver):
    """The clipping bound with the least Kullback-Leibler divergence between counts and quantized counts. Per tensor.

    Counts absolute values in bins of one width, that of the first batch's range divided by `bins`; later batches add
    bins. Each bound from the 128th bin on is tried: what lies beyond it counts in the last bin, what lies below is
    quantized to as many levels as the dtype has below 0; the first bin counts as its neighbour, so that the zeros of
    rectified data, which every bound represents exactly, do not outweigh all else. The divergences are smoothed over
    nine bounds, of which only finite ones count; the last least one gives the batch's range, which enters the moving
    average.

    Args:
        bins: of the first batch's range, at least 256.
        update_interval: search at every so many batches only; until the first search the scale is 1.
        kwargs: as `ObserverBase` takes them.
    """

    def __init__(self, bins: int = KL_BINS, update_interval: int = KL_UPDATE_INTERVAL, **kwargs: Any) -> None:
        super().__init__(bins, **kwargs)
        if bins < _LEAST_BINS:
            raise ArgumentError(f"KLObserver: bins must be at least {_LEAST_BINS}, not {bins}")
        if update_interval < 1:
            raise ArgumentError(f"KLObserver: update_interval must be positive, not {update_interval}")
        if update_interval == 1:
            warnings.warn(
                "KLObserver searches at every batch; a larger update_interval, at most the number of batches, is quicker",
                stacklevel=2,
            )
        self.update_interval = update_interval

    def _observe(self, x: Tensor) -> None:
        self._require_finite(*self._range_of(x))
        self._count(x)
        self.steps += 1
        if int(self.steps) % self.update_interval == 0:
            bound = self._bound().to(torch.float32)
            self._merge(-bound, bound)

    def _bound(self) -> Tensor:
        """The bound with the last least smoothed divergence, [1]; 0 when only zeros were seen."""
        if self.histogram.numel() == 0:
            return self.bin_width
        return least_divergent(self.histogram, -self.quant_min) * self.bin_width


def least_divergent(histogram: Tensor, levels: int) -> Tensor:
    """How many bins the bound with the last least smoothed divergence keeps, int64 [].

    Args:
        histogram: float64 [bins], counts, not empty.
        levels: how many levels the kept bins are quantized to.
    """
    first = min(_FIRST_CANDIDATE, histogram.numel())
    bounds = torch.arange(first, histogram.numel() + 1, device=histogram.device)
    counts = torch.cat([histogram[1:2], histogram[1:]])
    divergences = smoothed(divergences_of(counts, bounds, levels))
    return bounds[divergences.numel() - 1 - divergences.flip(0).argmin()]


def divergences_of(histogram: Tensor, bounds: Tensor, levels: int) -> Tensor:
    """Kullback-Leibler divergences of the clipped from the clipped and quantized histogram.

    Args:
        histogram: float64 [bins], counts.
        bounds: int64 [candidates]; a bound of i keeps the first i bins.
        levels: how many levels the kept bins are quantized to.

    Returns:
        float64 [candidates]; infinite where the quantized histogram lacks what the clipped one has.
    """
    rows = max(1, _BLOCK // (histogram.numel() + levels))
    return torch.cat([_divergences(histogram, block, levels) for block in torch.split(bounds, rows)])


def _divergences(histogram: Tensor, bounds: Tensor, levels: int) -> Tensor:
    bins = torch.arange(histogram.numel(), device=histogram.device)
    kept = bins < bounds[:, None]
    counted = kept & (histogram > 0)
    clipped = torch.where(kept, histogram, 0.0)
    beyond = histogram.sum() - clipped.sum(1, keepdim=True)
    level = (bins * levels).div(bounds[:, None], rounding_mode="floor").clamp_(max=levels - 1)
    sums = clipped.new_zeros(len(bounds), levels).scatter_add_(1, level, clipped)
    members = clipped.new_zeros(len(bounds), levels).scatter_add_(1, level, counted.to(clipped.dtype))
    quantized = torch.where(counted, (sums / members.clamp(min=1)).gather(1, level), 0.0)
    clipped = clipped.scatter_add(1, bounds[:, None] - 1, beyond)
    p = clipped / clipped.sum(1, keepdim=True)
    q = quantized / quantized.sum(1, keepdim=True)
    return torch.where(p > 0, p * (p / q).log(), 0.0).sum(1)


def smoothed(divergences: Tensor) -> Tensor:
    """Means over the finite ones of nine neighbours, the ends repeated; what is infinite stays so."""
    reach = _SMOOTHING // 2
    padded = torch.cat([divergences[:1].expand(reach), divergences, divergences[-1:].expand(reach)])
    finite = padded.isfinite()
    sums = torch.where(finite, padded, 0.0).unfold(0, _SMOOTHING, 1).sum(1)
    means = sums / finite.unfold(0, _SMOOTHING, 1).sum(1)
    return torch.where(divergences.isfinite(), means, torch.inf)
