# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/straight_through.py
"""Fake quantization of values: onto the integer grid and back to float, with a gradient.

In: float32 values and scales. Out: float32 values `q * scale` with the very integers q that the march's kernels give.
Backward, rounding counts as the identity (straight-through); saturation may stop the gradient.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ..kernels import load
from .dtype import QuantDType
from .grid_pieces import gradient_in_pieces, values_in_pieces
from .one_pass import NO_ENDS, gradient_inside, grid_values, integers
from .qtensor import broadcast_scale
from .recording import unrecorded

Rounding = Callable[[Tensor], Tensor]
RoundedAs = Literal["activation", "weight", "weighted"]
"""Which quotients are rounded, each by a site of the march: values that enter the integers, weights, sums of products."""

_EXACT_BITS = 24  # integers of no more bits are exact in float32, so that they may be saturated there
_BETWEEN = 0.5  # the threshold between a mask's 0 and 1


class _Marks(threading.local):
    wanted = False


_MARKS = _Marks()
_MARKED_BITS = 8


@contextmanager
def marked_quantization() -> Iterator[None]:
    """Quantize up to 8 bits by one operator of torch, for exporters, which know it; it rounds ties to even."""
    before, _MARKS.wanted = _MARKS.wanted, True
    try:
        yield
    finally:
        _MARKS.wanted = before


def is_marked() -> bool:
    """Whether an exporter to ONNX looks at what runs."""
    return _MARKS.wanted


def _as_operator(x: Tensor, scale: Tensor, dtype: QuantDType, axis: int, march: str) -> Tensor:
    zeros = torch.zeros(scale.numel(), dtype=torch.int32, device=scale.device)
    if axis < 0:
        return torch.fake_quantize_per_tensor_affine(x, scale.reshape(()), zeros[0], dtype.min, dtype.max)
    with unrecorded():  # weights: their ties are rounded here, by the march, for the operator rounds them to even
        x = Grid(axis, dtype.min, dtype.max, march, "weight").values(x.detach(), scale, mask=False)[0]
    return torch.fake_quantize_per_channel_affine(x, scale.reshape(-1), zeros, axis, dtype.min, dtype.max)


def default_rounding(axis: int) -> RoundedAs:
    """What quotients are rounded as where nothing is said: of weights where there are channels, else of activations."""
    return "weight" if axis >= 0 else "activation"


def rounding_of(march: str, rounded_as: RoundedAs) -> Rounding:
    """How a march rounds quotients; it may write into them."""
    rounding: Rounding = getattr(load(march), f"round_{rounded_as}")
    return rounding


def quantized_values(x: Tensor, scale: Tensor, dtype: QuantDType, march: str, *, axis: int = -1) -> Tensor:
    """The integers that `fake_quantize_values` multiplies by the scale; NaN is 0.

    Args:
        x: float32, any shape.
        scale: float32, one element, or one for each channel of `axis`.
        dtype: of the result.
        march: its rounding is used.
        axis: the channels' dimension; -1: one scale for all, rounded as an activation.

    Returns:
        Integers in the dtype's storage.
    """
    x, scale, kernels = x.detach(), scale.detach(), load(march)
    if dtype.storage is torch.int8:
        compiled = integers(x, scale, axis, (dtype.min, dtype.max), march)
        if compiled is not None:
            return compiled
    scale = broadcast_scale(scale, x.dim(), axis)
    if dtype.bits > _EXACT_BITS:
        quantize = kernels.quantize_weight if axis >= 0 else kernels.quantize_activation
        wide: Tensor = quantize(x, scale, output=dtype)
        return wide
    rounding: Rounding = kernels.round_weight if axis >= 0 else kernels.round_activation
    whole = torch.nan_to_num_(rounding(x / scale), nan=0.0)
    return whole.clamp_(dtype.min, dtype.max).to(dtype.storage)


def fake_quantize_values(
    x: Tensor,
    scale: Tensor,
    dtype: QuantDType,
    march: str,
    *,
    axis: int = -1,
    rounded_as: RoundedAs | None = None,
    saturate: bool = True,
    in_place: bool = False,
    owns_input: bool = False,
    unsaved: bool = False,
    owns_gradient: bool = False,
    ends: tuple[float, float] = NO_ENDS,
) -> Tensor:
    """clamp(R(clamp(x, ends) / scale), min, max) * scale.

    Args:
        x: floating point, any shape.
        scale: float32, one element, or one for each channel of `axis`; it gets no gradient.
        dtype: its range is the clamp.
        march: its rounding is R.
        axis: the channels' dimension; -1: one scale for all.
        rounded_as: what R rounds; None: a weight where there are channels, else an activation.
        saturate: stop the gradient where R(x / scale) is outside of the range.
        in_place: write the result into `x`.
        owns_input: nobody reads `x` any more, so that it may be overwritten where autograd keeps nothing.
        unsaved: nor does autograd keep `x` for what made it, so that it may be overwritten while it is trained, too.
        owns_gradient: the result has one reader, whose backward makes a gradient that nobody else sees, so that it may
            be overwritten.
        ends: of an activation that clamps; the gradient stops there too. They need `saturate`.

    Returns:
        A plain float32 tensor of the shape of `x`.
    """
    values = x.to(torch.float32)
    if _MARKS.wanted and dtype.bits <= _MARKED_BITS:
        return _as_operator(values, scale.detach(), dtype, axis, march)
    kind: RoundedAs = rounded_as or default_rounding(axis)
    grid = Grid(axis, dtype.min, dtype.max, march, kind, owns_gradient, ends)
    if values.requires_grad and torch.is_grad_enabled():
        trained: Tensor = _StraightThrough.apply(values, scale.detach(), grid, saturate, in_place or unsaved)  # type: ignore[no-untyped-call]
        return trained
    gridded, _ = grid.values(values, scale.detach(), mask=False, overwrite=owns_input)
    return values.copy_(gridded) if in_place else gridded


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid that values are put on: the channels' dimension (-1: none), the integers, the march that rounds, and what.

    `owns_gradient`: whether gradients may be overwritten. `ends`: what values are clamped to before.
    """

    axis: int
    low: int
    high: int
    march: str
    rounded_as: RoundedAs
    owns_gradient: bool = False
    ends: tuple[float, float] = NO_ENDS

    def values(self, x: Tensor, scale: Tensor, *, mask: bool, overwrite: bool = False) -> tuple[Tensor, Tensor | None]:
        """Values on the grid; and, if wanted, a mask of 0 and 1, one byte an element, of what was not saturated."""
        rounding = self.march, self.rounded_as
        bounds = self.low, self.high
        compiled = grid_values(x, scale, self.axis, bounds, rounding, mask=mask, overwrite=overwrite, ends=self.ends)
        if compiled is not None:
            return compiled
        how = self.axis, bounds, rounding_of(*rounding)
        pieces = values_in_pieces(x, scale, *how, mask=mask, overwrite=overwrite, ends=self.ends)
        if pieces is not None:
            return pieces
        if self.ends != NO_ENDS:
            values, inside = replace(self, ends=NO_ENDS).values(x.clamp(*self.ends), scale, mask=mask)
            return values, None if inside is None else inside * ((x > self.ends[0]) & (x < self.ends[1]))
        steps = broadcast_scale(scale, x.dim(), self.axis)
        rounded = rounding_of(*rounding)(x / steps)
        if not mask:
            return rounded.clamp_(self.low, self.high).mul_(steps), None
        clamped = rounded.clamp(self.low, self.high)
        inside = rounded.eq_(clamped).to(torch.uint8)  # in place: a comparison into bools costs several times as much
        return clamped.mul_(steps), inside

    def gradient(self, gradient: Tensor, inside: Tensor) -> Tensor:
        """The gradient where the mask is 1, else 0."""
        compiled = gradient_inside(gradient, inside, self.march, in_place=self.owns_gradient)
        if compiled is None:
            compiled = gradient_in_pieces(gradient, inside, in_place=self.owns_gradient)
        if compiled is not None:
            return compiled
        passed: Tensor = torch.ops.aten.threshold_backward(gradient, inside.to(gradient.dtype), _BETWEEN)
        return passed


grid_of = functools.lru_cache(Grid)


class _StraightThrough(torch.autograd.Function):
    """See `fake_quantize_values`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, grid: Grid, saturate: bool, in_place: bool) -> Tensor:
        values, inside = grid.values(x, scale, mask=saturate, overwrite=in_place)
        if inside is not None:
            ctx.save_for_backward(inside)
            ctx.grid = grid
        if not in_place:
            return values
        ctx.mark_dirty(x)
        return x if values is x else x.copy_(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        if ctx.saved_tensors:
            gradient = ctx.grid.gradient(gradient, *ctx.saved_tensors)
        return gradient, None, None, None, None


class Saturated(torch.autograd.Function):
    """Values that were computed, and the gradient where nothing was saturated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, made: tuple[Tensor, Tensor], grid: Grid, in_place: bool) -> Tensor:
        values, inside = made
        ctx.save_for_backward(inside)
        ctx.grid = grid
        if in_place:
            ctx.mark_dirty(x)
            return x
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (inside,) = ctx.saved_tensors
        return ctx.grid.gradient(*gradients, inside), None, None, None
