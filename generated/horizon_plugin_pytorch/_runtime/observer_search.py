# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/observer_search.py
"""The observer that searches: which fraction of a batch's range loses least when it is quantized.

In: float tensors. Out: the range with the least squared error among 95 fractions of the batch's own. All fractions are
tried on one block of the batch at a time, so that the work stays in the processor's cache.
"""

from typing import Any

import torch
from torch import Tensor

from .._observer_defaults import MSE_STRIDE
from ..kernels import load
from .errors import ArgumentError
from .observers import MinMaxObserver

_PERCENTS = range(100, 5, -1)
_BLOCK = 1 << 18  # elements of one intermediate tensor


class MSEObserver(MinMaxObserver):
    """The fraction (1.00, 0.99, ... 0.06) of the batch's range with the least squared error, moving average.

    Per tensor or per channel. Of equal errors the smallest range wins.

    Args:
        stride: try every `stride`-th fraction only; 1..20 is sensible.
        kwargs: as `ObserverBase` takes them.
    """

    def __init__(self, stride: int = MSE_STRIDE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stride < 1:
            raise ArgumentError(f"MSEObserver: stride must be positive, not {stride}")
        self.stride = stride

    def _range_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lowest, highest = super()._range_of(x)
        self._require_finite(lowest, highest)
        percents = torch.tensor(tuple(_PERCENTS)[:: self.stride], dtype=torch.float32, device=x.device)
        fractions = (percents / 100.0)[:, None]
        errors = self._errors(self._channels_first(x), self.scale_of(fractions * lowest, fractions * highest))
        best = fractions.flatten()[errors.shape[0] - 1 - errors.flip(0).argmin(0)]
        return best * lowest, best * highest

    def _errors(self, x: Tensor, scales: Tensor) -> Tensor:
        """Squared errors of x [channels, n] quantized with scales [fractions, channels]: float64, of the scales' shape."""
        kernels = load(self.march)
        rounded = kernels.round_weight if self.is_per_channel else kernels.round_activation
        errors = torch.zeros(scales.shape, dtype=torch.float64, device=x.device)
        for block in torch.split(x, max(1, _BLOCK // scales.numel()), dim=1):
            steps = block / scales[:, :, None]
            lost = rounded(steps).clamp_(self.quant_min, self.quant_max).sub_(steps)
            errors += lost.square_().sum(-1)
        return errors * scales.to(torch.float64).square()
