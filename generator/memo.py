"""What is costly to work out and has not changed: results by the content of everything that they follow from.

In: a name, the parts that a result follows from, and how to make it. Out: the result, from an earlier run where it was made of
equal parts. A memo lies in .horizon-gen, private to a checkout; one that is damaged, or that another version of the generator
wrote, counts as empty. Only data of the generator is read back, so a foreign memo cannot run anything; and a result is read
back when it is asked for, not before, since most edits need few of them.
"""

import os
import pickle
from collections.abc import Callable, Hashable
from enum import Enum
from functools import cache
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from generator.disk import Disk
from generator.layout import files_below

T = TypeVar("T")
_FILE = "memo"
_MINE = "generator."
_KEPT = 4
"""So many runs of a process a result outlives without being asked for."""
_MAX_BYTES = 8 << 20
_DAMAGED = (
    OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError, MemoryError,
)  # fmt: skip


class Memo:
    """Results of this process, and those that the last one left behind."""

    def __init__(self, state: Path | None = None) -> None:
        """Read what the last run left in the folder `state`; None: remember nothing beyond this process."""
        self.disk = Disk()
        self._file = state / _FILE if state else None
        self._saved: dict[str, bytes] = _read(self._file) if self._file else {}
        self._known: dict[Hashable, Any] = {}  # those of this process alone have a tuple for their key
        self._used: dict[Hashable, int] = {}
        self._run = 0

    def key(self, name: str, parts: tuple[object, ...]) -> str:
        """What a result of these parts is known by; parts are equal when they are written alike."""
        return digest(_own_digest(), name, parts)

    def recall(self, name: str, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """The result for these parts, made when it is not known; exceptions are not remembered."""
        return self.result(self.key(name, parts), make)

    def result(self, key: str, make: Callable[[], T]) -> T:
        """The result that a key stands for, made when it is not known."""
        return self._get(key, lambda: self._read_back(key, make))

    def _read_back(self, key: str, make: Callable[[], T]) -> T:
        if (data := self._saved.get(key)) is not None:
            try:
                found: T = _loaded(data)
            except _DAMAGED:
                del self._saved[key]
            else:
                return found
        return make()

    def knows(self, key: str) -> bool:
        """Whether a result is there; it is kept for the next run, too."""
        found = key in self._known or key in self._saved
        if found:
            self._used[key] = self._run
        return found

    def remember(self, name: str, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """The same for this process alone: what is made sooner than read."""
        return self.known((name, self.key(name, parts)), make)

    def known(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """The same under a key that says everything already."""
        return self._get(key, make)

    def of(self, name: str, item: object, make: Callable[[], T]) -> T:
        """What follows from one object alone: made once while that very object lives, and never saved."""
        return self._get((name, id(item)), lambda: (item, make()))[1]  # holding it, for its id to stay its own

    def _get(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        self._used[key] = self._run
        found: T = self._known[key]
        return found

    def next_run(self) -> None:
        """Begin another run in this process; a run that was asked for nothing is none."""
        if self._run in self._used.values():
            self._run += 1
        for key in [key for key, run in self._used.items() if run < self._run - _KEPT]:
            del self._used[key]
            self._known.pop(key, None)

    def save(self) -> None:
        """Leave what is known to the next process; once that is too much, only what this run needed."""
        fresh = {key: known for key, known in self._known.items() if isinstance(key, str) and key not in self._saved}
        if self._file is None or not fresh:
            return
        self._saved |= {key: pickle.dumps(known, 5) for key, known in fresh.items()}
        if sum(map(len, self._saved.values())) > _MAX_BYTES:
            needed = {key for key, run in self._used.items() if run == self._run}
            self._saved = {key: data for key, data in self._saved.items() if key in needed}
        draft = self._file.with_name(f"{_FILE}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(pickle.dumps(self._saved, 5))
            draft.replace(self._file)
        except OSError:  # a checkout that cannot be written to remembers nothing
            draft.unlink(missing_ok=True)


def digest(*parts: object) -> str:
    """32 hex digits for values as they are written."""
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class _DataOnly(pickle.Unpickler):
    """Reads frozen data of the generator and nothing that could act."""

    def find_class(self, module: str, name: str) -> Any:
        """A dataclass or an enumeration of the generator, or an error."""
        found = super().find_class(module, name) if module.startswith(_MINE) and "." not in name else None
        if not isinstance(found, type) or not (issubclass(found, Enum) or hasattr(found, "__dataclass_fields__")):
            raise pickle.UnpicklingError(f"{module}.{name} is no data of the generator")
        return found


def _read(file: Path) -> dict[str, bytes]:
    try:
        found = _loaded(file.read_bytes())
    except _DAMAGED:
        return {}
    return found if isinstance(found, dict) and all(isinstance(data, bytes) for data in found.values()) else {}


def _loaded(data: bytes) -> Any:
    return _DataOnly(BytesIO(data)).load()


@cache
def _own_digest() -> str:
    """A digest of the generator itself."""
    total = blake2b(digest_size=16)
    for path, file, _ in files_below(str(Path(__file__).parent)):
        if path.endswith(".py"):
            total.update(path.encode() + b"\0" + Path(file).read_bytes())
    return total.hexdigest()
