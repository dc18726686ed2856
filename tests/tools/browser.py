"""A headless Chromium: what a page prints on its console, its document after its code ran, and a picture of it."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
SIZE = (1680, 1500)


@dataclass(frozen=True)
class Opened:
    """What a browser made of a page."""

    console: list[str]
    document: str


def _run(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    size = f"--window-size={SIZE[0]},{SIZE[1]}"
    offline = ("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking")
    usual = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", size)
    command = (CHROMIUM, *usual, *offline, "--virtual-time-budget=20000", "--enable-logging=stderr", *flags)
    return subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)


def opened(page: Path) -> Opened:
    done = _run(page, "--dump-dom")
    return Opened([line for line in done.stderr.splitlines() if "CONSOLE" in line], done.stdout)


def picture(page: Path, *, dark: bool = False) -> Image.Image:
    """A screenshot, in the colours that the system prefers."""
    file = page.with_suffix(".png")
    _run(page, f"--screenshot={file}", f"--blink-settings=preferredColorScheme={0 if dark else 1}")
    return Image.open(file).convert("RGB")


def pixels_like(image: Image.Image, color: str, box: tuple[int, int, int, int]) -> int:
    """How many pixels of a region are nearly of a colour."""
    wanted = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
    seen = image.crop(box).getcolors(maxcolors=1 << 24) or []
    return sum(count for count, pixel in seen if max(abs(a - b) for a, b in zip(pixel, wanted, strict=True)) <= 12)
