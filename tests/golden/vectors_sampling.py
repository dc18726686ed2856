"""E19 and E20 of the golden vectors: resizing and warping.

Elements are fetched here by plain loops; positions, weights and rounding are the kernels'.
"""

from typing import Any

from golden_support import Build, run

from .entries import BAYES, entry, golden

IMAGE = [[10, -20, 30], [40, 50, -60], [-70, 80, 127]]


def _position(k: Any, role: str, i: int, before: int, after: int) -> int:
    position: int = run(k, role, i=i, size_in=before, size_out=after)[1]
    return position


def _blend(k: Any, y: int, x: int, *, zeros: bool = False) -> int:
    """The image at a position (y, x); outside is 0, or the border."""
    row, column = (run(k, "tap", position=p)[1] for p in (y, x))
    wy, wx = (run(k, "tap_weight", position=p)[1] for p in (y, x))

    def at(r: int, c: int) -> int:
        if zeros and not (0 <= r < 3 and 0 <= c < 3):
            return 0
        return IMAGE[min(max(r, 0), 2)][min(max(c, 0), 2)]

    top, bottom = (run(k, "blend_across", left=at(r, column), right=at(r, column + 1), w=wx)[1] for r in (row, row + 1))
    out: int = run(k, "blend_down", top=top, bottom=bottom, w=wy)[1]
    return out


def _resized(k: Any, size: int, role: str = "resize_position") -> list[list[int]]:
    positions = [_position(k, role, i, 3, size) for i in range(size)]
    return [[_blend(k, y, x) for x in positions] for y in positions]


@golden("bernoulli2")
def e19_resize_two_passes(b: Build, march: str) -> None:
    assert _resized(b.kernels(march), 6) == entry("E19 resize 3x3->6x6 bernoulli2")
    assert _resized(b.kernels(march), 2) == entry("E19b resize 3x3->2x2 bernoulli2")


@golden("bernoulli")
def e19_resize_as_bernoulli2(b: Build, march: str) -> None:
    assert _resized(b.kernels(march), 6) == entry("E19 resize 3x3->6x6 bernoulli2")


@golden(*BAYES)
def e19_resize_one_pass(b: Build, march: str) -> None:
    assert _resized(b.kernels(march), 6) == entry("E19 resize 3x3->6x6 bayes")
    assert _resized(b.kernels(march), 2) == entry("E19b resize 3x3->2x2 bayes")


@golden(*BAYES)
def e19c_resize_corners(b: Build, march: str) -> None:
    assert _resized(b.kernels(march), 5, "resize_corner_position") == entry("E19c resize align_corners 3x3->5x5 bayes")


@golden(*BAYES)
def e19d_nearest(b: Build, march: str) -> None:
    k = b.kernels(march)
    assert [_position(k, "resize_nearest", i, 5, 8) for i in range(8)] == entry("E19d nearest idx 5->8 bayes")


@golden(*BAYES)
def e20_warp(b: Build, march: str) -> None:
    k = b.kernels(march)
    shifts = (run(k, "warp_position", s=1.0, size=3, longest=longest, input="qint16")[0] for longest in (3, 1000))
    assert [p["shift"] for p in shifts] == [entry("E20 warp", "shift_3x3"), entry("E20 warp", "shift_1000")]
    places = ((128, 128), (0, 0), (-64, 64), (-64, 64), (600, 600), (300, 420))
    border = 3
    values = [_blend(k, y << 8, x << 8, zeros=n != border) for n, (y, x) in enumerate(places)]
    assert values == entry("E20 warp", "vals")
