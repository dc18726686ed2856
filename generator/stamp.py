"""The quick check, which asks whether everything is as it was when a build or check was last clean.

In: the bytes below the root. Out: a digest of all inputs (specs, templates, the generator itself, pyproject.toml, the
versions of the tools) and the answer whether it is the one in ``.horizon-gen/stamp`` while every output still has the
hash of its MANIFEST line. Nothing here trusts a time stamp of the file system, and nothing imports more than it must:
hashing a few hundred files costs less than importing a YAML parser.
"""

from __future__ import annotations

import os
import sys
from hashlib import blake2b

from generator.disk import Disk, read_regular
from generator.layout import GENERATED, GENERATOR, MANIFEST, SPECS, STATE, TEMPLATES, files_below
from generator.manifest import body_hash, parse

JOURNAL = "journal"
_STAMP = "stamp"
_TOOLS = ("jinja2-", "pydantic-", "pydantic_core-", "pyyaml-", "ruff-")


def is_clean(root: str) -> int:
    """Return the number of outputs when nothing changed since the last clean build or check, or -1."""
    try:
        return _clean_outputs(root)
    except OSError:  # something vanished, or cannot be read: the slow check says what
        return -1


def _clean_outputs(root: str) -> int:
    if os.path.exists(os.path.join(root, STATE, JOURNAL)):
        return -1
    manifest = read_regular(os.path.join(root, GENERATED, MANIFEST))
    entries, exact = parse(manifest)
    found = files_below(os.path.join(root, GENERATED))
    if not exact or len(found) != len(entries) + 1:
        return -1
    if _read_stamp(root) != f"{input_digest(root)} {body_hash(manifest)}":
        return -1
    for path, file, regular in found:
        if path != MANIFEST and (
            not regular or path not in entries or entries[path][0][0] != body_hash(read_regular(file))
        ):
            return -1
    return len(entries)


def write_stamp(root: str, digest: str) -> None:
    """Note the inputs (see `input_digest`) for which all outputs and MANIFEST are right.

    The digest is taken before a run begins: what is edited while it runs must not count as built.
    """
    manifest = _hash_of(os.path.join(root, GENERATED, MANIFEST))
    _write_stamp(root, f"{digest} {manifest}")


def input_digest(root: str, disk: Disk | None = None) -> str:
    """Return a digest of everything that outputs are made from."""
    total = blake2b(" ".join(_tool_versions()).encode(), digest_size=16)
    for folder in (SPECS, TEMPLATES, GENERATOR):
        home = os.path.join(root, folder)
        if folder == GENERATOR and not os.path.isdir(home):  # an installed generator works on another checkout
            home = os.path.dirname(os.path.abspath(__file__))
        for path, file, _ in files_below(home):
            if folder != GENERATOR or path.endswith(".py"):
                total.update(f"{folder}/{path} {_hash_of(file, disk)}\n".encode("utf-8", "surrogateescape"))
    total.update(_hash_of(os.path.join(root, "pyproject.toml"), disk).encode())
    return total.hexdigest()


def _tool_versions() -> list[str]:
    """Return 'ruff-0.17.6.dist-info' and the like: one listing of a folder, no metadata is read."""
    found = [f"python-{sys.version_info[0]}.{sys.version_info[1]}"]
    for place in sys.path:
        if place.endswith(("site-packages", "dist-packages")) and os.path.isdir(place):
            found += [name for name in os.listdir(place) if name.lower().startswith(_TOOLS)]
    return sorted(set(found))


def _hash_of(file: str, disk: Disk | None = None) -> str:
    try:
        return disk.hash_of(file) if disk else body_hash(read_regular(file))
    except OSError as error:
        return f"errno {error.errno}"


def _read_stamp(root: str) -> str:
    try:
        return read_regular(os.path.join(root, STATE, _STAMP)).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _write_stamp(root: str, text: str) -> None:
    """Write a stamp, replacing it whole; a checkout that cannot be written to simply has none."""
    try:
        os.makedirs(os.path.join(root, STATE), exist_ok=True)
        file = os.path.join(root, STATE, f"{_STAMP}.{os.getpid()}")
        with open(file, "w", encoding="ascii", newline="\n") as stream:
            stream.write(text + "\n")
        os.replace(file, os.path.join(root, STATE, _STAMP))
    except OSError:
        return
