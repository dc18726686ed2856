# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/sampling.py
"""Values between the elements of a feature map: which elements are read, and how they are blended.

In: positions, integers in steps of 2**-16 of an element, that a kernel computed. Out: int8 integers, blended by the
march's kernels, or float values blended by the same weights. The kernels say how positions are read, weighted and rounded;
here elements are only fetched. What lies outside of the map repeats its border, or is 0 where the caller says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Self

import torch
from torch import Tensor

from .exact_qat import straight_through
from .qat_module import QATPassThrough, like
from .qtensor import QTensor
from .quantized_module import QuantizedPassThrough, Scaled

WEIGHTS = 256.0
"""The sum of the weights of two neighbours."""


@dataclass(frozen=True, slots=True)
class Taps:
    """What is read along one dimension, for positions of any shape.

    Attributes:
        first: int64; the element at or before a position, which may be outside of the map.
        weight: int64, 0 .. 255; of the element behind it, in 256ths.
        size: how many elements there are.
    """

    first: Tensor
    weight: Tensor
    size: int

    @classmethod
    def at(cls, kernels: ModuleType, position: Tensor, size: int) -> Self:
        """The taps of positions along a dimension of `size` elements."""
        return cls(kernels.tap(position), kernels.tap_weight(position), size)

    @property
    def both(self) -> tuple[Tensor, Tensor]:
        """The two neighbours; those outside are the border's."""
        return bordered(self.first, self.size), bordered(self.first + 1, self.size)

    @property
    def fraction(self) -> Tensor:
        """The weight as float32."""
        return self.weight.to(torch.float32) / WEIGHTS


def bordered(index: Tensor, size: int) -> Tensor:
    """Indices, those outside replaced by the border's."""
    return index.clamp(0, size - 1)


# A grid of rows and columns: the same columns are read in every row.


def blend_grid(kernels: ModuleType, x: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """int8 [..., H, W] to int8 [..., rows, columns]."""
    left, right = (x.index_select(-1, index) for index in columns.both)
    across = kernels.blend_across(left, right, columns.weight)
    top, bottom = (across.index_select(-2, index) for index in rows.both)
    blended: Tensor = kernels.blend_down(top, bottom, rows.weight.unsqueeze(-1))
    return blended


def blend_grid_values(x: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """The same on floats, not rounded."""
    left, right = (x.index_select(-1, index) for index in columns.both)
    across = torch.lerp(left, right, columns.fraction.to(x.dtype))
    top, bottom = (across.index_select(-2, index) for index in rows.both)
    return torch.lerp(top, bottom, rows.fraction.to(x.dtype).unsqueeze(-1))


# Positions of their own for each sample.


def pick(x: Tensor, row: Tensor, column: Tensor, *, zeros: bool, images: Tensor | None = None) -> Tensor:
    """Elements at indices.

    Args:
        x: [N, C, H, W], integers or floats.
        row: int64 [L, ...]; may lie outside.
        column: the same; both broadcast.
        zeros: what lies outside is 0; else the border's element.
        images: int64 [L]; the image that each of the L reads. None: L is N, each reads its own.

    Returns:
        [L, C, ...].
    """
    n, channels, height, width = x.shape
    place = bordered(row, height) * width + bordered(column, width)
    images = torch.arange(n, device=x.device) if images is None else images
    place = place + images.reshape(-1, *([1] * (place.dim() - 1))) * (height * width)
    flat = x.transpose(0, 1).reshape(channels, -1).index_select(1, place.flatten())
    picked = flat.reshape(channels, *place.shape).transpose(0, 1)
    if not zeros:
        return picked
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return picked * inside.unsqueeze(1).to(picked.dtype)


def blend_places(
    kernels: ModuleType, x: Tensor, rows: Taps, columns: Taps, *, zeros: bool, images: Tensor | None = None
) -> Tensor:
    """int8 [N, C, H, W] at places [L, ...] to int8 [L, C, ...]; see `pick`."""
    corners = _corners(x, rows, columns, zeros, images)
    wx, wy = columns.weight.unsqueeze(1), rows.weight.unsqueeze(1)
    top, bottom = (kernels.blend_across(left, right, wx) for left, right in corners)
    blended: Tensor = kernels.blend_down(top, bottom, wy)
    return blended


def blend_places_values(x: Tensor, rows: Taps, columns: Taps, *, zeros: bool, images: Tensor | None = None) -> Tensor:
    """The same on floats, not rounded."""
    corners = _corners(x, rows, columns, zeros, images)
    wx, wy = columns.fraction.to(x.dtype).unsqueeze(1), rows.fraction.to(x.dtype).unsqueeze(1)
    top, bottom = (torch.lerp(left, right, wx) for left, right in corners)
    return torch.lerp(top, bottom, wy)


def _corners(
    x: Tensor, rows: Taps, columns: Taps, zeros: bool, images: Tensor | None
) -> tuple[tuple[Tensor, Tensor], ...]:
    """((top left, top right), (bottom left, bottom right))."""
    return tuple(
        (
            pick(x, row, columns.first, zeros=zeros, images=images),
            pick(x, row, columns.first + 1, zeros=zeros, images=images),
        )
        for row in (rows.first, rows.first + 1)
    )


# What modules that sample have in common.


class QATSampled(QATPassThrough):
    """A QAT module whose values are those of the march's integers, with the gradient of a float computation.

    The integers need nothing that training has to find, so nothing is simulated: the output keeps the scale of the
    feature map, and the integers are computed as the converted model does.
    """

    def _values(self, x: Tensor, computed: Tensor, integers: Callable[[Tensor], Tensor]) -> Tensor:
        """`computed` from `x`, with the values of its integers where fake quantizers quantize.

        Args:
            x: the feature map.
            computed: the float result.
            integers: int8 feature map -> int8 result.
        """
        if isinstance(x, QTensor) and self.quantizes:
            with torch.no_grad():
                values = integers(x.int_repr()).to(torch.float32) * x.q_scale()
            computed = straight_through(computed, values)
        return like(x, computed)


class QuantizedSampled(QuantizedPassThrough):
    """A quantized module that samples; the output keeps the scale of the feature map."""

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """The march must support the dtype; the rest depends on sizes."""
        if inputs[0] is not None:
            self._check(inputs[0])
        return inputs[0]
