"""The journal of a build: copies of what it is about to replace, so that a build that dies can be undone.

In: paths below generated/ and the hashes of what comes. Out: a folder that counts from the moment it has its name; whoever
finds one puts the copies back. A file that somebody edited in between is copied to .horizon-gen/backup first.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from generator.layout import GENERATED, MANIFEST, STATE, files_below
from generator.manifest import body_hash
from generator.stamp import JOURNAL

_DRAFT = ".swp"  # with a process number before it; the quick check takes no notice of such names
Step = Callable[[str], None]


def write_journal(paths: tuple[str, ...], new: Mapping[str, str], home: Path, journal: Path, step: Step) -> None:
    """Copies of what is there, the list of what is not, the hashes of what comes; the rename makes the journal count."""
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
    (draft / "new").write_text("".join(f"{digest} {path}\n" for path, digest in new.items()), encoding="utf-8")
    step("journal")
    draft.rename(journal)


def recover(root: Path, folder: str = GENERATED) -> bool:
    """Put back what an interrupted build replaced; whether there was anything to put back."""
    home, journal = root / folder, root / STATE / JOURNAL
    if not journal.is_dir():
        return False
    old = {path: Path(file).read_bytes() for path, file, _ in files_below(str(journal / "old"))}
    absent = (journal / "absent").read_text(encoding="utf-8").splitlines()
    save(_edited_since(home, journal, old, absent), root, folder)
    for path, data in old.items():
        replace_file(home / path, data)
    for path in absent:
        (home / path).unlink(missing_ok=True)
        remove_empty(home / path, home)
    for draft in home.rglob(f".*.[0-9]*{_DRAFT}"):
        draft.unlink()
    drop(journal)
    return True


def _edited_since(home: Path, journal: Path, old: Mapping[str, bytes], absent: list[str]) -> tuple[str, ...]:
    """Files that hold neither what they held before the interrupted build nor what it wrote: somebody's edits."""
    new = journal / "new"
    lines = new.read_text(encoding="utf-8").splitlines() if new.is_file() else []  # unknown: better a copy too many
    written = {path: digest for digest, _, path in (line.partition(" ") for line in lines)}
    edited = []
    for path in (*old, *absent):
        if path != MANIFEST and (home / path).is_file():
            now = body_hash((home / path).read_bytes())
            if now != written.get(path) and (path not in old or now != body_hash(old[path])):
                edited.append(path)
    return tuple(edited)


def drop(journal: Path) -> None:
    """End the journal's life in one step, then clean up."""
    done = journal.with_name(f"{JOURNAL}.done")
    shutil.rmtree(done, ignore_errors=True)
    journal.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step; a failure leaves what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}{_DRAFT}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def remove_empty(path: Path, home: Path) -> None:
    """Remove the folders that a removed file leaves empty."""
    for folder in path.parents:
        if folder == home or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()


def save(edited: tuple[str, ...], root: Path, folder: str = GENERATED) -> tuple[str, ...]:
    """Copies of hand-edited files; each copy's path."""
    saved = []
    for path in edited:
        copy = root / STATE / "backup" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / folder / path, copy)
        saved.append(copy.relative_to(root).as_posix())
    return tuple(saved)
