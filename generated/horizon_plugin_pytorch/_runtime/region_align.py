# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/region_align.py
"""RoIAlign: a fixed number of samples from each region of a feature map.

In: one feature map and boxes. Out: float, QAT and quantized modules; scale and dtype are the feature map's.
"""

from typing import Any, Self

from torch import Tensor, nn

from .._marches import TRAITS
from .errors import ArgumentError
from .qtensor import QTensor
from .quantized_module import Input
from .regions import Bins, float_regions, march_regions, sample_float, sample_integers, sample_values
from .sampling import QATSampled, QuantizedSampled


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of an output size."""
    rows, columns = (size, size) if isinstance(size, int) else size
    return rows, columns


def require_one_sample(name: str, sampling_ratio: int) -> None:
    """Raise ArgumentError for another number of samples a bin than the BPU takes."""
    if sampling_ratio != 1:
        raise ArgumentError(f"{name}: sampling_ratio must be 1, one sample a bin, not {sampling_ratio}; train with 1")


class Align(nn.Module):
    """Samples of regions of one feature map.

    Args:
        output_size: bins of a region, one number or (rows, columns).
        spatial_scale: elements of the map a pixel of the image.
        sampling_ratio: samples a bin; always 1.
        aligned: whether regions begin half an element earlier; None is False.

    Raises:
        ArgumentError: another sampling_ratio.
    """

    _OP: str

    def __init__(
        self,
        output_size: int | tuple[int, int],
        spatial_scale: float = 1.0,
        sampling_ratio: int = 1,
        aligned: bool | None = False,
    ) -> None:
        super().__init__()
        require_one_sample(type(self).__name__, sampling_ratio)
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    @classmethod
    def from_float(cls, mod: nn.Module) -> Self:
        """Take the place of a module with the same settings, such as the one of torchvision."""
        given: Any = mod
        return cls(given.output_size, given.spatial_scale, given.sampling_ratio, given.aligned)

    @property
    def _bins(self) -> Bins:
        return bins_of(self)

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        """[N, C, H, W] and boxes, a list of [n, 4] or one tensor [L, 5], to [L, C, rows, columns]."""
        return sample_float(input, float_regions(type(self).__name__, rois, len(input)), self._bins)

    def extra_repr(self) -> str:
        """What was asked for."""
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, aligned={self.aligned}"


def bins_of(module: Any) -> Bins:
    """How a module samples."""
    return Bins(*pair(module.output_size), module.spatial_scale, bool(module.aligned))


class QATAlign(QATSampled):
    """Samples of regions, on fake-quantized values."""

    aligned: bool | None

    def _check_attributes(self) -> None:
        super()._check_attributes()
        if self.aligned and not TRAITS[self.march].aligned_regions:
            raise ValueError(
                f"{type(self).__name__}: aligned=True has no integer form on {self.march}; train with aligned=False"
            )

    def forward(self, input: Tensor, rois: Any) -> Tensor:  # type: ignore[override]
        """[N, C, H, W] and a list of [n, 4] to [L, C, rows, columns]; scale and dtype are the feature map's."""
        x, bins = self._admit(input), bins_of(self)
        integers = isinstance(input, QTensor) and self.quantizes
        regions = march_regions(self, rois, len(x), quantizes=integers)
        computed = sample_values(self.kernels, x, regions, bins)
        return self._values(input, computed, lambda q: sample_integers(self.kernels, q, regions, bins))


class QuantizedAlign(QuantizedSampled):
    """Samples of regions, on integers."""

    def forward(self, input: QTensor, rois: Any) -> QTensor:
        """int8 [N, C, H, W] and a list of [n, 4] to int8 [L, C, rows, columns], of the feature map's scale."""
        self.bound(self._derive, input)
        regions = march_regions(self, rois, len(input))
        return self._like(input, sample_integers(self.compute, input.int_repr(), regions, bins_of(self)))

    def _derive(self, x: Input) -> None:
        """Nothing to derive; the march must support the dtype."""
