# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/warp.py
"""Warping: a feature map [N, C, H, W] read at the places that a grid [N, h, w, 2] of (x, y) points to.

In: a feature map and a grid, which is normalized (-1 and 1 are the centers of the corner elements) or holds offsets in
elements from each sample's own place. Out: float, QAT and quantized modules; scale and dtype are the feature map's.
"""

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from .errors import ArgumentError
from .layout import IMAGE_DIMS
from .qtensor import QTensor
from .quantized_module import Input
from .sampling import QATSampled, QuantizedSampled, Taps, blend_places, pick

GridForm = Literal["normalized", "offset"]
_NORMALIZED, _OFFSET = "normalized", "offset"
_BILINEAR, _NEAREST = "bilinear", "nearest"
_ZEROS, _BORDER = "zeros", "border"
_WIDEST = 16


class Warp(nn.Module):
    """torch's function that reads a map at a grid, as a module.

    Args:
        mode: "bilinear" or "nearest".
        padding_mode: what lies outside: "zeros" or "border".
        align_corners: as in torch; the BPU always aligns them.
        grid_form: "normalized": as torch; "offset": (dx, dy) in elements from each sample's own place.
    """

    _OP: str
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        mode: str = _BILINEAR,
        padding_mode: str = _ZEROS,
        align_corners: bool | None = None,
        grid_form: GridForm = "normalized",
    ) -> None:
        super().__init__()
        if grid_form not in {_NORMALIZED, _OFFSET}:
            raise ArgumentError(f"grid_form must be {_NORMALIZED!r} or {_OFFSET!r}, not {grid_form!r}")
        self.mode = mode
        self.padding_mode = padding_mode
        self.align_corners = align_corners
        self.grid_form = grid_form

    def forward(self, input: Tensor, grid: Tensor) -> Tensor:
        """[N, C, H, W] and [N, h, w, 2] to [N, C, h, w]."""
        aligned = True if self.grid_form == _OFFSET else bool(self.align_corners)
        return _sampled(self, input, grid, aligned=aligned)

    def extra_repr(self) -> str:
        """What was asked for."""
        return f"mode={self.mode!r}, padding_mode={self.padding_mode!r}, grid_form={self.grid_form!r}"


def _sampled(module: Any, x: Tensor, grid: Tensor, *, aligned: bool) -> Tensor:
    """The float result."""
    out: Tensor
    if module.grid_form == _OFFSET:
        grid = _normalized(grid, (int(x.shape[-2]), int(x.shape[-1])))
    out = module._function(x, grid, module.mode, module.padding_mode, aligned)
    return out


def _normalized(offsets: Tensor, sizes: tuple[int, int]) -> Tensor:
    """Offsets from the samples' places as a normalized grid over a map of some height and width."""
    height, width = sizes
    rows = torch.arange(offsets.shape[1], device=offsets.device).to(offsets.dtype).unsqueeze(1)
    columns = torch.arange(offsets.shape[2], device=offsets.device).to(offsets.dtype)
    x = (columns + offsets[..., 0]) * (2 / max(width - 1, 1)) - 1
    y = (rows + offsets[..., 1]) * (2 / max(height - 1, 1)) - 1
    return torch.stack((x, y), dim=-1)


