# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/region_pyramid.py
"""RoIAlign on a pyramid of feature maps: each region is taken from the level that fits its size.

In: feature maps of several levels, boxes and the sizes of the images. Out: float, QAT and quantized modules; the scale is
the largest of the levels' scales, to which the others are requantized where a march allows that they differ.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from .._marches import TRAITS
from .errors import ArgumentError
from .exact_qat import straight_through
from .qat_module import QATPassThrough
from .qtensor import QTensor
from .quantized_module import Input, QuantizedPassThrough, Scaled
from .region_align import pair, require_one_sample
from .regions import Bins, Regions, float_regions, march_regions, sample_float, sample_integers, sample_values

_NEARLY = 1e-6
_Sample = Callable[[Tensor, Regions, Bins], Tensor]
Sizes = Sequence[tuple[int, int]]


class PyramidAlign(nn.Module):
    """Samples of regions, each of one of several feature maps.

    Args:
        featmap_names: the maps of a dict to use, finest first.
        output_size: bins of a region, one number or (rows, columns).
        sampling_ratio: samples a bin; always 1.
        canonical_scale: the size in pixels of a region that belongs to the canonical level.
        canonical_level: its level; the map of level k has 2**-k elements a pixel.

    Raises:
        ArgumentError: another sampling_ratio.
    """

    _OP: str

    def __init__(
        self,
        featmap_names: Sequence[str],
        output_size: int | tuple[int, int],
        sampling_ratio: int = 1,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        require_one_sample(type(self).__name__, sampling_ratio)
        self.featmap_names = list(featmap_names)
        self.output_size = pair(output_size)
        self.sampling_ratio = sampling_ratio
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level

    @classmethod
    def from_float(cls, mod: nn.Module) -> Self:
        """Take the place of a module with the same settings, such as the one of torchvision."""
        m: Any = mod
        levels = {"canonical_scale": m.canonical_scale, "canonical_level": m.canonical_level}
        return cls(m.featmap_names, m.output_size, m.sampling_ratio, **levels)

    def forward(self, x: Mapping[str, Tensor] | Sequence[Tensor], boxes: Any, image_shapes: Sizes) -> Tensor:
        """Maps [N, C, H, W], boxes [n, 4] of each image and (height, width) of each image to [L, C, rows, columns]."""
        maps = _maps(self, x)
        regions = float_regions(type(self).__name__, boxes, len(maps[0]))
        scales = spatial_scales(maps, image_shapes)
        left, top, right, bottom = regions.corners.unbind(1)
        size = torch.sqrt((right - left) * (bottom - top))
        level = torch.floor(self.canonical_level + torch.log2(size / self.canonical_scale) + _NEARLY)
        return _by_level(self, maps, regions, level.clamp(*_ends(scales)).to(torch.int64), scales, sample_float)

    def extra_repr(self) -> str:
        """What was asked for."""
        return f"featmap_names={self.featmap_names}, output_size={self.output_size}"


def _maps(module: Any, x: Any) -> list[Any]:
    """The feature maps that a module uses."""
    if not isinstance(x, Mapping):
        return list(x)
    missing = [name for name in module.featmap_names if name not in x]
    if missing:
        raise ArgumentError(f"{type(module).__name__}: no feature map {missing[0]!r} among {list(x)}")
    return [x[name] for name in module.featmap_names]


def spatial_scales(maps: Sequence[Tensor], image_shapes: Sizes) -> list[float]:
    """Elements a pixel of each map, powers of two, from the largest height of the images."""
    height = max(size[0] for size in image_shapes)
    scales = [2.0 ** round(math.log2(x.shape[-2] / height)) for x in maps]
    if any(fine != 2 * coarse for fine, coarse in itertools.pairwise(scales)):
        raise ArgumentError(f"each feature map of a pyramid has half the size of the one before; scales are {scales}")
    return scales


def _ends(scales: Sequence[float]) -> tuple[int, int]:
    """(finest, coarsest) level."""
    return -round(math.log2(scales[0])), -round(math.log2(scales[-1]))


def _by_level(
    module: Any, maps: Sequence[Tensor], regions: Regions, level: Tensor, scales: Sequence[float], sample: _Sample
) -> Tensor:
    """The samples of each region, from the map of its level, in the order of the regions."""
    (rows, columns), parts, order = module.output_size, [], []
    for number, (x, scale) in enumerate(zip(maps, scales, strict=True)):
        index = (level == _ends(scales)[0] + number).nonzero().flatten()
        parts.append(sample(x, regions.chosen(index), Bins(rows, columns, scale, aligned=False)))
        order.append(index)
    return torch.cat(parts)[torch.cat(order).argsort()]


def _on_march(
    module: Any, maps: Sequence[Tensor], regions: Regions, scales: Sequence[float], sample: Callable[..., Tensor]
) -> Tensor:
    """The samples with the levels and the places of the module's march."""
    left, top, right, bottom = regions.corners.unbind(1)
    lowest, highest = _ends(scales)
    canonical = torch.tensor(module.canonical_scale, dtype=torch.float32, device=left.device)
    settings = {"canonical_level": module.canonical_level, "lowest": lowest, "highest": highest}
    level = module.kernels.roi_level(right - left, bottom - top, canonical, **settings)
    return _by_level(module, maps, regions, level, scales, lambda *of: sample(module.compute, *of))


