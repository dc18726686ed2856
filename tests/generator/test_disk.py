"""Files are read once while they stay the same, and again whenever they may have changed."""

import os
import time
from pathlib import Path

import pytest

from generator import disk
from generator.disk import Disk
from generator.manifest import body_hash


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that was really read; all of them count as written long ago."""
    done: list[str] = []
    read = disk.read_regular
    monkeypatch.setattr(disk, "read_regular", lambda file: done.append(file) or read(file))
    monkeypatch.setattr(disk, "_SETTLED", -1)
    return done


def test_an_unchanged_file_is_read_once(tmp_path: Path, reads: list[str]) -> None:
    file, known = tmp_path / "a", Disk()
    file.write_bytes(b"one")
    assert [known.read(str(file)), known.read(str(file))] == [b"one", b"one"]
    assert known.hash_of(str(file)) == body_hash(b"one")
    assert reads == [str(file)]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path, reads: list[str], replaced: bool) -> None:
    file, known = tmp_path / "a", Disk()
    file.write_bytes(b"one")
    before = file.stat()
    assert known.read(str(file)) == b"one"
    target = tmp_path / "b" if replaced else file
    while not target.exists() or target.stat().st_ctime_ns == before.st_ctime_ns:  # the clock has steps
        target.write_bytes(b"two")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    target.replace(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert known.read(str(file)) == b"two"
    assert known.hash_of(str(file)) == body_hash(b"two")


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, known = tmp_path / "a", Disk()
    file.write_bytes(b"one")
    state = file.stat()
    monkeypatch.setattr(os, "stat", lambda _: state)  # a clock too coarse to tell two changes apart
    assert known.read(str(file)) == b"one"
    file.write_bytes(b"two")
    assert known.read(str(file)) == b"two"
    monkeypatch.setattr(time, "time_ns", lambda: state.st_ctime_ns + 3_000_000_000)
    assert known.read(str(file)) == b"two"
    file.write_bytes(b"six")
    assert known.read(str(file)) == b"two", "an old state stands for the bytes that were read in it"


def test_a_build_sees_one_state_of_a_file(tmp_path: Path) -> None:
    file, known = tmp_path / "a", Disk()
    file.write_bytes(b"one")
    with known:
        assert known.read(str(file)) == b"one"
        file.write_bytes(b"changed")
        assert known.read(str(file)) == b"one"
    assert known.read(str(file)) == b"changed"


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        Disk().read(str(tmp_path / "pipe"))
