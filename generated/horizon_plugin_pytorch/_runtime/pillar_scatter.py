# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/pillar_scatter.py
"""Pillars to a pseudo image: every pillar's features are put at its place, the rest is 0.

In: features of M pillars and their places. Out: an image [N, C, H, W] of the same numbers; scale and dtype are kept, since
0 is 0 in every scale. Written as a gather, so that it has one result, whatever the order of the writes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .errors import ArgumentError
from .qat_module import QATPassThrough, like
from .qtensor import QTensor
from .quantized_module import QuantizedPassThrough

Shape = Sequence[int] | Tensor | None
_DIMS = 4


def scatter(features: Tensor, coords: Tensor, shape: Shape) -> Tensor:
    """Put rows at their places.

    Args:
        features: [M, ...]; what follows M is flattened to C channels.
        coords: integers [M, K], K >= 3: the first of a row is the image, the last two are y and x. A row of a negative
            image holds nothing and is left out.
        shape: (N, C, H, W) of the result, of which C is not read.

    Returns:
        [N, C, H, W]. Where several rows have one place, the last of them stays.

    Raises:
        ArgumentError: shapes that do not fit, or a place outside of the image.
    """
    n, h, w = _size(shape)
    rows = features.flatten(1) if features.dim() > 1 else features[:, None]
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if not tracing:
        _check_rows(features, coords)
    places = coords.to(device=features.device, dtype=torch.int64)
    image, y, x = places[:, 0], places[:, -2], places[:, -1]
    if not tracing:
        used = image >= 0
        _check_places(image[used], y[used], x[used], (n, h, w))
    order = torch.arange(rows.shape[0], device=features.device)
    last = torch.full((n * h * w + 1,), -1, dtype=torch.int64, device=features.device)
    place = torch.where(image < 0, n * h * w, (image * h + y) * w + x)  # one more place, for rows that hold nothing
    last = last.scatter_reduce(0, place, order, "amax")[:-1]
    with_empty = torch.cat([rows, rows.new_zeros(1, rows.shape[1])])  # the last row, which -1 reads
    return with_empty[last].reshape(n, h, w, -1).permute(0, 3, 1, 2).contiguous()


def _size(shape: Shape) -> tuple[int, int, int]:
    if shape is None:
        raise ArgumentError("the shape (N, C, H, W) of the result is given neither to the constructor nor to the call")
    sizes = [int(size) for size in shape]
    if len(sizes) != _DIMS:
        raise ArgumentError(f"the shape of the result must be (N, C, H, W), not {tuple(sizes)}")
    return sizes[0], sizes[2], sizes[3]


def _check_rows(features: Tensor, coords: Tensor) -> None:
    if coords.dim() != 2 or coords.shape[0] != features.shape[0] or coords.shape[1] < 3:  # noqa: PLR2004
        raise ArgumentError(
            f"coordinates must be [M, (n, ..., y, x)] with the M of the features {list(features.shape)}, "
            f"not {list(coords.shape)}"
        )


def _check_places(image: Tensor, y: Tensor, x: Tensor, sizes: tuple[int, int, int]) -> None:
    for name, values, size in zip(("image", "y", "x"), (image, y, x), sizes, strict=True):
        if values.numel() and (int(values.min()) < 0 or int(values.max()) >= size):
            low, high = int(values.min()), int(values.max())
            raise ArgumentError(f"coordinates of {name} are {low} .. {high}, outside of 0 .. {size - 1}")


class PillarScatter(nn.Module):
    """The float module; see `scatter`.

    Args:
        output_shape: (N, C, H, W) of the result; None: each call says it.
    """

    _OP: str

    def __init__(self, output_shape: Shape = None) -> None:
        super().__init__()
        self.output_shape = output_shape

    def forward(self, voxel_features: Tensor, coords: Tensor, output_shape: Shape = None) -> Tensor:
        """[M, ...] features and [M, (n, ..., y, x)] integers to [N, C, H, W]."""
        return scatter(voxel_features, coords, self.output_shape if output_shape is None else output_shape)

    def extra_repr(self) -> str:
        """The shape of the result."""
        return "" if self.output_shape is None else f"output_shape={tuple(int(n) for n in self.output_shape)}"


class QATPillarScatter(QATPassThrough):
    """The same on fake-quantized values."""

    output_shape: Shape

    def forward(self, x: Tensor, coords: Tensor, output_shape: Shape = None) -> Tensor:  # type: ignore[override]
        """Scale and dtype are those of the features."""
        shape = self.output_shape if output_shape is None else output_shape
        return like(x, scatter(self._admit(x), coords, shape))


class QuantizedPillarScatter(QuantizedPassThrough):
    """The same on integers."""

    output_shape: Shape

    def forward(self, voxel_features: QTensor, coords: Tensor, output_shape: Any = None) -> QTensor:
        """Scale and dtype are those of the features."""
        self.bound(self._derive, voxel_features)
        shape = self.output_shape if output_shape is None else output_shape
        return self._like(voxel_features, scatter(voxel_features.int_repr(), coords, shape))

    def _derive(self, x: Any) -> None:
        """There is nothing to derive; being asked checks the dtype."""