def _common_scale(module: Any, maps: Sequence[Input]) -> Tensor:
    """The largest scale; where levels must not differ, the only one."""
    scales = torch.stack([x.q_scale() for x in maps])
    if not TRAITS[module.march].mixed_scales and bool((scales != scales[0]).any()):
        raise NotImplementedError(
            f"{type(module).__name__}: on {module.march} all feature maps need the same scale, not "
            f"{', '.join(f'{float(s):g}' for s in scales)}: let one module make them, or fix their scales in the qconfig"
        )
    return scales.amax(0)


def _aligners(module: Any, maps: Sequence[Input]) -> tuple[Tensor, list[Any]]:
    """(the common scale, the integers that requantize each map to it; None where nothing is to do)."""
    scale, kernels = _common_scale(module, maps), module.kernels
    same = [bool(x.q_scale() == scale) for x in maps]
    return scale, [
        None if equal else kernels.derive_requantize(s_in=x.q_scale(), s_out=scale, input=x.dtype, output=x.dtype)
        for x, equal in zip(maps, same, strict=True)
    ]


def _integers(module: Any, maps: Sequence[QTensor], aligners: Sequence[Any]) -> list[Tensor]:
    """The integers of the maps at their common scale."""
    return [
        x.int_repr() if p is None else module.compute.requantize(x.int_repr(), p, output=x.dtype)
        for x, p in zip(maps, aligners, strict=True)
    ]


class QATPyramidAlign(QATPassThrough):
    """Samples of regions, on fake-quantized maps; the values are those of the integers."""

    def forward(  # type: ignore[override]
        self, x: Mapping[str, Tensor] | Sequence[Tensor], boxes: Any, image_shapes: Sizes
    ) -> Tensor:
        """Maps, boxes and sizes as the float module takes them to [L, C, rows, columns]."""
        maps = _maps(self, x)
        values = [self._admit(m) for m in maps]
        quantized = all(isinstance(m, QTensor) for m in maps)
        regions = march_regions(self, boxes, len(values[0]), quantizes=quantized and self.quantizes)
        scales = spatial_scales(values, image_shapes)
        computed = _on_march(self, values, regions, scales, sample_values)
        if not quantized:
            return computed
        if not self.quantizes:
            return QTensor(computed, torch.stack([m.q_scale() for m in maps]).amax(0), maps[0].dtype)
        with torch.no_grad():
            scale, aligners = _aligners(self, maps)
            found = _on_march(self, _integers(self, maps, aligners), regions, scales, sample_integers)
            exact = found.to(torch.float32) * scale
        return QTensor(straight_through(computed, exact), scale, maps[0].dtype)


class QuantizedPyramidAlign(QuantizedPassThrough):
    """Samples of regions, on integers."""

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Maps come in a list, so their scales are met when the module runs."""
        return None

    def _check(self, *inputs: Input) -> None:
        for x in inputs:
            super()._check(x)

    def forward(self, x: Mapping[str, QTensor] | Sequence[QTensor], boxes: Any, image_shapes: Sizes) -> QTensor:
        """int8 maps, boxes and sizes to int8 [L, C, rows, columns], of the largest scale."""
        maps = _maps(self, x)
        scale, aligners = self.bound(self._derive, *maps)
        regions, scales = march_regions(self, boxes, len(maps[0])), spatial_scales(maps, image_shapes)
        found = _on_march(self, _integers(self, maps, aligners), regions, scales, sample_integers)
        return QTensor(found, scale, maps[0].dtype)

    def _derive(self, *maps: Input) -> Any:
        """The common scale, and the integers that lead to it."""
        return _aligners(self, maps)
