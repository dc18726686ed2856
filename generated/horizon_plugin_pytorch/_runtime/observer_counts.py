# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observer_counts.py
"""The base of observers that keep counts: how often each absolute value occurred, over all batches.

In: float tensors. Out: a histogram with bins of one width, which grows with the data; a class below reads a range from it.
"""

import math
from typing import Any

import torch
from torch import Tensor

from .histogram import counts_of
from .observer_base import COUNTS, ObserverBase

_MOST_BINS = 1 << 14  # beyond these, neighbouring bins are merged, so that an early small batch costs no memory


class CountingObserver(ObserverBase):
    """Counts absolute values in bins of one width, that of the first batch's range divided by `bins`. Per tensor.

    Args:
        bins: of the first batch's range; later batches add bins.
        kwargs: as `ObserverBase` takes them.

    Buffers:
        histogram: float64 [bins], counts; empty until a batch holds more than zeros.
        bin_width: float64 [1].
        steps: int64 [1], batches so far.
        largest: float64 [1], the largest absolute value so far.
    """

    _PER_CHANNEL = False
    histogram: Tensor
    bin_width: Tensor
    steps: Tensor
    largest: Tensor

    def __init__(self, bins: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins = bins
        self.register_buffer("histogram", torch.empty(0, dtype=torch.float64))
        self.register_buffer("bin_width", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("largest", torch.zeros(1, dtype=torch.float64))

    def reset_min_max_vals(self) -> None:
        """Forget all data, counts too."""
        super().reset_min_max_vals()
        self.histogram = self.histogram.new_empty(0)
        self.steps.zero_()
        self.largest.zero_()

    def _count(self, x: Tensor) -> None:
        """Add a batch to the histogram, which grows to hold it."""
        lowest, highest = torch.aminmax(x)
        largest = torch.maximum(-lowest, highest).to(torch.float64)
        torch.maximum(self.largest, largest, out=self.largest)
        if self.histogram.numel() == 0:
            if not bool(largest > 0):
                return
            self.histogram = self.histogram.new_zeros(self.bins)
            self.bin_width.copy_(largest / self.bins)
        needed = math.ceil((largest / self.bin_width).item() - 1e-9)
        while needed > _MOST_BINS:
            self._merge_neighbours()
            needed = math.ceil((largest / self.bin_width).item() - 1e-9)
        if needed > self.histogram.numel():
            self.histogram = torch.nn.functional.pad(self.histogram, (0, needed - self.histogram.numel()))
        self.histogram += counts_of(x, 0.0, self.bin_width.item(), self.histogram.numel(), magnitudes=True)

    def _merge_neighbours(self) -> None:
        counts = torch.nn.functional.pad(self.histogram, (0, self.histogram.numel() % 2))
        self.histogram = counts.reshape(-1, 2).sum(1)
        self.bin_width.mul_(2)
        if self.histogram.numel() < self.bins:
            self.histogram = torch.nn.functional.pad(self.histogram, (0, self.bins - self.histogram.numel()))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Counts are taken from a state that has them; the state of another observer starts them anew."""
        for name in COUNTS:
            state_dict.setdefault(prefix + name, torch.zeros_like(getattr(self, name)))
        self.histogram = self.histogram.new_empty(state_dict[prefix + "histogram"].shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
