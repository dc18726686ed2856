"""generated/MANIFEST: which files are ours, what we wrote into them, and from what.

One line an output, sorted: the path, the hash of the bytes, the hash of everything they were made from. Lines of
conflict markers left by a merge are skipped; a path that stands there twice has several hashes, each of them ours.
The module imports next to nothing: the quick check uses it.
"""

from __future__ import annotations

from hashlib import blake2b

Entries = dict[str, tuple[tuple[str, str], ...]]

_MARKERS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_HASH_LENGTH = 16


def body_hash(data: bytes) -> str:
    """Return 16 hex digits that stand for some bytes."""
    return blake2b(data, digest_size=_HASH_LENGTH // 2).hexdigest()


def parse(data: bytes) -> tuple[Entries, bool]:
    """Return path -> ((body hash, key), ...), and whether the text is exactly what `dump` writes.

    Whatever is not an entry (a conflict marker, a damaged line) is skipped; the next build writes the file anew.
    """
    text = data.decode("utf-8", "replace")
    entries: Entries = {}
    for line in text.split("\n"):
        parts = line.split(" ")
        if len(parts) == 3 and not line.startswith(_MARKERS) and _is_hash(parts[1]) and _is_hash(parts[2]):  # noqa: PLR2004
            entries[parts[0]] = (*entries.get(parts[0], ()), (parts[1], parts[2]))
    single = {path: pairs[0] for path, pairs in entries.items()}
    return entries, all(len(pairs) == 1 for pairs in entries.values()) and dump(single) == data


def dump(entries: dict[str, tuple[str, str]]) -> bytes:
    """Return the text of MANIFEST for path -> (body hash, key)."""
    return "".join(f"{path} {body} {key}\n" for path, (body, key) in sorted(entries.items())).encode()


def _is_hash(text: str) -> bool:
    return len(text) == _HASH_LENGTH and not text.strip("0123456789abcdef")
