# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/learnable.py
"""Fake quantizers whose scale is learned: by its own gradient (LSQ), or through a clipping bound (PACT).

In: float tensors. Out: QTensors with float data, rounded by the march's kernels as everywhere, so that a converted
model has the same integers. Only the gradients are those of the papers.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .clamp import Clamp
from .dtype import QuantDType
from .errors import ArgumentError
from .fake_quantize import FakeQuantize
from .observer_base import ObserverBase
from .observers_v1 import MovingAverageMinMaxObserver
from .partial_class import PartialClass
from .qtensor import broadcast_scale
from .straight_through import Rounding, fake_quantize_values, rounding_of

_Observer = type[ObserverBase] | PartialClass


class _LearnableFakeQuantize(FakeQuantize):
    """Learned step size (LSQ): the scale is a parameter.

    The observer sets it during calibration; in QAT with the first batch, unless it was calibrated.

    Args:
        observer: class of the observer.
        scale: the scale before anything is observed; positive.
        zero_point: always 0.
        channel_len: number of channels when the scheme is per channel, else 1.
        use_grad_scaling: multiply the gradient of the scale by 1 / sqrt(elements * largest integer).
        kwargs: as `FakeQuantize` takes them.

    Attributes:
        scale: parameter, float32 [channel_len].
    """

    def __init__(
        self,
        observer: _Observer = MovingAverageMinMaxObserver,
        scale: float | Tensor = 1.0,
        zero_point: int | Tensor = 0,
        channel_len: int = 1,
        use_grad_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(observer, channel_len=channel_len, **kwargs)
        self.use_grad_scaling = use_grad_scaling
        if not self._is_fixed:
            self.set_qparams(scale, zero_point)

    def _make_scale(self) -> None:
        super()._make_scale()
        del self.scale
        self.scale = nn.Parameter(torch.ones(self.channel_len))

    def _observes(self) -> bool:
        calibrating = not self._quantizes()
        return super()._observes() and (calibrating or not self.activation_post_process.has_data)

    def _rescale(self, ratio: float) -> None:
        self._write_scale(self.scale.detach() * ratio)

    def _fake_quantize(self, data: Tensor, activation: Clamp | None) -> Tensor:
        observer = self.activation_post_process
        self.scale.data.abs_().clamp_(min=torch.finfo(torch.float32).eps)
        factor = (data.numel() * observer.quant_max) ** -0.5 if self.use_grad_scaling and data.numel() else 1.0
        rounding = rounding_of(self.march, self.rounding)
        arguments = (self.ch_axis, rounding, observer.quant_min, observer.quant_max, factor)
        x = data.to(torch.float32)
        values: Tensor = _LearnedStep.apply(x, self.scale, *arguments)  # type: ignore[no-untyped-call]
        return values


class _LearnedStep(torch.autograd.Function):
    """clamp(R(x / s), low, high) * s with a gradient for s: q - x / s inside the range, the limit outside of it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, axis: int, rounding: Rounding, low: int, high: int, factor: float
    ) -> Tensor:
        steps = x / broadcast_scale(scale, x.dim(), axis)
        rounded = rounding(steps.clone())
        clamped = rounded.clamp(low, high)
        inside = clamped == rounded
        ctx.save_for_backward(inside, torch.where(inside, clamped - steps, clamped))
        ctx.axis, ctx.factor, ctx.shape = axis, factor, scale.shape
        return clamped.mul_(broadcast_scale(scale, x.dim(), axis))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        inside, slope = ctx.saved_tensors
        per_element = gradient * slope
        others = [dim for dim in range(per_element.dim()) if dim != ctx.axis]
        per_scale = per_element.sum(others) if others else per_element
        return (
            torch.where(inside, gradient, 0.0),
            per_scale.reshape(ctx.shape) * ctx.factor,
            None,
            None,
            None,
            None,
            None,
        )


class PACTFakeQuantize(FakeQuantize):
    """Learned clipping bound (PACT): values are clipped to -alpha..alpha, and alpha makes the scale.

    Args:
        observer: class of the observer, which says dtype and scheme; it observes nothing.
        alpha: the bound to start with; positive.
        channel_len: number of channels when the scheme is per channel, else 1.
        kwargs: as `FakeQuantize` takes them.

    Attributes:
        alpha: parameter, float32 [channel_len].
    """

    def __init__(
        self,
        observer: _Observer = MovingAverageMinMaxObserver,
        alpha: float = 6.0,
        channel_len: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(observer, channel_len=channel_len, **kwargs)
        if not alpha > 0:
            raise ArgumentError(f"PACTFakeQuantize: alpha must be positive, not {alpha}")
        self.alpha = nn.Parameter(torch.full((self.channel_len,), float(alpha)))
        self._follow_alpha()

    def forward(self, x: Tensor, activation: Clamp | None = None) -> Any:
        """As `FakeQuantize`, with the scale that alpha makes."""
        self._follow_alpha()
        return super().forward(x, activation)

    def reset_dtype(self, dtype: QuantDType | str | torch.dtype) -> None:
        """As of `FakeQuantize`; alpha stays, so the scale follows."""
        self.activation_post_process.set_dtype(dtype)
        self._follow_alpha()

    def _follow_alpha(self) -> None:
        bound = self.alpha.detach()
        self._write_scale(self.activation_post_process.scale_of(-bound, bound))

    def _observes(self) -> bool:
        return False

    def _fake_quantize(self, data: Tensor, activation: Clamp | None) -> Tensor:
        bound = broadcast_scale(self.alpha, data.dim(), self.ch_axis)
        clipped = torch.clamp(data.to(torch.float32), -bound, bound)
        observer = self.activation_post_process
        grid = observer.range, self.march
        return fake_quantize_values(
            clipped, self.scale, *grid, axis=self.ch_axis, rounded_as=self.rounding, saturate=False
        )
