# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observer_histogram.py
"""Observers that read a range from the counts of all batches, by a method that may be changed afterwards.

In: float tensors, whose absolute values are counted. Out: a symmetric range, found anew after each batch; no moving
average. `HistogramObserver.reset_scale` finds the scales of a calibrated model again, by another method or for another
dtype, without data. `CalibObserver` has the older name and arguments.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .._observer_defaults import (
    CALIB_METHOD,
    CALIB_NUM_BINS,
    CALIB_NUM_BITS,
    CALIB_PERCENTILE,
    HISTOGRAM_BINS,
    HISTOGRAM_METHOD,
    HISTOGRAM_PERCENTILE,
)
from ..dtype import DTYPES
from .dtype import QuantDType
from .errors import ArgumentError
from .observer_counts import CountingObserver
from .observer_entropy import least_divergent
from .observer_search import errors_of, fractions_of_range, last_least
from .observers import check_percentiles
from .user_input import did_you_mean


class HistogramObserver(CountingObserver):
    """The range that a method finds in the counts of all batches. Per tensor.

    Args:
        method: "min_max": the extremes; "percentile": what holds a percentage of the absolute values; "mse": the fraction
            of the extremes with the least squared error; "kl": the bound with the least divergence, as of `KLObserver`.
        method_kwargs: `{"percentile": 99.9}` for the method of that name; the others take nothing.
        bins: of the first batch's range.
        kwargs: as `ObserverBase` takes them; averaging_constant has no effect.
    """

    def __init__(
        self,
        method: str = HISTOGRAM_METHOD,
        method_kwargs: Mapping[str, Any] | None = None,
        bins: int = HISTOGRAM_BINS,
        **kwargs: Any,
    ) -> None:
        super().__init__(bins, **kwargs)
        self.set_method(method, method_kwargs)

    def set_method(self, method: str, method_kwargs: Mapping[str, Any] | None = None) -> None:
        """Choose how a range is found from now on; arguments as of the class.

        Raises:
            ArgumentError: an unknown method, or an argument that it does not take.
        """
        name = type(self).__name__
        if method not in _BOUNDS:
            known = ", ".join(_BOUNDS)
            raise ArgumentError(f"{name}: method must be one of {known}, not {method!r}{did_you_mean(method, _BOUNDS)}")
        given = dict(method_kwargs or {})
        unknown = given.keys() - ({"percentile"} if method == "percentile" else set())
        if unknown:
            raise ArgumentError(f"{name}: method {method!r} does not take {', '.join(sorted(unknown))}")
        percentile = given.get("percentile", HISTOGRAM_PERCENTILE)
        check_percentiles(name, (percentile,), self.bins)
        self.method, self.percentile = method, percentile

    @staticmethod
    def reset_scale(
        model: nn.Module,
        method: str,
        method_kwargs: Mapping[str, Any] | None = None,
        dtype: QuantDType | str | None = None,
        prefix: str | tuple[str, ...] = "",
    ) -> tuple[str, ...]:
        """Find the scales of a calibrated model again from the counts that its observers kept; no data are needed.

        Args:
            model: prepared with this observer, and calibrated.
            method: as of the class.
            method_kwargs: as of the class.
            dtype: another dtype of the outputs; None: as it is.
            prefix: of the qualified names of the layers, or several; all by default.

        Returns:
            The names of the fake quantizers whose scale was set.

        Raises:
            ArgumentError: no layer with such a prefix has counts, or as for the class.
        """
        counted = {name: found for name, found in _counted(model) if name.startswith(prefix)}
        if not counted:
            raise ArgumentError(
                f"reset_scale: no layer below {prefix!r} has a HistogramObserver that has seen data; prepare the model with "
                "it and calibrate first"
            )
        for fake_quant, observer in counted.values():
            observer.set_method(method, method_kwargs)
            observer.read_range()
            fake_quant.reset_dtype(observer.dtype if dtype is None else dtype)
        return tuple(counted)

    def read_range(self) -> None:
        """Find the range in the counts."""
        if self.histogram.numel():
            bound = _BOUNDS[self.method](self).to(torch.float32).reshape(1)
            self._copy_range(-bound, bound)

    def _observe(self, x: Tensor) -> None:
        lowest, highest = self._range_of(x)
        self._require_finite(lowest, highest)
        self._count(x)
        self.steps += 1
        self._copy_range(lowest, highest)  # of zeros alone there are no counts
        self.read_range()


class CalibObserver(HistogramObserver):
    """The percentage or the least divergence of the counts of all batches, by its older arguments. Per tensor.

    Args:
        num_bits: of the dtype, where `dtype` does not say it.
        axis: None; counts are taken per tensor.
        unsigned: False; the dtypes are signed.
        num_bins: of the first batch's range.
        skip_zeros: do not count zeros.
        method: "percentile" or "entropy".
        percentile: 0..100, of the method of that name.
        kwargs: as `ObserverBase` takes them.

    Raises:
        ArgumentError: an axis, unsigned integers, or bits that no dtype has.
    """

    def __init__(
        self,
        num_bits: int = CALIB_NUM_BITS,
        axis: int | None = None,
        unsigned: bool = False,
        num_bins: int = CALIB_NUM_BINS,
        skip_zeros: bool = False,
        method: str = CALIB_METHOD,
        percentile: float = CALIB_PERCENTILE,
        **kwargs: Any,
    ) -> None:
        if axis is not None or unsigned:
            raise ArgumentError("CalibObserver counts signed values per tensor: leave axis=None and unsigned=False")
        if method not in _LEGACY_METHODS:
            known = " or ".join(_LEGACY_METHODS)
            raise ArgumentError(f"CalibObserver: method must be {known}, not {method!r}")
        arguments = {"percentile": percentile} if method == "percentile" else None
        super().__init__(_LEGACY_METHODS[method], arguments, num_bins, **{"dtype": _signed_dtype(num_bits), **kwargs})
        self.skip_zeros = skip_zeros

    def _count(self, x: Tensor) -> None:
        super()._count(x[x != 0] if self.skip_zeros and bool((x != 0).any()) else x)


def _counted(model: nn.Module) -> Iterator[tuple[str, tuple[Any, HistogramObserver]]]:
    """The fake quantizers whose observers have counts, by name."""
    for name, fake_quant in model.named_modules():
        observer = getattr(fake_quant, "activation_post_process", None)
        if isinstance(observer, HistogramObserver) and observer.histogram.numel():
            yield name, (fake_quant, observer)


def _signed_dtype(bits: int) -> QuantDType:
    found = [dtype for dtype in DTYPES.values() if dtype.bits == bits and dtype.min < 0]
    if not found:
        raise ArgumentError(f"CalibObserver: no signed dtype has num_bits={bits}")
    return found[0]


def _largest(observer: HistogramObserver) -> Tensor:
    return observer.largest


def _percentile_bound(observer: HistogramObserver) -> Tensor:
    """The middle of the first bin at which the count reaches the percentage."""
    totals = observer.histogram.cumsum(0)
    reached = (totals >= observer.percentile / 100.0 * totals[-1]).to(torch.int8).argmax()
    return torch.minimum((reached + 0.5) * observer.bin_width, observer.largest)


def _least_squared_error(observer: HistogramObserver) -> Tensor:
    """The fraction of the largest value with the least squared error; the middle of a bin stands for what is in it."""
    bounds = (fractions_of_range(1, observer.largest.device).flatten() * observer.largest).to(torch.float32)
    used = observer.histogram.nonzero().flatten()
    middles = ((used + 0.5) * observer.bin_width).to(torch.float32)
    scales = observer.scale_of(-bounds, bounds)[:, None]
    return bounds[last_least(errors_of(observer, middles[None], scales, observer.histogram[used]))]


def _least_divergence(observer: HistogramObserver) -> Tensor:
    return least_divergent(observer.histogram, -observer.quant_min) * observer.bin_width


_BOUNDS = {
    "min_max": _largest,
    "percentile": _percentile_bound,
    "mse": _least_squared_error,
    "kl": _least_divergence,
}
"""Method -> the largest absolute value that stays in range."""

_LEGACY_METHODS = {"percentile": "percentile", "entropy": "kl"}
