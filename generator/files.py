"""The texts of specs/: the only stage, beside `publish`, that touches the disk.

In: the folder. Out: path -> text with plain line ends, and a finding for whatever lies there and cannot be read, is no
spec, or holds characters that would shift or hide places.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from generator.diag import Diagnostic, Span
from generator.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 20
SUFFIX = ".yaml"
TOLERATED = (".md",)  # notes for readers may lie beside the specs

# What YAML takes for a line break but editors do not, and control characters: both would shift or hide places.
_BAD_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def read_texts(
    specs_dir: Path, root: Path, found: list[Diagnostic], shown: dict[str, str], disk: Disk | None = None
) -> dict[str, str]:
    """Return the text of every spec that can be read, sorted by path; `shown` gets the others too, for snippets."""
    read, disk = {}, disk or Disk()
    for path, file in sorted(_files(specs_dir, root, found)):
        data = _read(file, path, found, disk)
        if data is not None and (text := decode(data, path, found, shown)) is not None:
            read[path] = text
    return read


def _files(specs_dir: Path, root: Path, found: list[Diagnostic]) -> Iterator[tuple[str, str]]:
    """Yield (path relative to the root, path to open) of every spec; report what lies there and is none."""
    home = os.path.realpath(specs_dir)
    for folder, subfolders, names in os.walk(specs_dir, onerror=lambda error: found.append(_unreadable(error, root))):
        linked = [name for name in subfolders if Path(folder, name).is_symlink()]
        subfolders[:] = [name for name in subfolders if name not in linked and not name.startswith(".")]
        here = "" if _shown(folder, root) == "." else f"{_shown(folder, root)}/"
        for name in (*linked, *(name for name in names if not name.startswith("."))):
            file, path = os.path.join(folder, name), here + name
            if name in linked or (os.path.islink(file) and not os.path.realpath(file).startswith(home + os.sep)):
                found.append(Diagnostic("S114", "a symbolic link to a folder, or out of specs/", Span(path, 1, 1)))
            elif name.endswith(SUFFIX):
                yield path, file
            elif not name.endswith(TOLERATED):
                hint = f"rename it to *{SUFFIX}, or move it elsewhere"
                found.append(
                    Diagnostic("S115", f"not read: the name does not end in {SUFFIX}", Span(path, 1, 1), hint=hint)
                )


def _read(file: str, path: str, found: list[Diagnostic], disk: Disk) -> bytes | None:
    """Return the bytes of a file, or None after reporting why not."""
    try:
        if os.stat(file).st_size <= MAX_BYTES:
            return disk.read(file)
    except OSError as error:
        found.append(Diagnostic("S101", f"cannot be read: {error.strerror}", Span(path, 1, 1)))
        return None
    found.append(Diagnostic("S102", f"larger than {MAX_BYTES} bytes", Span(path, 1, 1)))
    return None


def decode(data: bytes, path: str, found: list[Diagnostic], shown: dict[str, str]) -> str | None:
    """Return text with plain line ends and no byte order mark, or None after reporting why not."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        shown[path] = data.decode("utf-8", "backslashreplace")
        hint = "save the file as UTF-8"
        found.append(Diagnostic("S103", f"not UTF-8: byte 0x{data[error.start]:02x}", _place(path, before), hint=hint))
        return None
    shown[path] = text
    if bad := _BAD_CHARACTER.search(text):
        place = _place(path, text[: bad.start()])
        found.append(Diagnostic("S103", f"the control character U+{ord(bad[0]):04X} is not allowed", place))
        return None
    return text


def _place(path: str, before: str) -> Span:
    return Span(path, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _shown(file: str, root: Path) -> str:
    """A path relative to the root, also where it leads out of it, as an overlay's does."""
    return os.path.relpath(file, root).replace(os.sep, "/")


def _unreadable(error: OSError, root: Path) -> Diagnostic:
    path = _shown(error.filename, root)
    return Diagnostic("S101", f"cannot be read: {error.strerror}", Span(path, 1, 1))
