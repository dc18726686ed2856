# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/straight_through.py
"""Fake quantization of values: onto the integer grid and back to float, with a gradient.

In: float32 values and scales. Out: float32 values `q * scale` with the very integers q that the march's kernels give.
Backward, rounding counts as the identity (straight-through); saturation may stop the gradient.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ..kernels import load
from .dtype import QuantDType
from .qtensor import broadcast_scale

Rounding = Callable[[Tensor], Tensor]

_EXACT_BITS = 24  # integers of no more bits are exact in float32, so that they may be saturated there
_BETWEEN = 0.5  # the threshold between a mask's 0 and 1


def rounding_of(march: str, *, per_channel: bool) -> Rounding:
    """How quotients are rounded on a march: weights have a scale for each channel, activations one."""
    kernels = load(march)
    rounding: Rounding = kernels.round_weight if per_channel else kernels.round_activation
    return rounding


def quantized_values(x: Tensor, scale: Tensor, dtype: QuantDType, kernels: ModuleType, *, axis: int = -1) -> Tensor:
    """The integers that `fake_quantize_values` multiplies by the scale; NaN is 0.

    Args:
        x: float32, any shape.
        scale: float32, one element, or one for each channel of `axis`.
        dtype: of the result.
        kernels: of the march that rounds.
        axis: the channels' dimension; -1: one scale for all, rounded as an activation.

    Returns:
        Integers in the dtype's storage.
    """
    scale = broadcast_scale(scale.detach(), x.dim(), axis)
    if dtype.bits > _EXACT_BITS:
        quantize = kernels.quantize_weight if axis >= 0 else kernels.quantize_activation
        wide: Tensor = quantize(x.detach(), scale, output=dtype)
        return wide
    rounding: Rounding = kernels.round_weight if axis >= 0 else kernels.round_activation
    whole = torch.nan_to_num_(rounding(x.detach() / scale), nan=0.0)
    return whole.clamp_(dtype.min, dtype.max).to(dtype.storage)


def fake_quantize_values(
    x: Tensor,
    scale: Tensor,
    dtype: QuantDType,
    march: str,
    *,
    axis: int = -1,
    saturate: bool = True,
    in_place: bool = False,
) -> Tensor:
    """clamp(R(x / scale), min, max) * scale.

    Args:
        x: floating point, any shape.
        scale: float32, one element, or one for each channel of `axis`; it gets no gradient.
        dtype: its range is the clamp.
        march: its rounding is R.
        axis: the channels' dimension; -1: one scale for all, rounded as an activation.
        saturate: stop the gradient where R(x / scale) is outside of the range.
        in_place: write the result into `x`.

    Returns:
        A plain float32 tensor of the shape of `x`.
    """
    values = x.to(torch.float32)
    steps = broadcast_scale(scale.detach(), x.dim(), axis)
    rounding = rounding_of(march, per_channel=axis >= 0)
    if values.requires_grad and torch.is_grad_enabled():
        trained: Tensor = _StraightThrough.apply(  # type: ignore[no-untyped-call]
            values, steps, rounding, dtype.min, dtype.max, saturate, in_place
        )
        return trained
    gridded = rounding(values / steps).clamp_(dtype.min, dtype.max).mul_(steps)
    return values.copy_(gridded) if in_place else gridded


class _StraightThrough(torch.autograd.Function):
    """See `fake_quantize_values`; the mask that backward needs is one byte an element.

    Masks are made and applied by the operations that processors do several elements of at a time: a comparison in
    place and the derivative of a threshold. `torch.where` costs ten copies of the tensor.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, rounding: Rounding, low: int, high: int, saturate: bool, in_place: bool
    ) -> Tensor:
        rounded = rounding(x / scale)
        if saturate:
            clamped = rounded.clamp(low, high)
            ctx.save_for_backward(rounded.eq_(clamped).to(torch.int8))
        else:
            clamped = rounded.clamp_(low, high)
        values = clamped.mul_(scale)
        if not in_place:
            return values
        ctx.mark_dirty(x)
        return x.copy_(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        if ctx.saved_tensors:
            (inside,) = ctx.saved_tensors
            gradient = torch.ops.aten.threshold_backward(gradient, inside.to(gradient.dtype), _BETWEEN)
        return gradient, None, None, None, None, None, None
