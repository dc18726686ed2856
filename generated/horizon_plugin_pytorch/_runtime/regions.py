# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/regions.py
"""Regions of interest on a feature map: one sample in each bin of each region.

In: a feature map and regions, corners (x1, y1, x2, y2) in pixels of the image, as float32 or as integers in quarters of a
pixel. Out: the samples [regions, C, rows, columns], float or int8. Where samples lie and which regions are legal, the
march's kernels say; an illegal region gives 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .._marches import TRAITS
from .errors import ArgumentError
from .qat_module import raw
from .qtensor import QTensor
from .sampling import Taps, blend_places, blend_places_values, pick

_CORNERS = 4
_ROW = 5
_STEP = 0.25
"""Pixels that an integer corner counts."""


@dataclass(frozen=True, slots=True)
class Regions:
    """L regions of a batch of images.

    Attributes:
        corners: float32 [L, 4], in pixels.
        images: int64 [L]; the image that each lies in.
    """

    corners: Tensor
    images: Tensor

    @classmethod
    def of(cls, corners: Sequence[Tensor]) -> "Regions":
        """From the corners [n, 4] of each image."""
        counts = [len(c) for c in corners]
        images = torch.arange(len(corners), device=corners[0].device)
        return cls(torch.cat(list(corners)), torch.repeat_interleave(images, torch.tensor(counts).to(images.device)))

    def chosen(self, index: Tensor) -> "Regions":
        """Some of the regions."""
        return Regions(self.corners[index], self.images[index])


def box_lists(name: str, boxes: Any, images: int) -> list[Tensor]:
    """The boxes [n, 4] of each image, as they came.

    Raises:
        ArgumentError: not a list of [n, 4] or [1, n, 4], one for each image.
    """
    if not isinstance(boxes, list | tuple) or len(boxes) != images:
        given = f"{len(boxes)} of them" if isinstance(boxes, list | tuple) else f"a {type(boxes).__name__}"
        raise ArgumentError(f"{name} takes boxes as a list, one tensor for each of {images} images, not {given}")
    flat = [b.squeeze(0) if b.dim() == 3 and b.shape[0] == 1 else b for b in boxes]  # noqa: PLR2004
    for b in flat:
        if b.dim() != 2 or b.shape[1] != _CORNERS:  # noqa: PLR2004
            raise ArgumentError(f"{name} takes boxes [n, 4] = left, top, right, bottom, not {list(b.shape)}")
    return flat


def float_regions(name: str, boxes: Any, images: int) -> Regions:
    """Regions of float boxes: a list as `box_lists` takes it, or one tensor [L, 5] whose first column is the image."""
    if isinstance(boxes, Tensor):
        if boxes.dim() != 2 or boxes.shape[1] != _ROW:  # noqa: PLR2004
            raise ArgumentError(f"{name} takes boxes [L, 5] = image, left, top, right, bottom, not {list(boxes.shape)}")
        return Regions(boxes[:, 1:], boxes[:, 0].to(torch.int64))
    return Regions.of([_values(b) for b in box_lists(name, boxes, images)])


def _values(boxes: Tensor) -> Tensor:
    """Corners in pixels, as they are."""
    if isinstance(boxes, QTensor):
        boxes = boxes.dequantize()
    return boxes if boxes.is_floating_point() else boxes.to(torch.float32) * _STEP


def march_regions(module: Any, boxes: Any, images: int, *, quantizes: bool = True) -> Regions:
    """Regions as the march of a module reads them.

    Args:
        module: QAT or quantized.
        boxes: a list as `box_lists` takes it.
        images: how many there are.
        quantizes: whether integer boxes are on their grid; else their values are taken as they are.

    Raises:
        ArgumentError: not such a list, or integers of another scale.
        NotImplementedError: float boxes, where the march takes integers only.
    """
    name = type(module).__name__
    return Regions.of([_pixels(module, name, b, quantizes) for b in box_lists(name, boxes, images)])


def _pixels(module: Any, name: str, boxes: Tensor, quantizes: bool) -> Tensor:
    if isinstance(boxes, QTensor):
        if not quantizes:
            return raw(boxes)
        if float(boxes.q_scale()) != _STEP:
            raise ArgumentError(
                f"{name}: integer boxes count quarters of a pixel, scale 0.25, not {float(boxes.q_scale()):g}: "
                "put QuantStub(scale=0.25) on them"
            )
        boxes = boxes.int_repr()
    if not boxes.is_floating_point():
        corners: Tensor = module.compute.roi_corner(boxes)
        return corners
    if not TRAITS[module.march].float_boxes:
        raise NotImplementedError(
            f"{name}: {module.march} takes integer boxes in quarters of a pixel, not {boxes.dtype}: "
            "put QuantStub(scale=0.25) on them"
        )
    return boxes.to(torch.float32)


@dataclass(frozen=True, slots=True)
class Bins:
    """How regions are sampled.

    Attributes:
        rows: bins of a region, downwards.
        columns: bins of a region, to the right.
        spatial_scale: elements of the map a pixel.
        aligned: whether regions begin half an element earlier.
    """

    rows: int
    columns: int
    spatial_scale: float
    aligned: bool


def sample_integers(kernels: Any, x: Tensor, regions: Regions, bins: Bins) -> Tensor:
    """int8 [N, C, H, W] to int8 [L, C, rows, columns]."""
    rows, columns, legal = _places(kernels, x, regions, bins)
    found = blend_places(kernels, x, rows, columns, zeros=False, images=regions.images)
    return found * legal.to(found.dtype)


def sample_values(kernels: Any, x: Tensor, regions: Regions, bins: Bins) -> Tensor:
    """The same on floats, at the same places, not rounded."""
    rows, columns, legal = _places(kernels, x, regions, bins)
    found = blend_places_values(x, rows, columns, zeros=False, images=regions.images)
    return found * legal.to(found.dtype)


def _places(kernels: Any, x: Tensor, regions: Regions, bins: Bins) -> tuple[Taps, Taps, Tensor]:
    """(rows [L, rows, 1], columns [L, 1, columns], legal [L, 1, 1, 1])."""
    height, width = int(x.shape[-2]), int(x.shape[-1])
    scale = torch.tensor(bins.spatial_scale, dtype=torch.float32, device=x.device)
    left, top, right, bottom = regions.corners.unsqueeze(2).unbind(1)

    def positions(low: Tensor, high: Tensor, count: int) -> Tensor:
        j = torch.arange(count, device=x.device)
        found: Tensor = kernels.roi_position(low, high, j, scale, bins=count, aligned=int(bins.aligned))
        return found

    rows = Taps.at(kernels, positions(top, bottom, bins.rows).unsqueeze(2), height)
    columns = Taps.at(kernels, positions(left, right, bins.columns).unsqueeze(1), width)
    legal = kernels.roi_legal(left, right, scale, size=width) * kernels.roi_legal(top, bottom, scale, size=height)
    return rows, columns, legal.reshape(-1, 1, 1, 1)


def sample_float(x: Tensor, regions: Regions, bins: Bins) -> Tensor:
    """What the float network computes: a sample in the middle of each bin; 0 where it is an element or more outside."""
    left, top, right, bottom = (regions.corners.to(x.dtype) * bins.spatial_scale - bins.aligned * 0.5).unbind(1)
    y, first_row, inside_y = _float_taps(top, bottom, bins.rows, int(x.shape[-2]), bins.aligned)
    x_, first_column, inside_x = _float_taps(left, right, bins.columns, int(x.shape[-1]), bins.aligned)
    row, column = first_row.unsqueeze(2), first_column.unsqueeze(1)
    wy, wx = (y - first_row).unsqueeze(2).unsqueeze(1), (x_ - first_column).unsqueeze(1).unsqueeze(1)

    def line(r: Tensor) -> Tensor:
        before, behind = (pick(x, r, c, zeros=False, images=regions.images) for c in (column, column + 1))
        return torch.lerp(before, behind, wx)

    inside = (inside_y.unsqueeze(2) & inside_x.unsqueeze(1)).unsqueeze(1)
    return torch.lerp(line(row), line(row + 1), wy) * inside.to(x.dtype)


def _float_taps(low: Tensor, high: Tensor, count: int, size: int, aligned: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(coordinates, the elements at or before them, whether they are inside), each [L, count]."""
    extent = high - low if aligned else (high - low).clamp(min=1)
    middle = torch.arange(count, device=low.device).to(low.dtype) + 0.5
    at = low.unsqueeze(1) + middle * (extent / count).unsqueeze(1)
    held = at.clamp(0, size - 1)
    return held, held.floor().to(torch.int64), (at >= -1) & (at <= size)
