# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observer_base.py
"""What every observer has: a dtype, a range, the smallest and largest value seen, and a scale that follows from them.

In: float tensors during calibration or training. Out: float32 scales by the rule of the march that was set when the
observer was made. An observer of a class below adds how a batch's range is found.
"""

import math
import warnings
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.ao.quantization import ObserverBase as TorchObserverBase

from .._observer_defaults import MIN_MAX_AVERAGING_CONSTANT
from ..dtype import get_horizon_quant_dtype
from ..kernels import load
from .dtype import QuantDType
from .errors import ArgumentError
from .march import require_march
from .observe_pieces import average_extremes
from .one_pass import extremes, observe
from .partial_class import PartialClass

PER_CHANNEL = (torch.per_channel_symmetric,)
_SCHEMES = (torch.per_tensor_symmetric, *PER_CHANNEL)
COUNTS = ("histogram", "bin_width", "steps", "largest")
"""Buffers of observers that count; others load their states without them."""

OF_ONE_PASS = (
    "forward",
    "calculate_qparams",
    "scale_of",
    "_observe",
    "_range_of",
    "_merge",
    "_synchronized",
    "has_data",
)
"""What a class must leave as it is in the base."""

_EPSILON = torch.finfo(torch.float32).eps


class ObserverBase(TorchObserverBase):
    """Base of observers.

    Args:
        averaging_constant: weight of a new batch in the moving average; 0 freezes, 1 keeps the last batch only.
        ch_axis: the dimension of the channels; used when `qscheme` is per channel.
        dtype: the quantized dtype: object, name or torch dtype.
        qscheme: `torch.per_tensor_symmetric` or `torch.per_channel_symmetric`.
        quant_min: smallest integer, when it is to be larger than the dtype's.
        quant_max: largest integer, when it is to be smaller than the dtype's.
        is_sync_quantize: whether ranges are united over all processes of `torch.distributed`.
        factory_kwargs: `device` and `dtype` of the buffers.

    Buffers:
        eps: float32 [1], the smallest scale.
        min_val, max_val: float32 [1] or [channels]; empty until data are seen.

    Raises:
        ArgumentError: a range, scheme or constant that is none.
    """

    _PER_CHANNEL: ClassVar[bool] = True
    _IN_ONE_PASS: ClassVar[bool] = True
    """Whether ranges are found, averaged and made scales as here, so that one pass can do it all."""
    eps: Tensor
    min_val: Tensor
    max_val: Tensor
    dtype: QuantDType
    qscheme: torch.qscheme
    averaging_constant: float
    ch_axis: int
    quant_min: int
    quant_max: int
    is_sync_quantize: bool
    march: str

    def __init__(
        self,
        averaging_constant: float = MIN_MAX_AVERAGING_CONSTANT,
        ch_axis: int = -1,
        dtype: QuantDType | str | torch.dtype = "qint8",
        qscheme: torch.qscheme = torch.per_tensor_symmetric,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_sync_quantize: bool = False,
        factory_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(dtype=get_horizon_quant_dtype(dtype))
        name = type(self).__name__
        self._check_scheme(qscheme, ch_axis)
        if not 0.0 <= averaging_constant <= 1.0:
            raise ArgumentError(f"{name}: averaging_constant must lie in 0..1, not {averaging_constant}")
        lowest, highest = _checked_range(name, self.dtype, quant_min, quant_max)
        self.__dict__.update(  # plain values; a module looks into all it holds before it lets one be assigned
            averaging_constant=averaging_constant,
            qscheme=qscheme,
            ch_axis=ch_axis if qscheme in PER_CHANNEL else -1,
            quant_min=lowest,
            quant_max=highest,
            is_sync_quantize=is_sync_quantize,
            march=require_march(name),
        )
        kind = {"device": None, "dtype": torch.float32, **(factory_kwargs or {})}
        self.register_buffer("eps", torch.tensor([_EPSILON], **kind))
        self.register_buffer("min_val", torch.empty(0, **kind))
        self.register_buffer("max_val", torch.empty(0, **kind))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._IN_ONE_PASS = all(getattr(cls, name) is getattr(ObserverBase, name) for name in OF_ONE_PASS)

    @classmethod
    def with_args(cls, **kwargs: Any) -> PartialClass:
        """A factory of this class with arguments; extend it with its own `with_args`."""
        return PartialClass(cls, kwargs)

    @property
    def is_per_channel(self) -> bool:
        """Whether there is one scale for each channel."""
        return self.qscheme in PER_CHANNEL

    @property
    def has_data(self) -> bool:
        """Whether a range is known."""
        return self.min_val.numel() > 0

    def forward(self, x: Tensor) -> Tensor:
        """Observe a batch; returns it unchanged.

        Raises:
            ValueError: NaN or Inf in the batch.
        """
        if x.numel() > 0:
            self._observe(x.detach().to(torch.float32))
        return x

    def observe_into(self, x: Tensor, scale: Tensor, ends: tuple[float, float]) -> bool:
        """Observe a batch, clamped to `ends`, and write the scale that follows into `scale`, at once.

        Returns:
            False: nothing happened, for there is no such way for this observer, batch or machine, or the batch is not
            finite; then call the observer.
        """
        held = self.averaged_extremes()
        if held is None:
            return False
        how, bounds = (self.ch_axis, (*held, scale), self.averaging_constant), (self.quant_min, self.quant_max)
        return observe(x, *how, bounds, self.march, ends) or average_extremes(x, *how, self.scale_of, ends)

    def averaged_extremes(self) -> tuple[Tensor, Tensor] | None:
        """(smallest, largest) so far, where nothing but the extremes of a batch enters them, and in one process."""
        return self._held() if self._IN_ONE_PASS else None

    def _held(self) -> tuple[Tensor, Tensor] | None:
        lowest, highest = self._buffers["min_val"], self._buffers["max_val"]
        if self.is_sync_quantize or self._forward_hooks or lowest is None or highest is None or not lowest.numel():
            return None  # the first batch shapes the buffers
        return lowest, highest

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """(scale float32, zero point int64), one element or one a channel; before any data a warning and 1."""
        if not self.has_data:
            warnings.warn(
                f"must run observer before calling calculate_qparams: {type(self).__name__} has seen no data, "
                "so its scale is 1",
                stacklevel=2,
            )
            return torch.ones_like(self.eps), torch.zeros_like(self.eps, dtype=torch.int64)
        scale = self.scale_of(*self._synchronized())
        return scale, torch.zeros_like(scale, dtype=torch.int64)

    def scale_of(self, lowest: Tensor, highest: Tensor) -> Tensor:
        """The scale that covers a range by the rule of the march; float32 of the arguments' shape."""
        scale: Tensor = load(self.march).observer_scale(lowest, highest, output=self.range)
        return scale

    def reset_min_max_vals(self) -> None:
        """Forget all data."""
        self.min_val, self.max_val = self.min_val.new_empty(0), self.max_val.new_empty(0)

    def set_dtype(self, dtype: QuantDType | str | torch.dtype) -> None:
        """Take another dtype, with all of its integers; what was observed stays."""
        self.dtype = get_horizon_quant_dtype(dtype)
        self.quant_min, self.quant_max = self.dtype.min, self.dtype.max

    def extra_repr(self) -> str:
        """The range seen."""
        return f"min_val={self.min_val.tolist()}, max_val={self.max_val.tolist()}"

    @property
    def range(self) -> QuantDType:
        """The dtype with the range of integers that is used."""
        if (self.quant_min, self.quant_max) == (self.dtype.min, self.dtype.max):
            return self.dtype
        return self.dtype.with_range(self.quant_min, self.quant_max)

    def _observe(self, x: Tensor) -> None:
        """Take the range of a batch into account; `x` is float32, detached and not empty."""
        lowest, highest = self._range_of(x)
        self._require_finite(lowest, highest)
        self._merge(lowest, highest)

    def _range_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(lowest, highest) of a batch, each [1] or [channels]; by default its minimum and maximum."""
        if self.is_per_channel:
            rows = self._channels_first(x)
            # aminmax along a dimension takes several times as long
            return extremes(rows, self.march) or (rows.amin(1), rows.amax(1))
        lowest, highest = torch.aminmax(x)
        return lowest.reshape(1), highest.reshape(1)

    def _merge(self, lowest: Tensor, highest: Tensor) -> None:
        """Let a batch's range into the range so far: moving average, the first batch copies."""
        constant = self.averaging_constant
        if not self.has_data:
            self._copy_range(lowest, highest)
        elif lowest.shape != self.min_val.reshape(-1).shape:
            raise ArgumentError(
                f"{type(self).__name__}: observed {self.min_val.numel()} channels before and {lowest.numel()} now"
            )
        elif constant == 1.0:
            self._copy_range(lowest, highest)
        elif constant > 0.0:
            for value, current in ((self.min_val, lowest), (self.max_val, highest)):
                value.add_(constant * (current.reshape(value.shape) - value))

    def _copy_range(self, lowest: Tensor, highest: Tensor) -> None:
        self.min_val.resize_(lowest.shape).copy_(lowest)
        self.max_val.resize_(highest.shape).copy_(highest)

    def _channels_first(self, x: Tensor) -> Tensor:
        """[channels, everything else]; one row when the scheme is per tensor."""
        if not self.is_per_channel:
            return x.reshape(1, -1)
        if not -x.dim() <= self.ch_axis < x.dim():
            raise ArgumentError(f"{type(self).__name__}: ch_axis {self.ch_axis} is no dimension of {list(x.shape)}")
        return x.movedim(self.ch_axis, 0).flatten(1) if x.dim() > 1 else x.reshape(-1, 1)

    def _require_finite(self, lowest: Tensor, highest: Tensor) -> None:
        if not math.isfinite((highest - lowest).max().item()):
            raise ValueError(
                f"{type(self).__name__} was given NaN or Inf, or a range beyond float32 "
                f"({lowest.min().item()} to {highest.max().item()}). Check the input data and the layers before it; "
                "in training, lower the learning rate or clip gradients"
            )

    def _synchronized(self) -> tuple[Tensor, Tensor]:
        lowest, highest = self.min_val.reshape(-1), self.max_val.reshape(-1)
        if self.is_sync_quantize and dist.is_available() and dist.is_initialized():
            lowest, highest = lowest.clone(), highest.clone()
            dist.all_reduce(lowest, dist.ReduceOp.MIN)
            dist.all_reduce(highest, dist.ReduceOp.MAX)
        return lowest, highest

    def _check_scheme(self, qscheme: torch.qscheme, ch_axis: int) -> None:
        name = type(self).__name__
        if qscheme not in _SCHEMES:
            known = " or ".join(map(str, _SCHEMES))
            raise ArgumentError(f"{name}: qscheme must be {known} (dtypes are symmetric), not {qscheme}")
        if qscheme in PER_CHANNEL and not self._PER_CHANNEL:
            raise ArgumentError(f"{name} works per tensor only; use torch.per_tensor_symmetric")
        if qscheme in PER_CHANNEL and ch_axis < 0:
            raise ArgumentError(
                f"{name}: a per-channel qscheme needs ch_axis, the dimension of the channels (0 for weights)"
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Ranges take the shape that they were saved with; the counts of an observer that has some are left out."""
        own = dict(self.named_buffers())
        for name in COUNTS:
            if name not in own:
                state_dict.pop(prefix + name, None)
        for name in ("min_val", "max_val"):
            saved = state_dict.get(prefix + name)
            if isinstance(saved, Tensor):
                getattr(self, name).resize_(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _checked_range(name: str, dtype: QuantDType, quant_min: int | None, quant_max: int | None) -> tuple[int, int]:
    """The range of integers, checked: it lies inside the dtype's, and 0 inside it."""
    lowest = dtype.min if quant_min is None else quant_min
    highest = dtype.max if quant_max is None else quant_max
    if not lowest < highest:
        raise ArgumentError(f"{name}: quant_min {lowest} must be less than quant_max {highest}")
    if not lowest <= 0 <= highest:
        raise ArgumentError(f"{name}: quant_min..quant_max must contain 0, not {lowest}..{highest}")
    if lowest < dtype.min or highest > dtype.max:
        raise ArgumentError(f"{name}: {lowest}..{highest} is not inside the range of {dtype}, {dtype.min}..{dtype.max}")
    return lowest, highest
