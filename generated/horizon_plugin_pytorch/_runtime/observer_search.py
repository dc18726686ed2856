# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observer_search.py
"""Observers that search: which of some ranges loses least when a batch is quantized.

In: float tensors. Out: the range with the least squared error, among fractions of the batch's own range or among those
that hold a percentage of it. All ranges are tried on one block of the batch at a time, so that the work stays in the
processor's cache.
"""

import functools
from typing import Any, ClassVar

import torch
from torch import Tensor

from .._observer_defaults import MIX_BINS, MIX_PERCENTILES, MSE_STRIDE, NORM_NORM, NORM_STRIDE
from ..kernels import load
from . import one_pass
from .errors import ArgumentError
from .histogram import counts_of
from .observer_base import OF_ONE_PASS, ObserverBase
from .observers import MinMaxObserver, check_percentiles, percentile_ranges
from .recording import unrecorded

_PERCENTS = range(100, 5, -1)
_BLOCK = 1 << 18  # elements of one intermediate tensor
_BINS_A_STEP = 16
_COUNTED_FROM = 1 << 14  # elements of a batch
_MOST_LEVELS = 1 << 8
_SQUARED = 2.0


class MSEObserver(MinMaxObserver):
    """The fraction (1.00, 0.99, ... 0.06) of the batch's range with the least squared error, moving average.

    Per tensor or per channel. Of equal errors the smallest range wins.

    Args:
        stride: try every `stride`-th fraction only; 1..20 is sensible.
        kwargs: as `ObserverBase` takes them.
    """

    _norm: float = _SQUARED
    _SEARCHES_IN_ONE_PASS: ClassVar[bool] = True

    def __init__(self, stride: int = MSE_STRIDE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stride < 1:
            raise ArgumentError(f"{type(self).__name__}: stride must be positive, not {stride}")
        self.stride = stride

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._SEARCHES_IN_ONE_PASS = all(getattr(cls, name) is getattr(MSEObserver, name) for name in OF_ONE_PASS)

    def observe_into(self, x: Tensor, scale: Tensor, ends: tuple[float, float]) -> bool:
        """As of the base; squares of one range alone are searched so."""
        levels, held = self.quant_max - self.quant_min + 1, self._held()
        if not self._SEARCHES_IN_ONE_PASS or self._norm != _SQUARED or self.is_per_channel or held is None:
            return False
        counting = _COUNTED_FROM if levels <= _MOST_LEVELS else x.numel(), _BINS_A_STEP
        fractions, bounds = fractions_of_range(self.stride, x.device), (self.quant_min, self.quant_max)
        into = (*held, scale), self.averaging_constant
        return one_pass.search(x, fractions, counting, *into, bounds, self.march, ends)

    def _range_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lowest, highest = super()._range_of(x)
        self._require_finite(lowest, highest)
        fractions = fractions_of_range(self.stride, x.device)
        scales = self.scale_of(fractions * lowest, fractions * highest)
        errors = batch_errors(self, x, (lowest, highest), scales, self._norm)
        best = fractions.flatten()[last_least(errors)]
        return best * lowest, best * highest


class NormObserver(MSEObserver):
    """The fraction (1.00, 0.99, ... 0.06) of the batch's range with the least p-norm of the error, moving average.

    Per tensor or per channel. A larger exponent weighs clipped outliers more against the rounding of all values. Of equal
    errors the smallest range wins.

    Args:
        norm: the exponent, positive; 2 is `MSEObserver`.
        stride: try every `stride`-th fraction only; 1..20 is sensible.
        kwargs: as `ObserverBase` takes them.
    """

    def __init__(self, norm: float = NORM_NORM, stride: int = NORM_STRIDE, **kwargs: Any) -> None:
        super().__init__(stride, **kwargs)
        if not norm > 0:
            raise ArgumentError(f"NormObserver: norm must be positive, not {norm}")
        self._norm = float(norm)


class MixObserver(ObserverBase):
    """Of several percentages of each batch's absolute values the one with the least squared error, moving average.

    Per tensor. Of equal errors the smallest range wins.

    Args:
        percentiles: each 0..100.
        bins: of the histogram of absolute values.
        kwargs: as `ObserverBase` takes them.
    """

    _PER_CHANNEL = False

    def __init__(self, percentiles: tuple[float, ...] = MIX_PERCENTILES, bins: int = MIX_BINS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_percentiles(type(self).__name__, percentiles, bins)
        self.percentiles = tuple(sorted(percentiles, reverse=True))
        self.bins = bins

    def _range_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lowest, highest = super()._range_of(x)
        self._require_finite(lowest, highest)
        lows, highs = percentile_ranges(x, lowest, highest, self.percentiles, self.bins)
        errors = batch_errors(self, x, (lowest, highest), self.scale_of(lows, highs)[:, None])
        best = last_least(errors)
        return lows[best], highs[best]


@functools.cache
def fractions_of_range(stride: int, device: torch.device) -> Tensor:
    """Every `stride`-th fraction of a range that is tried, float32 [fractions, 1], the widest first."""
    with torch.inference_mode(False), unrecorded():  # it outlives the caller's mode
        percents = torch.tensor(tuple(_PERCENTS)[::stride], dtype=torch.float32, device=device)
        return (percents / 100.0)[:, None]


def batch_errors(
    observer: ObserverBase, x: Tensor, extremes: tuple[Tensor, Tensor], scales: Tensor, norm: float = _SQUARED
) -> Tensor:
    """What quantizing a batch loses: float64 sums of powers, by default of squares, of the scales' shape.

    A large batch with one scale is counted first, 16 bins to the widest step, and the middle of a bin stands for what is in
    it: that takes the same from the error of every range. Steps of sixteen bits are too fine for that.

    Args:
        observer: whose march rounds, to whose range.
        x: float32, finite.
        extremes: its smallest and largest value, or those of each channel.
        scales: float32 [ranges, channels], the widest first.
        norm: the exponent.
    """
    rows = observer._channels_first(x)
    levels = observer.quant_max - observer.quant_min + 1
    if observer.is_per_channel or x.numel() <= _COUNTED_FROM or levels > _MOST_LEVELS:
        return errors_of(observer, rows, scales, norm=norm)
    low, high = (extreme.item() for extreme in extremes)
    width = scales[0].item() / _BINS_A_STEP
    counts = counts_of(x, low, width, int((high - low) / width) + 1)
    used = counts.nonzero().flatten()
    middles = (low + (used + 0.5) * width).to(torch.float32)
    return errors_of(observer, middles[None], scales, counts[used].to(torch.float64), norm)


def errors_of(
    observer: ObserverBase, x: Tensor, scales: Tensor, counts: Tensor | None = None, norm: float = _SQUARED
) -> Tensor:
    """What quantizing loses: float64 sums of powers, by default of squares, of the scales' shape.

    Args:
        observer: whose march rounds, to whose range.
        x: float32 [channels, n].
        scales: float32 [ranges, channels].
        counts: float64 [n], how often each value occurs; by default once.
        norm: the exponent.
    """
    bounds = (observer.quant_min, observer.quant_max)
    if norm == _SQUARED:
        compiled = one_pass.squared_errors(x, counts, scales, bounds, observer.march, is_weight=observer.is_per_channel)
        if compiled is not None:
            return compiled
    kernels = load(observer.march)
    rounded = kernels.round_weight if observer.is_per_channel else kernels.round_activation
    errors = torch.zeros(scales.shape, dtype=torch.float64, device=x.device)
    size = max(1, _BLOCK // scales.numel())
    weights = (None,) * x.shape[1] if counts is None else torch.split(counts, size)
    for block, weight in zip(torch.split(x, size, dim=1), weights, strict=False):
        steps = block / scales[:, :, None]
        lost = rounded(steps.clone()).clamp_(observer.quant_min, observer.quant_max).sub_(steps)
        lost = lost.square_() if norm == _SQUARED else lost.abs_().pow_(norm)
        errors += lost.sum(-1) if weight is None else lost.to(torch.float64) @ weight
    return errors * scales.to(torch.float64).pow(norm)


def last_least(errors: Tensor) -> Tensor:
    """For each channel the last of the rows with the least error; ranges are listed from the widest."""
    return errors.shape[0] - 1 - errors.flip(0).argmin(0)
