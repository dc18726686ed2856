# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/canvas.py
"""Drawing with Pillow: text, boxes and images of tensors, at pixel positions.

In: tensors of 0..255 and text. Out: a picture that can be saved. Pillow is imported when a canvas is made, so the rest of
the package does without it.
"""

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)
INK: Color = (31, 36, 48)
FAINT: Color = (112, 120, 136)
LINE: Color = (224, 228, 235)


class Canvas:
    """A white picture of `width` x `height` pixels."""

    def __init__(self, width: int, height: int) -> None:
        self._image_module: Any = importlib.import_module("PIL.Image")
        self._font_module: Any = importlib.import_module("PIL.ImageFont")
        self._image = self._image_module.new("RGB", (width, height), WHITE)
        self._draw = importlib.import_module("PIL.ImageDraw").Draw(self._image)
        self._fonts: dict[int, Any] = {}

    def text(self, x: float, y: float, text: str, size: int = 14, color: Color = INK, anchor: str = "la") -> None:
        """Write a line; `anchor` as Pillow has it: l, m or r, then a (top), m (middle) or s (base line)."""
        self._draw.text((x, y), text, fill=color, font=self._font(size), anchor=anchor)

    def paragraph(self, x: float, y: float, text: str, width: float, size: int = 14, color: Color = FAINT) -> None:
        """Write words in lines of at most `width` pixels."""
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and self._font(size).getlength(longer) > width:
                self.text(x, y, line, size, color)
                y, longer = y + size + 5, word
            line = longer
        self.text(x, y, line, size, color)

    def box(
        self, x: float, y: float, width: float, height: float, fill: Color | None, outline: Color | None = None
    ) -> None:
        """A rectangle; nothing if it would be less than a pixel high."""
        if height >= 1:
            self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=fill, outline=outline)

    def line(self, x: float, y: float, width: float, color: Color = LINE) -> None:
        """A horizontal line."""
        self._draw.line((x, y, x + width, y), fill=color)

    def image(self, x: int, y: int, pixels: Tensor, width: int, height: int, smooth: bool = True) -> None:
        """RGB pixels [3, H, W] of 0..255, scaled to `width` x `height`."""
        data = pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()
        picture = self._image_module.frombytes("RGB", (data.shape[1], data.shape[0]), data.numpy().tobytes())
        filters = self._image_module.Resampling
        scaled = picture.resize((width, height), filters.LANCZOS if smooth else filters.NEAREST)
        self._image.paste(scaled, (x, y))

    def save(self, path: Path) -> None:
        """Write a PNG."""
        self._image.save(path, "PNG", optimize=True)

    def _font(self, size: int) -> Any:
        if size not in self._fonts:
            self._fonts[size] = self._font_module.load_default(size)
        return self._fonts[size]


def blend(low: Color, high: Color, share: Tensor) -> Tensor:
    """Pixels [3, H, W] between two colours; `share` [H, W] is 0 for `low` and 1 for `high`."""
    first, second = (torch.tensor(c, dtype=torch.float32)[:, None, None] for c in (low, high))
    return first + (second - first) * share.to(torch.float32)
