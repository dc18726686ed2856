"""generated/ is changed as a whole or not at all, and nothing of anybody else's is touched."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from trees import cli, contents, edit

from generator.layout import GENERATED, MANIFEST, STATE
from generator.manifest import body_hash, parse
from generator.publish import Report, publish, recover
from generator.stamp import JOURNAL, input_digest, is_clean, write_stamp

OLD = {"a.py": b"a = 1\n", "same/b.py": b"b = 1\n", "gone/deep/c.py": b"c = 1\n"}
NEW = {"a.py": b"a = 2\n", "same/b.py": b"b = 1\n", "new/deep/d.py": b"d = 1\n"}


def put(outputs: dict[str, bytes], root: Path, **settings: object) -> Report | tuple[object, ...]:
    return publish(outputs, {path: body_hash(b"key of " + data) for path, data in outputs.items()}, root, **settings)  # type: ignore[arg-type]


def tree(root: Path) -> dict[str, bytes]:
    return {path: data for path, data in contents(root / GENERATED).items() if path != MANIFEST}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "small"
    for name in ("specs", "templates"):
        (root / name).mkdir(parents=True)
    assert isinstance(put(OLD, root), Report)
    write_stamp(str(root), input_digest(str(root)))
    assert is_clean(str(root)) == 3
    return root


def test_stale_outputs_go_with_their_folders(root: Path) -> None:
    report = put(NEW, root)
    assert isinstance(report, Report)
    assert (report.written, report.removed, report.unchanged) == (("a.py", "new/deep/d.py"), ("gone/deep/c.py",), 1)
    assert tree(root) == NEW
    assert not (root / GENERATED / "gone").exists()


def test_nothing_to_do_writes_nothing(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (root / GENERATED).rglob("*")}
    report = put(OLD, root)
    assert isinstance(report, Report)
    assert (report.written, report.removed) == ((), ())
    assert {path: path.stat().st_mtime_ns for path in (root / GENERATED).rglob("*")} == before


@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_file_is_reported_and_stays(root: Path, *, force: bool) -> None:
    (root / GENERATED / "notes.py").write_text("mine = 1\n")
    before = contents(root / GENERATED)
    (finding,) = put(NEW, root, force=force)
    assert (finding.id, "notes.py" in finding.message, bool(finding.hint)) == ("P003", True, True)
    assert contents(root / GENERATED) == before


def test_a_foreign_file_in_the_place_of_an_output_stays(root: Path) -> None:
    (root / GENERATED / "new" / "deep").mkdir(parents=True)
    (root / GENERATED / "new" / "deep" / "d.py").write_text("mine = 1\n")
    before = contents(root / GENERATED)
    (finding,) = put(NEW, root, force=True)
    assert finding.id == "P003"
    assert contents(root / GENERATED) == before


@pytest.mark.parametrize("path", ["a.py", "gone/deep/c.py"])
def test_a_hand_edited_file_is_reported_and_kept(root: Path, path: str) -> None:
    (root / GENERATED / path).write_text("edited = 1\n")
    before = contents(root / GENERATED)
    (finding,) = put(NEW, root)
    assert (finding.id, path in finding.message) == ("P002", True)
    assert contents(root / GENERATED) == before
    report = put(NEW, root, force=True)
    assert isinstance(report, Report)
    assert tree(root) == NEW
    assert [(root / copy).read_text() for copy in report.saved] == ["edited = 1\n"]


def test_a_hand_edit_that_says_what_a_build_says_is_none(root: Path) -> None:
    (root / GENERATED / "a.py").write_bytes(NEW["a.py"])
    assert isinstance(put(NEW, root), Report)


def test_a_symbolic_link_is_told_once(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x\n")
    (root / GENERATED / "a.py").unlink()
    (root / GENERATED / "a.py").symlink_to(tmp_path / "elsewhere")
    (finding,) = put(NEW, root, force=True)
    assert finding.id == "P004"
    assert (tmp_path / "elsewhere").read_text() == "x\n"


def operations(monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]) -> None:
    """Call `act` before everything that publishing does to the disk."""
    for owner, names in ((Path, ("write_bytes", "write_text", "replace", "rename", "unlink", "rmdir", "mkdir")),
                         (shutil, ("copyfile", "rmtree"))):  # fmt: skip
        for name in names:
            real = getattr(owner, name)

            def wrapped(*args: object, _real: Callable[..., object] = real, _name: str = name, **kw: object) -> object:
                act(_name)
                return _real(*args, **kw)

            monkeypatch.setattr(owner, name, wrapped)


def killed(root: Path, at: int, work: Callable[[Path, Callable[[str], None]], object]) -> bool:
    """Do `work` in a process that is killed at its disk operation or step number `at`; whether it was."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    seen = 0

    def count(_name: str) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os._exit(9)

    with pytest.MonkeyPatch.context() as patch:
        operations(patch, count)
        work(root, count)
    os._exit(0)


def test_killed_at_every_step_the_tree_is_old_or_new(root: Path, tmp_path: Path) -> None:
    outcomes = []
    for at in range(1, 200):
        copied = tmp_path / f"killed{at}"
        shutil.copytree(root, copied)
        if not killed(copied, at, lambda where, step: put(NEW, where, step=step)):
            break
        mixed = tree(copied) not in (OLD, NEW)
        if mixed or (copied / STATE / JOURNAL).exists():
            assert is_clean(str(copied)) == -1
        recover(copied)
        assert tree(copied) in (OLD, NEW)
        outcomes.append((mixed, tree(copied) == NEW))
        assert isinstance(put(NEW, copied), Report)
        assert tree(copied) == NEW
        assert parse((copied / GENERATED / MANIFEST).read_bytes())[1]
        assert not list((copied / GENERATED).rglob("*.swp"))
    print(f"killed at {len(outcomes)} points, {sum(mixed for mixed, _ in outcomes)} of them with a mixed tree")
    assert len(outcomes) > 20
    assert any(mixed for mixed, _ in outcomes)
    assert {new for _, new in outcomes} == {False, True}


