"""Where things lie below the root of a checkout, and how to find the root.

Nothing here imports more than `os`: the quick check starts with this module.
"""

from __future__ import annotations

import os

SPECS = "specs"
TEMPLATES = "templates"
GENERATOR = "generator"
GENERATED = "generated"
MANIFEST = "MANIFEST"
INSTALL = "pip install 'open-horizon-plugin[generator]', or pip install -e . in a checkout"
STATE = ".horizon-gen"  # private, never committed: stamps, the journal, caches, backups

DATA = "data"  # in a wheel, specs/ and templates/ lie below the generator; see build_backend

_CACHES = (STATE, "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".benchmarks")
_LITTER = (".pyc", ".pyo", ".egg-info", ".swp")


def find_root(start: str) -> str:
    """Return the nearest folder at or above `start`, or above this package, with specs/ and templates/; '' if none."""
    for place in (start, os.path.dirname(os.path.abspath(__file__))):
        folder = os.path.abspath(place)
        while not is_root(folder):
            parent = os.path.dirname(folder)
            if parent == folder:
                folder = ""
                break
            folder = parent
        if folder:
            return folder
    return ""


def find_base(start: str) -> str:
    """Return the root whose specs an overlay adds to: a checkout, else what this generator was installed with."""
    data = os.path.join(os.path.dirname(os.path.abspath(__file__)), DATA)
    return find_root(start) or (data if is_root(data) else "")


def is_root(folder: str) -> bool:
    """Whether a folder holds specs/ and templates/."""
    return os.path.isdir(os.path.join(folder, SPECS)) and os.path.isdir(os.path.join(folder, TEMPLATES))


def is_litter(name: str) -> bool:
    """Whether a file or folder name is a tool's cache and none of our business."""
    return name in _CACHES or name.endswith(_LITTER) or name.startswith(".DS_Store")


def files_below(folder: str, prefix: str = "") -> list[tuple[str, str, bool]]:
    """Return (path relative to `folder` with slashes, path to open, is a regular file) of all files, sorted.

    Tools' caches are left out; symbolic links are listed and not followed.
    """
    found: list[tuple[str, str, bool]] = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return found
    for entry in entries:
        if is_litter(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            found += files_below(entry.path, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.path, entry.is_file(follow_symlinks=False)))
    return sorted(found) if not prefix else found
