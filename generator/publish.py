"""Bytes to generated/: all or nothing, and nothing of anybody else's.

In: the bytes of every output and its key. Out: a `Report`, or diagnostics and no change at all. What is to be replaced is
copied into a journal first; whoever finds a journal later (after a crash) puts the copies back before anything else.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.diag import Diagnostic
from generator.layout import GENERATED, MANIFEST, STATE, files_below
from generator.manifest import Entries, body_hash, dump, parse
from generator.stamp import JOURNAL

Step = Callable[[str], None]

_DRAFT = ".swp"  # with a process number before it; the quick check takes no notice of such names


@dataclass(frozen=True, slots=True)
class Report:
    """What a build changed: paths below generated/."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    saved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What publishing would do, and what stands in its way."""

    write: tuple[str, ...]
    remove: tuple[str, ...]
    edited: tuple[str, ...]
    foreign: tuple[str, ...]
    links: tuple[str, ...]

    @property
    def drift(self) -> bool:
        """Whether generated/ is not what the specs say."""
        return bool(self.write or self.remove)


def compare(outputs: Mapping[str, bytes], entries: Entries, root: Path) -> Change:
    """Compare generated/ with what it should be; `entries` says which files are ours and what we wrote into them."""
    found = {path: (file, regular) for path, file, regular in files_below(str(root / GENERATED)) if path != MANIFEST}
    write: list[str] = []
    remove: list[str] = []
    edited: list[str] = []
    foreign: list[str] = []
    for path in sorted({*outputs, *found}):
        if path not in found:
            write.append(path)
            continue
        file, regular = found[path]
        if not regular:
            continue
        digest = body_hash(Path(file).read_bytes())
        ours = path in entries
        if path in outputs and digest == body_hash(outputs[path]):
            continue
        if not ours:
            foreign.append(path)
        elif digest not in {body for body, _ in entries[path]}:
            edited.append(path)
        (write if path in outputs else remove if ours else foreign).append(path)
    links = tuple(path for path, (_, regular) in found.items() if not regular)
    return Change(tuple(write), tuple(remove), tuple(edited), tuple(dict.fromkeys(foreign)), links)


def obstacles(change: Change, *, force: bool) -> tuple[Diagnostic, ...]:
    """Why a change cannot be made; `force` overrules hand edits, never foreign files."""
    edited = () if force else change.edited
    return (
        *(
            Diagnostic("P004", f"generated/{path} is a symbolic link or a special file", None, hint="remove it")
            for path in change.links
        ),
        *(
            Diagnostic(
                "P002",
                f"generated/{path} was edited by hand",
                None,
                hint="move the change to specs/ or templates/, or build --force, which keeps a copy",
            )
            for path in edited
        ),
        *(
            Diagnostic(
                "P003", f"generated/{path} was not written by the generator", None, hint="move it out of generated/"
            )
            for path in change.foreign
        ),
    )


def read_entries(root: Path) -> Entries:
    """The entries of MANIFEST; none when there is none."""
    path = root / GENERATED / MANIFEST
    return parse(path.read_bytes())[0] if path.is_file() else {}


def _proceed(name: str) -> None:
    """Do nothing between two steps."""


def publish(
    outputs: Mapping[str, bytes],
    keys: Mapping[str, str],
    root: Path,
    *,
    force: bool = False,
    step: Step = _proceed,
) -> Report | tuple[Diagnostic, ...]:
    """Make generated/ be `outputs`.

    Args:
        outputs: path -> bytes, all of them.
        keys: path -> key, for MANIFEST.
        root: the checkout.
        force: overwrite hand-edited files, after saving a copy below .horizon-gen/backup.
        step: called with a name before every write; tests stop the process there.
    """
    try:
        with _lock(root) as locked:
            if locked:
                return _publish(outputs, keys, root, force=force, step=step)
    except OSError as error:  # the folder of the lock itself cannot be written to
        return (_failed(error),)
    return (Diagnostic("P005", "another build is running in this checkout", None, hint="wait for it to end"),)