def test_killed_while_putting_back_it_is_put_back_later(root: Path, tmp_path: Path) -> None:
    steps = iter(range(1, 200))
    broken = tmp_path / "broken"
    while True:
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(root, broken)
        assert killed(broken, next(steps), lambda where, step: put(NEW, where, step=step))
        if tree(broken) not in (OLD, NEW):
            break
    for at in range(1, 100):
        copied = tmp_path / f"again{at}"
        shutil.copytree(broken, copied)
        if not killed(copied, at, lambda where, _step: recover(where)):
            break
        assert tree(copied) == OLD or is_clean(str(copied)) == -1
        recover(copied)
        assert tree(copied) == OLD
    print(f"killed at {at - 1} points of putting back")
    assert at > 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_failing_disk_leaves_the_old_tree(root: Path, tmp_path: Path, number: int) -> None:
    for at in range(1, 200):
        copied = tmp_path / f"full{number}-{at}"
        shutil.copytree(root, copied)
        seen = 0

        def fail(name: str, at: int = at) -> None:
            nonlocal seen
            seen += 1
            if seen == at and name != "rmtree":  # which ignores errors
                raise OSError(number, os.strerror(number))

        with pytest.MonkeyPatch.context() as patch:
            operations(patch, fail)
            told = put(NEW, copied)
        if seen < at:
            break
        if isinstance(told, Report):
            assert tree(copied) == NEW  # only cleaning up failed
            continue
        assert {finding.id for finding in told} <= {"P006", "P007"}
        recover(copied)
        assert tree(copied) == OLD
    print(f"{os.strerror(number)} at {at - 1} points")
    assert at > 10


def test_a_disk_that_stays_full_keeps_the_copies(root: Path) -> None:
    def full(name: str) -> None:
        if name == "write_bytes" and (root / STATE / JOURNAL).exists():
            raise OSError(errno.ENOSPC, "full")

    with pytest.MonkeyPatch.context() as patch:
        operations(patch, full)
        (finding,) = put(NEW, root)
        (again,) = put(NEW, root)
    assert (finding.id, again.id) == ("P006", "P006")
    assert is_clean(str(root)) == -1
    assert isinstance(put(NEW, root), Report)
    assert tree(root) == NEW


def test_another_build_is_waited_for(root: Path) -> None:
    before = contents(root / GENERATED)
    with (root / STATE / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (finding,) = put(NEW, root)
    assert finding.id == "P005"
    assert contents(root / GENERATED) == before


def test_builds_at_once_leave_one_of_the_results(root: Path, tmp_path: Path) -> None:
    for _ in range(10):
        children = []
        for outputs in (OLD, NEW, OLD, NEW):
            child = os.fork()
            if not child:
                put(outputs, root)
                os._exit(0)
            children.append(child)
        assert all(os.waitpid(child, 0)[1] == 0 for child in children)
        assert tree(root) in (OLD, NEW)
        entries, exact = parse((root / GENERATED / MANIFEST).read_bytes())
        assert exact
        assert {path: body_hash(data) for path, data in tree(root).items()} == {p: e[0][0] for p, e in entries.items()}
        assert not (root / STATE / JOURNAL).exists()
    print("10 times four builds at once")


def test_conflict_markers_in_manifest_are_cured_by_a_build(checkout: Path) -> None:
    manifest = checkout / GENERATED / MANIFEST
    clean = manifest.read_bytes()
    lines = clean.decode().splitlines()
    other = lines[0].rsplit(" ", 2)
    lines[:1] = ["<<<<<<< ours", lines[0], "=======", f"{other[0]} {'0' * 16} {'1' * 16}", ">>>>>>> theirs"]
    manifest.write_text("\n".join(lines) + "\n")
    assert is_clean(str(checkout)) == -1
    assert cli(checkout, "build").status == 0
    assert manifest.read_bytes() == clean


def test_a_lost_manifest_is_written_anew(checkout: Path) -> None:
    manifest = checkout / GENERATED / MANIFEST
    clean = manifest.read_bytes()
    manifest.unlink()
    assert cli(checkout, "build").status == 0
    assert manifest.read_bytes() == clean


def test_an_edit_during_a_build_does_not_count_as_built(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from generator.cli import build

    real = build.produce

    def produce(root: Path, **options: object) -> object:
        made = real(root, **options)
        edit(root, "specs/marches/bayes.yaml", "title: Bayes (", "title: The Bayes (")
        return made

    monkeypatch.setattr(build, "produce", produce)
    assert cli(checkout, "build").status == 0
    monkeypatch.undo()
    assert is_clean(str(checkout)) == -1
    assert cli(checkout, "check").status == 2


def test_a_part_of_a_build_does_not_adopt_hand_edits(checkout: Path) -> None:
    edited = checkout / GENERATED / "horizon_plugin_pytorch" / "dtype.py"
    edited.write_text(edited.read_text() + "\nX = 1\n")
    told = cli(checkout, "build", "--only", "docs/*")
    assert told.status == 1
    assert "P002" in told.out
    assert cli(checkout, "check").status == 1
    assert cli(checkout, "check", "--full").status == 1
