"""Bytes to generated/: all or nothing, and nothing of anybody else's.

In: the bytes of every output and its key. Out: a `Report`, or diagnostics and no change at all. What is to be replaced is
copied into a journal first; whoever finds a journal later (after a crash) puts the copies back before anything else.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.diag import Diagnostic
from generator.disk import Disk
from generator.journal import Step, drop, recover, remove_empty, replace_file, save, write_journal
from generator.layout import GENERATED, MANIFEST, STATE, files_below
from generator.manifest import Entries, body_hash, dump, parse
from generator.stamp import JOURNAL

HERE = "."


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
    shown: str = f"{GENERATED}/"

    @property
    def drift(self) -> bool:
        """Whether generated/ is not what the specs say."""
        return bool(self.write or self.remove)


def compare(
    outputs: Mapping[str, bytes], entries: Entries, root: Path, folder: str = GENERATED, disk: Disk | None = None
) -> Change:
    """Compare generated/ with what it should be; `entries` says which files are ours and what we wrote into them."""
    home, disk = root / folder, disk or Disk()
    found = {path: (file, regular) for path, file, regular in files_below(str(home)) if path != MANIFEST}
    if folder == HERE:
        tops = {path.partition("/")[0] for path in (*outputs, *entries)}
        found = {path: file for path, file in found.items() if path.partition("/")[0] in tops}
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
        if path in outputs and disk.read(file) == outputs[path]:
            continue
        ours = path in entries
        if not ours:
            foreign.append(path)
        elif disk.hash_of(file) not in {body for body, _ in entries[path]}:
            edited.append(path)
        (write if path in outputs else remove if ours else foreign).append(path)
    links = tuple(path for path, (_, regular) in found.items() if not regular)
    links += tuple(path for path in outputs if path not in found and (home / path).is_dir())
    links += ("",) if home.is_symlink() else ()
    return Change(
        tuple(write), tuple(remove), tuple(edited), tuple(dict.fromkeys(foreign)), links, _shown(root, folder)
    )


def _shown(root: Path, folder: str) -> str:
    """What precedes a path in a message."""
    return f"{root}/" if folder == HERE else f"{folder}/"


def obstacles(change: Change, *, force: bool) -> tuple[Diagnostic, ...]:
    """Why a change cannot be made; `force` overrules hand edits, never foreign files."""
    edited = () if force else change.edited
    return (
        *(
            Diagnostic(
                "P004", f"{change.shown}{path} is a symbolic link, a folder or a special file", None, hint="remove it"
            )
            for path in change.links
        ),
        *(
            Diagnostic(
                "P002",
                f"{change.shown}{path} was edited by hand",
                None,
                hint="move the change to specs/ or templates/, or build --force, which keeps a copy",
            )
            for path in edited
        ),
        *(
            Diagnostic(
                "P003",
                f"{change.shown}{path} was not written by the generator",
                None,
                hint=f"move it out of {change.shown}",
            )
            for path in change.foreign
        ),
    )


def read_entries(root: Path, folder: str = GENERATED) -> Entries:
    """The entries of MANIFEST; none when there is none."""
    path = root / folder / MANIFEST
    return parse(path.read_bytes())[0] if path.is_file() else {}


def manifest_of(outputs: Mapping[str, bytes], keys: Mapping[str, str]) -> bytes:
    """The bytes of MANIFEST for these outputs."""
    return dump({path: (body_hash(data), keys[path]) for path, data in outputs.items()})


def manifest_differs(
    outputs: Mapping[str, bytes], keys: Mapping[str, str], root: Path, folder: str = GENERATED
) -> bool:
    """Whether MANIFEST is not what a build would write: a line lost, or the markers of a merge."""
    path = root / folder / MANIFEST
    return not path.is_file() or path.read_bytes() != manifest_of(outputs, keys)


def _proceed(name: str) -> None:
    """Do nothing between two steps."""


def publish(
    outputs: Mapping[str, bytes],
    keys: Mapping[str, str],
    root: Path,
    folder: str = GENERATED,
    *,
    force: bool = False,
    step: Step = _proceed,
    disk: Disk | None = None,
) -> Report | tuple[Diagnostic, ...]:
    """Make generated/ be `outputs`.

    Args:
        outputs: path -> bytes, all of them.
        keys: path -> key, for MANIFEST.
        root: the checkout, or the folder of an overlay's package.
        folder: where outputs lie below it; `HERE` for the root itself.
        force: overwrite hand-edited files, after saving a copy below .horizon-gen/backup.
        step: called with a name before every write; tests stop the process there.
        disk: knows what this process has read.
    """
    try:
        with _lock(root) as locked:
            if locked:
                return _publish(outputs, keys, (root, folder), disk, force=force, step=step)
    except OSError as error:  # the folder of the lock itself cannot be written to
        return (_failed(error),)
    return (Diagnostic("P005", "another build is running in this checkout", None, hint="wait for it to end"),)


def _publish(
    outputs: Mapping[str, bytes],
    keys: Mapping[str, str],
    place: tuple[Path, str],
    disk: Disk | None,
    *,
    force: bool,
    step: Step,
) -> Report | tuple[Diagnostic, ...]:
    """Make generated/ be `outputs`, with the lock held."""
    root, folder = place
    if (unfinished := _recovered(root, folder)) is not None:
        return (unfinished,)
    change = compare(outputs, read_entries(root, folder), root, folder, disk)
    if found := obstacles(change, force=force):
        return found
    manifest = manifest_of(outputs, keys)
    try:
        saved = save(change.edited, root, folder)
        _apply(change, outputs, manifest, place, step)
    except OSError as error:
        return (_recovered(root, folder) or _failed(error),)
    return Report(change.write, change.remove, len(outputs) - len(change.write), saved)


def _failed(error: OSError) -> Diagnostic:
    return Diagnostic("P007", f"writing failed, everything is as it was: {error}", None)


def _recovered(root: Path, folder: str) -> Diagnostic | None:
    """Put back what an interrupted build replaced, or say why that fails; the journal stays for the next try."""
    try:
        recover(root, folder)
    except OSError as error:
        hint = "free some space or give write access, then build again: the copies are kept"
        return Diagnostic("P006", f"an interrupted build could not be put back: {error}", None, hint=hint)
    return None


def _apply(change: Change, outputs: Mapping[str, bytes], manifest: bytes, place: tuple[Path, str], step: Step) -> None:
    root, folder = place
    home, journal = root / folder, root / STATE / JOURNAL
    current = (home / MANIFEST).read_bytes() if (home / MANIFEST).is_file() else b""
    if not change.drift and current == manifest:
        return
    new = {path: body_hash(outputs[path]) for path in change.write} | {MANIFEST: body_hash(manifest)}
    write_journal((*change.write, *change.remove, MANIFEST), new, home, journal, step)
    for path in change.write:
        step(f"write {path}")
        replace_file(home / path, outputs[path])
    for path in change.remove:
        step(f"remove {path}")
        (home / path).unlink()
        remove_empty(home / path, home)
    step("manifest")
    replace_file(home / MANIFEST, manifest)
    step("end")
    drop(journal)


@contextmanager
def _lock(root: Path) -> Iterator[bool]:
    """Whether this process may write; held until the block ends, also when the process dies."""
    state = root / STATE
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
