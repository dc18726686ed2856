# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/data.py
"""Real photos as a task that is learned in seconds: name the photo, of two, that each pixel comes from.

In: the two sample photos of scikit-learn. Out: mosaics of both, cut by a random line, with the answer for each pixel.
Training and validation take different columns of the photos, so no pixel is in both.
"""

import importlib
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MEAN = (123.675, 116.28, 103.53)
"""Mean of the training normalization, one for each of R, G and B."""

STD = (58.395, 57.12, 57.375)
"""Standard deviation of the training normalization."""

BAND = 64
TRAINING_BANDS = (0, 128, 256)
VALIDATION_BANDS = (64, 192)
GAIN = (0.6, 1.3)
CREDIT = "Photos: scikit-learn's samples china.jpg and flower.jpg, CC BY 2.0, by danielbuechele and vultilion"

_PACKAGES = {"sklearn": "scikit-learn", "PIL": "Pillow"}


class MissingPackagesError(RuntimeError):
    """Packages that the demo needs are not installed; the message says how to get them."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo: its name, and float32 pixels [3, H, W], whole numbers of 0..255, RGB."""

    name: str
    pixels: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Mosaics, RGB of 0..255, float32 [N, 3, H, W]; the photo that each pixel comes from, int64 [N, H, W]."""

    images: Tensor
    labels: Tensor


def require_packages() -> None:
    """Raise MissingPackagesError unless what reads photos and writes pictures is installed."""
    missing = [name for module, name in _PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingPackagesError(f"the demo needs {' and '.join(missing)}: pip install 'open-horizon-plugin[demo]'")


def load_photos() -> tuple[Photo, ...]:
    """Both photos in their own size."""
    samples = importlib.import_module("sklearn.datasets").load_sample_images()
    names = (str(path).replace("\\", "/").rsplit("/", 1)[-1].split(".")[0] for path in samples.filenames)
    return tuple(
        Photo(name, torch.from_numpy(image.copy()).permute(2, 0, 1).to(torch.float32).contiguous())
        for name, image in zip(names, samples.images, strict=True)
    )


def normalize(images: Tensor) -> Tensor:
    """RGB of 0..255 [N, 3, H, W] as the network takes it."""
    return (images - _channels(MEAN)) / _channels(STD)


def denormalize(images: Tensor) -> Tensor:
    """The inverse of `normalize`, clamped to 0..255."""
    return (images * _channels(STD) + _channels(MEAN)).clamp(0, 255)


class Mosaics:
    """Random mosaics; the same seed gives the same sequence of batches."""

    def __init__(self, photos: Sequence[Photo], bands: tuple[int, ...], seed: int) -> None:
        self._photos = [nn.functional.avg_pool2d(photo.pixels, 2).round() for photo in photos]
        self._bands = bands
        self._random = torch.Generator().manual_seed(seed)

    def batch(self, count: int, size: int) -> Batch:
        """`count` mosaics of `size` x `size` pixels; `size` is at most BAND."""
        made = [self._mosaic(size) for _ in range(count)]
        return Batch(torch.stack([image for image, _ in made]), torch.stack([label for _, label in made]))

    def _mosaic(self, size: int) -> tuple[Tensor, Tensor]:
        label = self._half_plane(size)
        first, second = (self._crop(photo, size) for photo in self._photos)
        return torch.where(label.bool(), second, first), label

    def _crop(self, photo: Tensor, size: int) -> Tensor:
        """A part of one band, brighter or darker than it is, so that brightness alone does not tell the photos apart."""
        top = self._integer(photo.shape[1] - size + 1)
        left = self._bands[self._integer(len(self._bands))] + self._integer(BAND - size + 1)
        low, high = GAIN
        part = photo[:, top : top + size, left : left + size]
        return (part * self._uniform(low, high)).clamp(0, 255).round()

    def _half_plane(self, size: int) -> Tensor:
        """1 on one side of a line of random direction that passes near the centre, 0 on the other; int64 [size, size]."""
        angle, offset = self._uniform(0, 2 * math.pi), self._uniform(-size / 4, size / 4)
        axis = torch.arange(size) - (size - 1) / 2
        return (math.cos(angle) * axis + math.sin(angle) * axis[:, None] > offset).to(torch.int64)

    def _integer(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self._random))

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self._random))


def _channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)[:, None, None]
