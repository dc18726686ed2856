# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observers_v1.py
"""Observers under their older names, with their older constructor arguments.

In: float tensors. Out: the same ranges as the classes of `observers`; two of them keep the extremes of all batches.
"""

from typing import Any

import torch
from torch import Tensor

from .._observer_defaults import CLIP_XMAX, CLIP_XMIN, MIN_MAX_AVERAGING_CONSTANT
from . import observers
from .dtype import QuantDType
from .observer_base import ObserverBase

_DType = QuantDType | str | torch.dtype


class _RunningExtremes(ObserverBase):
    """The extremes of all batches, not averaged."""

    def _merge(self, lowest: Tensor, highest: Tensor) -> None:
        if self.has_data:
            lowest = torch.minimum(self.min_val, lowest)
            highest = torch.maximum(self.max_val, highest)
        self._copy_range(lowest, highest)


class MinMaxObserver(_RunningExtremes):
    """Smallest and largest value of all batches; arguments as for `ObserverBase`. Per tensor."""

    _PER_CHANNEL = False

    def __init__(
        self,
        dtype: _DType = "qint8",
        qscheme: torch.qscheme = torch.per_tensor_symmetric,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_sync_quantize: bool = False,
        factory_kwargs: dict[str, Any] | None = None,
        ch_axis: int = -1,
    ) -> None:
        super().__init__(
            MIN_MAX_AVERAGING_CONSTANT, -1, dtype, qscheme, quant_min, quant_max, is_sync_quantize, factory_kwargs
        )


class PerChannelMinMaxObserver(_RunningExtremes):
    """Smallest and largest value of all batches, for each channel; arguments as for `ObserverBase`."""

    def __init__(
        self,
        ch_axis: int = 0,
        dtype: _DType = "qint8",
        qscheme: torch.qscheme = torch.per_channel_symmetric,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_sync_quantize: bool = False,
        factory_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            MIN_MAX_AVERAGING_CONSTANT, ch_axis, dtype, qscheme, quant_min, quant_max, is_sync_quantize, factory_kwargs
        )


class MovingAverageMinMaxObserver(observers.MinMaxObserver):
    """Minimum and maximum of each batch, moving average; arguments as for `ObserverBase`."""

    def __init__(
        self,
        averaging_constant: float = MIN_MAX_AVERAGING_CONSTANT,
        dtype: _DType = "qint8",
        qscheme: torch.qscheme = torch.per_tensor_symmetric,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_sync_quantize: bool = False,
        factory_kwargs: dict[str, Any] | None = None,
        ch_axis: int = -1,
    ) -> None:
        super().__init__(
            averaging_constant, ch_axis, dtype, qscheme, quant_min, quant_max, is_sync_quantize, factory_kwargs
        )


class MovingAveragePerChannelMinMaxObserver(observers.MinMaxObserver):
    """Minimum and maximum of each channel of each batch, moving average; arguments as for `ObserverBase`."""

    def __init__(
        self,
        averaging_constant: float = MIN_MAX_AVERAGING_CONSTANT,
        ch_axis: int = 0,
        dtype: _DType = "qint8",
        qscheme: torch.qscheme = torch.per_channel_symmetric,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_sync_quantize: bool = False,
        factory_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            averaging_constant, ch_axis, dtype, qscheme, quant_min, quant_max, is_sync_quantize, factory_kwargs
        )


class ClipObserver(observers.ClipObserver):
    """The range of the last batch, clipped into a given range. Per tensor.

    Args:
        xmin: lowest value, below `xmax`.
        xmax: highest value.
        dtype: the quantized dtype.
        kwargs: as `ObserverBase` takes them.
    """

    def __init__(
        self, xmin: float = CLIP_XMIN, xmax: float = CLIP_XMAX, dtype: _DType = "qint8", **kwargs: Any
    ) -> None:
        super().__init__(xmin, xmax, 1.0, dtype=dtype, **kwargs)


class FixedScaleObserver(observers.FixedScaleObserver):
    """A given scale; observes nothing.

    Args:
        scale: positive.
        zero_point: always 0.
        dtype: the quantized dtype.
        kwargs: as `ObserverBase` takes them.
    """

    def __init__(
        self, scale: float | Tensor, zero_point: int | Tensor = 0, dtype: _DType = "qint8", **kwargs: Any
    ) -> None:
        super().__init__(scale, zero_point, dtype=dtype, **kwargs)
