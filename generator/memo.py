"""What is costly to work out and has not changed: results by the content of everything that they follow from.

In: a name, the parts that a result follows from, and how to make it. Out: the result, from the last run where it was made of
equal parts. A memo lies in .horizon-gen, private to a checkout; one that is damaged, or that another version of the generator
wrote, counts as empty. Only data of the generator is read back, so a foreign memo cannot run anything.
"""

import os
import pickle
from collections.abc import Callable
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from generator.layout import files_below

T = TypeVar("T")
_FILE = "memo"
_MINE = "generator."
_DAMAGED = (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError)


class Memo:
    """Results of this run and of the last one."""

    def __init__(self, state: Path | None = None) -> None:
        """Read what the last run left in the folder `state`; None: remember nothing beyond this run."""
        self._file = state / _FILE if state else None
        self._version = _own_digest()
        self._old: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        if self._file is not None and self._file.is_file():
            self._old = _read(self._file)

    def recall(self, name: str, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """The result for these parts, made when it is not known; exceptions are not remembered."""
        key = blake2b(f"{self._version} {name} {parts!r}".encode(), digest_size=16).hexdigest()
        if key not in self._new:
            self._new[key] = self._old[key] if key in self._old else make()
        found: T = self._new[key]
        return found

    def next_run(self) -> None:
        """Begin another run in this process: what the last one needed is known."""
        self._old, self._new = {**self._old, **self._new}, {}

    def save(self) -> None:
        """Leave the results that this run needed to the next one; a checkout that cannot be written to has none."""
        if self._file is None or self._new.keys() == self._old.keys():
            return
        draft = self._file.with_name(f"{_FILE}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(pickle.dumps(self._new, 5))
            draft.replace(self._file)
        except OSError:
            draft.unlink(missing_ok=True)


class _DataOnly(pickle.Unpickler):
    """Reads frozen data of the generator and nothing that could act."""

    def find_class(self, module: str, name: str) -> Any:
        """A dataclass or an enumeration of the generator, or an error."""
        found = super().find_class(module, name) if module.startswith(_MINE) and "." not in name else None
        if not isinstance(found, type) or not (issubclass(found, Enum) or hasattr(found, "__dataclass_fields__")):
            raise pickle.UnpicklingError(f"{module}.{name} is no data of the generator")
        return found


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            found = _DataOnly(stream).load()
    except _DAMAGED:
        return {}
    return found if isinstance(found, dict) else {}


def _own_digest() -> str:
    """A digest of the generator itself."""
    total = blake2b(digest_size=16)
    for path, file, _ in files_below(str(Path(__file__).parent)):
        if path.endswith(".py"):
            total.update(path.encode() + b"\0" + Path(file).read_bytes())
    return total.hexdigest()
