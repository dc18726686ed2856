# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observers.py
"""Observers: how the range of a batch is found.

In: float tensors. Out: a range for each batch, which the base averages. The names and constructor arguments are those
of `observer_v2`; `observers_v1` holds the older ones.
"""

from typing import Any

import torch
from torch import Tensor

from .._observer_defaults import (
    CLIP_AVERAGING_CONSTANT,
    CLIP_STD_STD_SCALE,
    CLIP_XMAX,
    CLIP_XMIN,
    FIXED_SCALE_AVERAGING_CONSTANT,
    FIXED_SCALE_SCALE,
    PERCENTILE_BINS,
    PERCENTILE_PERCENTILE,
)
from .errors import ArgumentError
from .histogram import counts_of
from .observer_base import ObserverBase


class MinMaxObserver(ObserverBase):
    """Minimum and maximum of each batch, moving average. Per tensor or per channel."""


class PercentileObserver(ObserverBase):
    """The range that holds a percentage of the absolute values of each batch, moving average. Per tensor.

    Args:
        percentile: 0..100.
        bins: of the histogram of absolute values.
        kwargs: as `ObserverBase` takes them.
    """

    _PER_CHANNEL = False

    def __init__(self, percentile: float = PERCENTILE_PERCENTILE, bins: int = PERCENTILE_BINS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_percentiles(type(self).__name__, (percentile,), bins)
        self.percentile = percentile
        self.bins = bins

    def _range_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Clip to the middle of the first bin at which the count reaches the percentage."""
        lowest, highest = super()._range_of(x)
        self._require_finite(lowest, highest)
        return percentile_ranges(x, lowest, highest, (self.percentile,), self.bins)


def check_percentiles(name: str, percentiles: tuple[float, ...], bins: int) -> None:
    """Raise ArgumentError unless there are percentages, and bins to find them in."""
    wrong = [percentile for percentile in percentiles if not 0.0 <= percentile <= 100.0]  # noqa: PLR2004 - percentages
    if wrong or not percentiles:
        raise ArgumentError(f"{name}: percentile must lie in 0..100, not {wrong[0] if wrong else 'nothing'}")
    if bins < 1:
        raise ArgumentError(f"{name}: bins must be positive, not {bins}")


def percentile_ranges(
    x: Tensor, lowest: Tensor, highest: Tensor, percentiles: tuple[float, ...], bins: int
) -> tuple[Tensor, Tensor]:
    """The ranges of `x` that hold some percentages of its absolute values, from one histogram.

    Args:
        x: float32, not empty.
        lowest: its minimum, [1].
        highest: its maximum, [1].
        percentiles: each 0..100.
        bins: of the histogram of absolute values.

    Returns:
        (lowest, highest) of each percentage: the middle of the first bin at which the count reaches it, or the extremes
        of `x` where these are nearer to 0.
    """
    largest = torch.maximum(-lowest, highest)
    if not bool(largest > 0):
        return lowest.expand(len(percentiles)), highest.expand(len(percentiles))
    counts = counts_of(x, 0.0, largest.item() / bins, bins, magnitudes=True).cumsum(0).to(torch.float64)
    reached = torch.tensor([percentile / 100.0 * x.numel() for percentile in percentiles], dtype=torch.float64)
    first = torch.searchsorted(counts, reached.to(counts.device)).clamp(max=bins - 1)
    clips = (first + 0.5) * (largest / bins)
    return torch.maximum(lowest, -clips), torch.minimum(highest, clips)


class ClipObserver(ObserverBase):
    """Moving average, clipped into a given range. Per tensor.

    Args:
        xmin: lowest value, below `xmax`.
        xmax: highest value.
        averaging_constant: weight of a new batch; by default the last batch alone.
        kwargs: as `ObserverBase` takes them.

    Raises:
        ValueError: when a loaded state has a range outside the bounds.
    """

    _PER_CHANNEL = False

    def __init__(
        self,
        xmin: float = CLIP_XMIN,
        xmax: float = CLIP_XMAX,
        averaging_constant: float = CLIP_AVERAGING_CONSTANT,
        **kwargs: Any,
    ) -> None:
        super().__init__(averaging_constant=averaging_constant, **kwargs)
        if not xmin < xmax:
            raise ArgumentError(f"ClipObserver: xmin {xmin} must be less than xmax {xmax}")
        self.xmin = xmin
        self.xmax = xmax

    def _merge(self, lowest: Tensor, highest: Tensor) -> None:
        super()._merge(lowest, highest)
        self.min_val.clamp_(min=self.xmin)
        self.max_val.clamp_(max=self.xmax)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        lowest, highest = state_dict.get(prefix + "min_val"), state_dict.get(prefix + "max_val")
        below = isinstance(lowest, Tensor) and bool((lowest < self.xmin).any())
        above = isinstance(highest, Tensor) and bool((highest > self.xmax).any())
        if below or above:
            raise ValueError(
                f"{prefix.rstrip('.') or 'ClipObserver'}: the loaded range {_shown(lowest)}..{_shown(highest)} was "
                f"observed with other bounds than {self.xmin}..{self.xmax}"
            )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class ClipStdObserver(ObserverBase):
    """The mean of each batch plus and minus a multiple of its standard deviation, no wider than its range. Per tensor.

    Args:
        std_scale: how many standard deviations.
        kwargs: as `ObserverBase` takes them.
    """

    _PER_CHANNEL = False

    def __init__(self, std_scale: float = CLIP_STD_STD_SCALE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not std_scale > 0:
            raise ArgumentError(f"ClipStdObserver: std_scale must be positive, not {std_scale}")
        self.std_scale = std_scale

    def _range_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lowest, highest = super()._range_of(x)
        deviation, mean = torch.std_mean(x, correction=0)
        reach = self.std_scale * deviation
        return torch.maximum(lowest, mean - reach), torch.minimum(highest, mean + reach)


class FixedScaleObserver(ObserverBase):
    """A given scale; observes nothing.

    Args:
        scale: positive.
        zero_point: always 0; dtypes are symmetric.
        averaging_constant: without effect.
        kwargs: as `ObserverBase` takes them.
    """

    def __init__(
        self,
        scale: float | Tensor = FIXED_SCALE_SCALE,
        zero_point: int | Tensor = 0,
        averaging_constant: float = FIXED_SCALE_AVERAGING_CONSTANT,
        **kwargs: Any,
    ) -> None:
        super().__init__(averaging_constant=averaging_constant, **kwargs)
        fixed = torch.as_tensor(scale, dtype=torch.float32).detach().flatten()
        if not bool((torch.isfinite(fixed) & (fixed > 0)).all()):
            raise ArgumentError(f"FixedScaleObserver: scale must be positive, not {scale}")
        if bool(torch.as_tensor(zero_point).ne(0).any()):
            raise ArgumentError(f"FixedScaleObserver: zero_point must be 0 (dtypes are symmetric), not {zero_point}")
        self.scale = tuple(fixed.tolist())

    @property
    def has_data(self) -> bool:
        """The scale is always known."""
        return True

    def forward(self, x: Tensor) -> Tensor:
        """Return the batch."""
        return x

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """(scale float32, zero point int64), as given."""
        scale = torch.tensor(self.scale, dtype=torch.float32, device=self.eps.device)
        return scale, torch.zeros_like(scale, dtype=torch.int64)

    def extra_repr(self) -> str:
        """The scale."""
        return f"scale={self.scale[0] if len(self.scale) == 1 else self.scale}"


def _shown(value: object) -> object:
    return value.tolist() if isinstance(value, Tensor) else value
