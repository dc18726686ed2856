# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/resize.py
"""Resizing of feature maps [N, C, H, W], nearest and bilinear.

In: a size or factors, as torch's function takes them. Out: float, QAT and quantized modules; scale and dtype
are the input's. Where the elements of the output lie, and what is rounded, the march's kernels say.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._marches import TRAITS
from .layout import IMAGE_DIMS
from .native_grid import NativeGrid
from .qtensor import QTensor
from .quantized_module import Input
from .sampling import QATSampled, QuantizedSampled, Taps, blend_grid, blend_grid_values, bordered

Factors = float | Sequence[float] | None
_NEAREST, _BILINEAR = "nearest", "bilinear"


class Resize(nn.Module):
    """torch's resizing function as a module.

    Args:
        size: (height, width) of the output, or one number for both.
        scale_factor: factor of each size, or one for both; instead of `size`.
        mode: as in torch; "nearest" and "bilinear" have an integer form.
        align_corners: whether the corners of input and output coincide.
        recompute_scale_factor: take the factor from the sizes; True where a factor is not a whole number.
        antialias: as in torch; must be False to be quantized.
    """

    _OP: str
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: Factors = None,
        mode: str = _NEAREST,
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor
        self.antialias = antialias

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] in and out."""
        return self._function(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor,
            self.antialias,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """What was asked for."""
        asked = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        return f"{asked}, mode={self.mode!r}, align_corners={self.align_corners}"


@dataclass(frozen=True, slots=True)
class _Plan:
    """One resize of one size: taps, or for nearest the indices."""

    rows: Taps | Tensor
    columns: Taps | Tensor

    def integers(self, kernels: ModuleType, x: Tensor) -> Tensor:
        """int8 in and out."""
        if isinstance(self.rows, Taps) and isinstance(self.columns, Taps):
            return blend_grid(kernels, x, self.rows, self.columns)
        return self._picked(x)

    def native(self, kernels: ModuleType) -> NativeGrid | None:
        """The same compiled; None where there is no code for it."""
        if isinstance(self.rows, Taps) and isinstance(self.columns, Taps):
            return NativeGrid.blended(kernels, self.rows, self.columns)
        assert isinstance(self.rows, Tensor)
        assert isinstance(self.columns, Tensor)
        return NativeGrid.nearest(kernels, self.rows, self.columns)

    def values(self, x: Tensor) -> Tensor:
        """Floats in and out."""
        if isinstance(self.rows, Taps) and isinstance(self.columns, Taps):
            return blend_grid_values(x, self.rows, self.columns)
        return self._picked(x)

    def _picked(self, x: Tensor) -> Tensor:
        assert isinstance(self.rows, Tensor)
        assert isinstance(self.columns, Tensor)
        return x.index_select(-2, self.rows).index_select(-1, self.columns)


def _plan(module: Any, sizes: tuple[int, int], device: torch.device) -> _Plan:
    """The plan of a module for an input of some height and width."""
    pairs = tuple(zip(sizes, _output_size(module, sizes), strict=True))
    if module.mode == _BILINEAR:
        return _Plan(*(_taps(module, *pair, device) for pair in pairs))
    if not TRAITS[module.march].fractional_nearest and any(after % before for before, after in pairs):
        (h, new_h), (w, new_w) = pairs
        raise NotImplementedError(
            f"{type(module).__name__}: {module.march} resizes {_NEAREST} by whole factors only, not {h}x{w} to "
            f"{new_h}x{new_w}; use mode={_BILINEAR!r} or a whole factor"
        )
    return _Plan(*(_indices(module.kernels, *pair, device) for pair in pairs))


def _taps(module: Any, before: int, after: int, device: torch.device) -> Taps:
    kernels, i = module.kernels, torch.arange(after, device=device)
    if module.align_corners:
        position = kernels.resize_corner_position(
            i, kernels.derive_resize_corner_position(size_in=before, size_out=after)
        )
    else:
        position = kernels.resize_position(i, kernels.derive_resize_position(size_in=before, size_out=after))
    return Taps.at(kernels, position, before)


def _indices(kernels: ModuleType, before: int, after: int, device: torch.device) -> Tensor:
    p = kernels.derive_resize_nearest(size_in=before, size_out=after)
    return bordered(kernels.resize_nearest(torch.arange(after, device=device), p), before)


def _output_size(module: Any, sizes: tuple[int, int]) -> tuple[int, int]:
    if module.size is not None:
        height, width = _pair(module.size)
        return int(height), int(width)
    factors = _pair(module.scale_factor)
    height, width = (math.floor(size * factor) for size, factor in zip(sizes, factors, strict=True))
    return height, width


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Sequence):
        first, second = value if len(value) > 1 else (value[0], value[0])
        return first, second
    return value, value


class QATResize(QATSampled):
    """Resizing on fake-quantized values."""

    size: Any  # these are as the float class has them
    scale_factor: Any
    mode: str
    align_corners: bool | None

    def _check_attributes(self) -> None:
        super()._check_attributes()
        name = type(self).__name__
        if self.mode not in {_NEAREST, _BILINEAR} or getattr(self, "antialias", False):
            what = "antialias=True" if getattr(self, "antialias", False) else f"mode={self.mode!r}"
            raise ValueError(f"{name}: {what} has no integer form; only {_NEAREST!r} and {_BILINEAR!r} have")
        if self.align_corners and not TRAITS[self.march].aligned_corners:
            raise NotImplementedError(
                f"{name}: align_corners=True is not supported on {self.march}; set align_corners=False and train with it"
            )
        recomputes = getattr(self, "recompute_scale_factor", None)
        if self.scale_factor is not None and not recomputes and any(f % 1 for f in _pair(self.scale_factor)):
            raise ValueError(
                f"{name}: scale_factor={self.scale_factor} is no whole number, so the factor must be that of the sizes: "
                f"pass recompute_scale_factor=True, or size"
            )

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] in and out; scale and dtype are the input's."""
        x = self._admit(input)
        plan = _plan(self, _sizes(x), x.device)
        return self._values(input, plan.values(x), lambda integers: plan.integers(self.kernels, integers))


class QuantizedResize(QuantizedSampled):
    """Resizing on integers."""

    size: int | Sequence[int] | None
    scale_factor: Factors
    mode: str
    align_corners: bool | None

    def forward(self, input: QTensor) -> QTensor:
        """int8 [N, C, H, W] in and out, of one scale."""
        x = input.int_repr()
        native = self.bound(self._derive_natively, input, *_sizes(x))
        made = None if native is None else native(x)
        if made is None:
            made = self.bound(self._derive, input, *_sizes(x)).integers(self.kernels, x)
        return self._like(input, made)

    def _derive(self, x: Input, height: int, width: int) -> _Plan:
        assert isinstance(x, QTensor)
        return _plan(self, (height, width), x.device)

    def _derive_natively(self, x: Input, height: int, width: int) -> NativeGrid | None:
        return self._derive(x, height, width).native(self.kernels) if self.compiles else None


def _sizes(x: Tensor) -> tuple[int, int]:
    if x.dim() != IMAGE_DIMS:
        raise ValueError(f"a resize takes [N, C, H, W], not {list(x.shape)}")
    return int(x.shape[-2]), int(x.shape[-1])
