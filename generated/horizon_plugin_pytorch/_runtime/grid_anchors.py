# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/grid_anchors.py
"""Anchors: boxes of some sizes and shapes, around every position of every feature map.

In: feature maps, of which only the sizes are read; they may be float or QTensors of any dtype. Out: float32 boxes.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from .errors import ArgumentError
from .host import HostModule

_LAYOUTS = ("rows", "maps")
Levels = tuple[tuple[float, ...], ...]


class GridAnchors(HostModule):
    """Boxes of each size and aspect ratio, around each position of each level.

    Args:
        sizes: for each level the square roots of the boxes' areas, in pixels; a number counts as one size.
        aspect_ratios: for each level the heights over the widths; one list for all levels will do.
        strides: for each level the pixels between positions, one number or (y, x); None: image size over map size.
        layout: "rows": for each image float32 [boxes of all levels, 4]; "maps": for each level
            float32 [N, boxes of a position * 4, H, W].

    Raises:
        ArgumentError: lists of different lengths, or an unknown layout.
    """

    def __init__(
        self,
        sizes: Sequence[Any] = ((128, 256, 512),),
        aspect_ratios: Sequence[Any] = ((0.5, 1.0, 2.0),),
        strides: Sequence[Any] | None = None,
        layout: str = "rows",
    ) -> None:
        super().__init__()
        self.sizes = _levels(sizes)
        ratios = _levels(aspect_ratios if isinstance(aspect_ratios[0], list | tuple) else [aspect_ratios])
        self.aspect_ratios = ratios * len(self.sizes) if len(ratios) == 1 else ratios
        self.strides = None if strides is None else tuple(_pair(s) for s in strides)
        self.layout = layout
        lengths = {len(self.sizes), len(self.aspect_ratios), len(self.strides or self.sizes)}
        if len(lengths) != 1 or layout not in _LAYOUTS:
            raise ArgumentError(
                f"sizes, aspect_ratios and strides need one entry a level, and layout is one of {_LAYOUTS}; given are "
                f"{len(self.sizes)} sizes, {len(self.aspect_ratios)} aspect_ratios, strides {strides}, layout {layout!r}"
            )

    @classmethod
    def from_float(cls, mod: nn.Module) -> Self:
        """Take the place of a module with the same sizes and aspect ratios, such as the one of torchvision."""
        given: Any = mod
        return cls(given.sizes, given.aspect_ratios)

    @property
    def num_anchors_per_location(self) -> list[int]:
        """How many boxes there are around a position of each level."""
        return [len(s) * len(r) for s, r in zip(self.sizes, self.aspect_ratios, strict=True)]

    def forward(self, images: Any, feature_maps: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Boxes for the sizes of some feature maps.

        Args:
            images: a batch [N, C, H, W], or an object with such `tensors`; left out when strides are given, so that
                feature maps come first.
            feature_maps: for each level [N, C, H, W].

        Raises:
            ArgumentError: the wrong number of maps, or neither images nor strides.
        """
        if feature_maps is None:
            images, feature_maps = None, images
        assert feature_maps is not None
        if len(feature_maps) != len(self.sizes):
            raise ArgumentError(
                f"anchors have {len(self.sizes)} levels, but there are {len(feature_maps)} feature maps"
            )
        levels = [self._level(level, x, self._stride(level, images, x)) for level, x in enumerate(feature_maps)]
        count = feature_maps[0].shape[0]
        if self.layout == "rows":
            rows = torch.cat([level.reshape(-1, 4) for level in levels])
            return [rows.clone() for _ in range(count)]
        return [level.permute(2, 3, 0, 1).flatten(0, 1)[None].repeat(count, 1, 1, 1) for level in levels]

    def _stride(self, level: int, images: Any, x: Tensor) -> tuple[int, int]:
        if self.strides is not None:
            return self.strides[level]
        if images is None:
            raise ArgumentError("anchors need strides in the constructor, or the images in the call")
        height, width = getattr(images, "tensors", images).shape[-2:]
        return height // x.shape[-2], width // x.shape[-1]

    def _level(self, level: int, x: Tensor, stride: tuple[int, int]) -> Tensor:
        """Boxes [H, W, boxes of a position, 4]."""
        y, x_ = (torch.arange(n, device=x.device) * step for n, step in zip(x.shape[-2:], stride, strict=True))
        grid = torch.stack(torch.meshgrid(y, x_, indexing="ij")[::-1], dim=-1).to(torch.float32)
        return torch.cat([grid, grid], dim=-1)[:, :, None] + self._around_zero(level).to(x.device)

    def _around_zero(self, level: int) -> Tensor:
        """Boxes [boxes of a position, 4] around the origin, of whole pixels."""
        heights = torch.sqrt(torch.tensor(self.aspect_ratios[level], dtype=torch.float32))
        sizes = torch.tensor(self.sizes[level], dtype=torch.float32)
        h, w = (heights[:, None] * sizes).flatten(), ((1 / heights)[:, None] * sizes).flatten()
        return (torch.stack([-w, -h, w, h], dim=1) / 2).round()

    def extra_repr(self) -> str:
        """Sizes and shapes."""
        return f"sizes={self.sizes}, aspect_ratios={self.aspect_ratios}, strides={self.strides}"


def _pair(stride: Any) -> tuple[int, int]:
    y, x = stride if isinstance(stride, list | tuple) else (stride, stride)
    return y, x


def _levels(given: Sequence[Any]) -> Levels:
    return tuple(tuple(level) if isinstance(level, list | tuple) else (level,) for level in given)
