"""Files and their hashes, each read once for as long as it stays the same.

In: the path of a regular file. Out: its bytes, or their hash. A build asks for most files several times, and `watch` at every
save. A file is the one that was read before when its number, its size and both its times of change are the same; the time
of the last change of state is the kernel's, no program can set it. A file that was changed just before it was read is not
remembered: a second change could bear the same time.
"""

from __future__ import annotations

import os
import stat
import time

from generator.manifest import body_hash

_SETTLED = 2_000_000_000  # nanoseconds; the clocks of some file systems count in steps of two seconds
_State = tuple[int, int, int, int, int]
_File = tuple[_State, bytes, str]


class Disk:
    """What this process has read."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._known: dict[str, _File] = {}
        self._still: dict[str, _File] | None = None

    def __enter__(self) -> None:
        """Look at each file once only until the block ends: all that is done in it sees the same bytes."""
        self._still = {}

    def __exit__(self, *_: object) -> None:
        """Look again at every read."""
        self._still = None

    def read(self, file: str) -> bytes:
        """The bytes of a file; OSError when it cannot be read or is no regular file."""
        return self._get(file)[1]

    def hash_of(self, file: str) -> str:
        """The hash of a file's bytes, as in MANIFEST; the same errors."""
        return self._get(file)[2]

    def _get(self, file: str) -> _File:
        if self._still is None:
            return self._look(file)
        if file not in self._still:
            self._still[file] = self._look(file)
        return self._still[file]

    def _look(self, file: str) -> _File:
        found = os.stat(file)
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        known = self._known.pop(file, None)
        if known is None or known[0] != state:
            data = read_regular(file)
            known = (state, data, body_hash(data))
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED:
            self._known[file] = known
        return known


def read_regular(file: str) -> bytes:
    """The bytes of a regular file; a pipe or a device, which would block, is an OSError."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "not a regular file")
        parts = []
        while part := os.read(handle, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)