def _publish(
    outputs: Mapping[str, bytes], keys: Mapping[str, str], root: Path, *, force: bool, step: Step
) -> Report | tuple[Diagnostic, ...]:
    """Make generated/ be `outputs`, with the lock held."""
    if (unfinished := _recovered(root)) is not None:
        return (unfinished,)
    change = compare(outputs, read_entries(root), root)
    if found := obstacles(change, force=force):
        return found
    manifest = dump({path: (body_hash(data), keys[path]) for path, data in outputs.items()})
    try:
        saved = _save_edited(change, root)
        _apply(change, outputs, manifest, root, step)
    except OSError as error:
        return (_recovered(root) or _failed(error),)
    return Report(change.write, change.remove, len(outputs) - len(change.write), saved)


def _failed(error: OSError) -> Diagnostic:
    return Diagnostic("P007", f"writing failed, generated/ is as it was: {error}", None)


def _recovered(root: Path) -> Diagnostic | None:
    """Put back what an interrupted build replaced, or say why that fails; the journal stays for the next try."""
    try:
        recover(root)
    except OSError as error:
        hint = "free some space or give write access, then build again: the copies are kept"
        return Diagnostic("P006", f"an interrupted build could not be put back: {error}", None, hint=hint)
    return None


def _apply(change: Change, outputs: Mapping[str, bytes], manifest: bytes, root: Path, step: Step) -> None:
    home, journal = root / GENERATED, root / STATE / JOURNAL
    current = (home / MANIFEST).read_bytes() if (home / MANIFEST).is_file() else b""
    if not change.drift and current == manifest:
        return
    _write_journal((*change.write, *change.remove, MANIFEST), home, journal, step)
    for path in change.write:
        step(f"write {path}")
        _replace(home / path, outputs[path])
    for path in change.remove:
        step(f"remove {path}")
        (home / path).unlink()
        _remove_empty(home / path, home)
    step("manifest")
    _replace(home / MANIFEST, manifest)
    step("end")
    _drop(journal)


def _write_journal(paths: tuple[str, ...], home: Path, journal: Path, step: Step) -> None:
    """Copies of what is there, and the list of what is not; the rename makes the journal count."""
    draft = journal.with_name(f"{JOURNAL}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    absent = []
    for path in paths:
        if (home / path).is_file():
            copy = draft / "old" / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(home / path, copy)
        else:
            absent.append(path)
    (draft / "absent").write_text("".join(f"{path}\n" for path in absent), encoding="utf-8")
    step("journal")
    draft.rename(journal)


def recover(root: Path) -> bool:
    """Put back what an interrupted build replaced; whether there was anything to put back."""
    home, journal = root / GENERATED, root / STATE / JOURNAL
    if not journal.is_dir():
        return False
    for path, file, _ in files_below(str(journal / "old")):
        _replace(home / path, Path(file).read_bytes())
    for path in (journal / "absent").read_text(encoding="utf-8").splitlines():
        (home / path).unlink(missing_ok=True)
        _remove_empty(home / path, home)
    for draft in home.rglob(f".*.[0-9]*{_DRAFT}"):
        draft.unlink()
    _drop(journal)
    return True


def _drop(journal: Path) -> None:
    """End the journal's life in one step, then clean up."""
    done = journal.with_name(f"{JOURNAL}.done")
    shutil.rmtree(done, ignore_errors=True)
    journal.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}{_DRAFT}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _remove_empty(path: Path, home: Path) -> None:
    """Remove the folders that a removed file leaves empty."""
    for folder in path.parents:
        if folder == home or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()


def _save_edited(change: Change, root: Path) -> tuple[str, ...]:
    """Copies of hand-edited files; each copy's path."""
    saved = []
    for path in change.edited:
        copy = root / STATE / "backup" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / GENERATED / path, copy)
        saved.append(copy.relative_to(root).as_posix())
    return tuple(saved)


@contextmanager
def _lock(root: Path) -> Iterator[bool]:
    """Whether this process may write; held until the block ends, also when the process dies."""
    folder = root / STATE
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