def _positions(module: Any, grid: QTensor, sizes: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(rows, columns): positions [N, h, w] on a map of some height and width."""
    integers = grid.int_repr()
    longest = max(*sizes, int(grid.shape[1]), int(grid.shape[2]))
    return _along(module, grid, integers[..., 1], 1, sizes[0], longest), _along(
        module, grid, integers[..., 0], 2, sizes[1], longest
    )


def _along(module: Any, grid: QTensor, values: Tensor, dim: int, size: int, longest: int) -> Tensor:
    """Positions along one dimension of the map, which is dimension `dim` of the grid."""
    k, settings = module.compute, {"s": grid.q_scale(), "longest": longest, "input": grid.dtype}
    if module.grid_form == _NORMALIZED:
        normalized: Tensor = k.warp_position(values, k.derive_warp_position(**settings, size=size))
        return normalized
    base = torch.arange(int(grid.shape[dim]), device=values.device)
    if dim == 1:
        base = base.unsqueeze(1)
    offset: Tensor = k.warp_offset_position(values, base, k.derive_warp_offset_position(**settings))
    return offset


def _integers(module: Any, x: Tensor, grid: QTensor) -> Tensor:
    """int8 in and out."""
    kernels, zeros = module.compute, module.padding_mode == _ZEROS
    height, width = int(x.shape[-2]), int(x.shape[-1])
    rows, columns = _positions(module, grid, (height, width))
    if module.mode == _NEAREST:
        return pick(x, kernels.nearest_tap(rows), kernels.nearest_tap(columns), zeros=zeros)
    taps = Taps.at(kernels, rows, height), Taps.at(kernels, columns, width)
    return blend_places(kernels, x, *taps, zeros=zeros)


def _check_inputs(name: str, x: Tensor, grid: Tensor) -> None:
    if x.dim() != IMAGE_DIMS or grid.dim() != IMAGE_DIMS or grid.shape[-1] != 2 or grid.shape[0] != x.shape[0]:  # noqa: PLR2004
        raise ArgumentError(f"{name} takes [N, C, H, W] and [N, h, w, 2], not {list(x.shape)} and {list(grid.shape)}")


class QATWarp(QATSampled):
    """Warping on fake-quantized values."""

    mode: str
    padding_mode: str
    align_corners: bool | None
    grid_form: GridForm

    def _check_attributes(self) -> None:
        super()._check_attributes()
        name = type(self).__name__
        known = (("mode", (_BILINEAR, _NEAREST)), ("padding_mode", (_ZEROS, _BORDER)))
        for attribute, values in known:
            if (given := getattr(self, attribute)) not in values:
                raise ValueError(f"{name}: {attribute}={given!r} has no integer form; only {' and '.join(values)} have")
        if self.grid_form == _NORMALIZED and not self.align_corners:
            warnings.warn(
                f"{name}: align_corners={self.align_corners} is computed as True on {self.march}; train with True",
                UserWarning,
                stacklevel=2,
            )

    def forward(self, input: Tensor, grid: Tensor) -> Tensor:  # type: ignore[override]
        """[N, C, H, W] and [N, h, w, 2] to [N, C, h, w]; scale and dtype are the feature map's."""
        _check_inputs(type(self).__name__, input, grid)
        x = self._admit(input)
        if isinstance(input, QTensor):
            _check_grid(type(self).__name__, grid)
        values = grid.as_subclass(Tensor) if isinstance(grid, QTensor) else grid
        computed = _sampled(self, x, values, aligned=True)
        return self._values(input, computed, lambda integers: _integers(self, integers, grid))  # type: ignore[arg-type]


class QuantizedWarp(QuantizedSampled):
    """Warping on integers."""

    mode: str
    padding_mode: str
    grid_form: GridForm

    def forward(self, input: QTensor, grid: QTensor) -> QTensor:
        """int8 [N, C, H, W] and a grid [N, h, w, 2] to int8 [N, C, h, w], of the feature map's scale."""
        self.bound(self._derive, input)
        _check_grid(type(self).__name__, grid)
        return self._like(input, _integers(self, input.int_repr(), grid))

    def _derive(self, x: Input) -> None:
        """Nothing to derive; the march must support the dtype."""


def _check_grid(name: str, grid: Tensor) -> None:
    if not isinstance(grid, QTensor) or grid.dtype.bits > _WIDEST:
        given = str(grid.dtype)
        raise NotImplementedError(
            f"{name}: a grid must be quantized in 8 or 16 bits, not {given}: put a QuantStub on it, 16 bits for accuracy"
        )
