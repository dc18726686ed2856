# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/picture.py
"""One picture of a whole run: colours there and back, what each model sees, and how accurate each stage is.

In: tensors and numbers of the run. Out: a PNG of `size_of(...)` pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .canvas import FAINT, INK, LINE, WHITE, Canvas, Color, blend

WIDTH = 1280
MARGIN = 48
INNER = WIDTH - 2 * MARGIN
MOSAIC_SIZE = 40
"""Height and width of the mosaics to show; they are drawn twice as large."""
MOSAICS = 12

_GAP = 12
_PANEL = (INNER - 5 * _GAP) // 6
_PHOTO_HEIGHT = 125
_PHOTO_ROW = _PHOTO_HEIGHT + 26
_CELL = 2 * MOSAIC_SIZE
_STRIDE = _CELL + 8
_LABELS = INNER - MOSAICS * _STRIDE + 8
_COLORS_TOP = 128
_CHART_HEIGHT = 230
_AMPLIFY = 50
_TITLES = ("RGB photo", "Y", "U", "V", "back to RGB", f"difference x {_AMPLIFY}")
_PLANES, _RETURNED, _DIFFERENCE = range(1, 4), 4, 5
_VALUE = 13

_YELLOW: Color = (214, 178, 40)
_BLUE: Color = (40, 84, 196)
_GREEN: Color = (30, 140, 90)
_RED: Color = (204, 44, 60)
_PHOTO_COLORS: tuple[Color, Color] = (84, 130, 190), (240, 150, 84)
_BARS: tuple[Color, ...] = (168, 176, 190), (240, 188, 84), (92, 168, 120), (48, 104, 208), (136, 96, 216)


@dataclass(frozen=True, slots=True)
class ColorRow:
    """A photo there and back: RGB [3, H, W], its centered YUV [3, H, W], and RGB again, if the march can."""

    name: str
    photo: Tensor
    yuv: Tensor
    returned: Tensor | None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is drawn.

    Attributes:
        subtitle: what was run.
        colors: a row a photo.
        conversion: which march's integers made the last panels of these rows, or why none did.
        mosaics: RGB [MOSAICS, 3, S, S] of 0..255.
        labels: the photo of each pixel, [MOSAICS, S, S].
        named: what each model names, by its label, like `labels`.
        accuracy: march -> stage -> share of pixels.
        chance: share of pixels that guessing gets right; where the bars begin.
        credit: who made the photos.
    """

    subtitle: str
    colors: tuple[ColorRow, ...]
    conversion: str
    mosaics: Tensor
    labels: Tensor
    named: dict[str, Tensor]
    accuracy: dict[str, dict[str, float]]
    chance: float
    credit: str


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height of what `draw` writes, in pixels."""
    return WIDTH, _chart_top(picture) + 60 + _CHART_HEIGHT + 84


def draw(picture: Picture, path: Path) -> None:
    """Write the PNG."""
    canvas = Canvas(*size_of(picture))
    canvas.text(MARGIN, 36, "Real photos, quantized: float32 to integers", 30)
    canvas.text(MARGIN, 80, picture.subtitle, 15, FAINT)
    _draw_colors(canvas, picture)
    _draw_mosaics(canvas, picture, _mosaics_top(picture))
    _draw_chart(canvas, picture, _chart_top(picture))
    canvas.text(MARGIN, size_of(picture)[1] - 30, picture.credit, 12, FAINT)
    canvas.save(path)


def _mosaics_top(picture: Picture) -> int:
    return _COLORS_TOP + 64 + len(picture.colors) * _PHOTO_ROW + 20


def _chart_top(picture: Picture) -> int:
    return _mosaics_top(picture) + 48 + (2 + len(picture.named)) * _STRIDE + 24


def _heading(canvas: Canvas, y: int, title: str, note: str) -> None:
    canvas.line(MARGIN, y - 12, INNER)
    canvas.text(MARGIN, y, title, 19)
    canvas.text(WIDTH - MARGIN, y + 4, note, 14, FAINT, "ra")


def _draw_colors(canvas: Canvas, picture: Picture) -> None:
    note = "" if any(row.returned is None for row in picture.colors) else picture.conversion
    _heading(canvas, _COLORS_TOP, "Colour: RGB to centered YUV444 and back", note)
    for column, title in enumerate(_TITLES):
        canvas.text(_column(column), _COLORS_TOP + 38, title, 14, FAINT)
    for index, row in enumerate(picture.colors):
        y = _COLORS_TOP + 60 + index * _PHOTO_ROW
        for column, panel in enumerate(_panels(row)):
            canvas.image(_column(column), y, panel, _PANEL, _PHOTO_HEIGHT)
            canvas.text(_column(column), y + _PHOTO_HEIGHT + 4, _caption(row, column), 12, FAINT)
        if row.returned is None:
            canvas.box(_column(_RETURNED), y, 2 * _PANEL + _GAP, _PHOTO_HEIGHT, None, LINE)
            canvas.paragraph(_column(_RETURNED) + 14, y + 14, picture.conversion, 2 * _PANEL - 20)


def _column(index: int) -> int:
    return MARGIN + index * (_PANEL + _GAP)


def _panels(row: ColorRow) -> list[Tensor]:
    luma, u, v = row.yuv.to(torch.float32)
    planes = [row.photo, (luma + 128).expand(3, -1, -1), _diverging(u, _YELLOW, _BLUE), _diverging(v, _GREEN, _RED)]
    if row.returned is None:
        return planes
    return [*planes, row.returned, (row.returned - row.photo).abs() * _AMPLIFY]


def _caption(row: ColorRow, column: int) -> str:
    if column in _PLANES:
        plane = row.yuv[column - 1]
        return f"{int(plane.min())} .. {int(plane.max())}"
    if column == _DIFFERENCE and row.returned is not None:
        difference = (row.returned - row.photo).abs()
        return f"mean {float(difference.mean()):.2f}, largest {float(difference.max()):.1f} of 255"
    return row.name if column == 0 else ""


def _diverging(plane: Tensor, low: Color, high: Color) -> Tensor:
    """-128 in `low`, 0 in white, 127 in `high`."""
    share = (plane.abs() / 128).sqrt()  # the root shows small values too
    return torch.where(plane < 0, blend(WHITE, low, share), blend(WHITE, high, share))


def _draw_mosaics(canvas: Canvas, picture: Picture, top: int) -> None:
    _heading(canvas, top, "Task: which of the two photos is each pixel from?", "red: the model is wrong")
    y = top + 42
    _strip(canvas, y, "mosaic", list(picture.mosaics))
    _strip(canvas, y + _STRIDE, "truth", [_painted(label, label) for label in picture.labels])
    for index, (name, named) in enumerate(picture.named.items()):
        masks = [_painted(*pair) for pair in zip(named, picture.labels, strict=True)]
        right = float((named == picture.labels).to(torch.float32).mean())
        _strip(canvas, y + (2 + index) * _STRIDE, name, masks, f"{100 * right:.1f} % right")


def _strip(canvas: Canvas, y: int, name: str, images: list[Tensor], note: str = "") -> None:
    middle = y + _CELL // 2
    canvas.text(MARGIN, middle - (9 if note else 0), name, 16, INK, "lm")
    canvas.text(MARGIN, middle + 11, note, 12, FAINT, "lm")
    for index, image in enumerate(images):
        canvas.image(MARGIN + _LABELS + index * _STRIDE, y, image, _CELL, _CELL, smooth=False)


def _painted(named: Tensor, label: Tensor) -> Tensor:
    """One colour a photo, red where the name is wrong: pixels [3, H, W]."""
    wrong = torch.tensor(_RED, dtype=torch.float32)[:, None, None]
    return torch.where(named == label, blend(*_PHOTO_COLORS, named), wrong)


def _draw_chart(canvas: Canvas, picture: Picture, top: int) -> None:
    _heading(canvas, top, "Accuracy: pixels right on parts of the photos never trained on", "bars begin at chance")
    stages = tuple(dict.fromkeys(stage for row in picture.accuracy.values() for stage in row))
    _draw_legend(canvas, top + 38, stages)
    base = top + 60 + _CHART_HEIGHT
    for tick in (0.0, 0.5, 1.0):
        y = base - tick * (_CHART_HEIGHT - 24)
        canvas.line(MARGIN + 44, y, INNER - 44)
        canvas.text(MARGIN + 36, y, f"{100 * (picture.chance + tick * (1 - picture.chance)):.0f} %", 12, FAINT, "rm")
    room = (INNER - 44) // max(len(picture.accuracy), 1)
    for index, (march, row) in enumerate(picture.accuracy.items()):
        middle = MARGIN + 44 + index * room + room // 2
        canvas.text(middle, base + 12, march, 16, INK, "ma")
        _draw_group(canvas, middle, base, room, [(stages.index(s), row[s]) for s in row], picture.chance)


def _draw_legend(canvas: Canvas, y: int, stages: tuple[str, ...]) -> None:
    room = 150
    for index, stage in enumerate(stages):
        x = MARGIN + 44 + index * room
        canvas.box(x, y, 14, 14, _BARS[index % len(_BARS)])
        canvas.text(x + 22, y + 7, stage, 14, FAINT, "lm")


def _draw_group(
    canvas: Canvas, middle: int, base: int, room: int, bars: list[tuple[int, float]], chance: float
) -> None:
    width = min(64, (room - 24) // max(len(bars), 1))
    left = middle - width * len(bars) // 2
    for index, (stage, share) in enumerate(bars):
        height = (share - chance) / (1 - chance) * (_CHART_HEIGHT - 24)
        x = left + index * width
        fill = _BARS[stage % len(_BARS)]
        canvas.box(x + 2, base - height, width - 4, height, fill)
        inside = height > 2 * _VALUE
        color = WHITE if inside and sum(fill) < sum(INK) + sum(WHITE) / 2 else INK
        y = base - height + 6 if inside else base - max(height, 0) - _VALUE - 4
        canvas.text(x + width / 2, y, f"{100 * share:.1f}", min(_VALUE, width // 3), color, "ma")
