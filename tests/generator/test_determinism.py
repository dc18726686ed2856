"""The same specs give the same bytes: whatever the hash seed, the folder, the order of files, or what was built before."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from trees import ROOT, cli, contents, copy, edit, process

from generator.layout import GENERATED, MANIFEST, STATE
from generator.produce import produce

EDITS = (
    ("specs/marches/bayes.yaml", "title: Bayes (", "title: The Bayes ("),
    ("specs/marches/bayes.yaml", "pre_shift: {max: 17}", "pre_shift: {max: 16}"),
    ("specs/marches/bayes.yaml", "addend.shift: floor", "addend.shift: half_up"),
    ("specs/marches/bernoulli.yaml", "requantize: {post_shift: {max: 23}}", "requantize: {post_shift: {max: 22}}"),
    ("specs/marches/bernoulli2.yaml", "boards: [RDK X3, J3]", "boards: [RDK X3]"),
    ("specs/ops/arithmetic/mul.yaml", "title: torch.mul", "title: The product"),
    (
        "specs/ops/activation/relu.yaml",
        "  bernoulli2: {qint8: [qint8]}\n",
        "  bernoulli2: {qint8: {unsupported: no unit}}\n",
    ),
    ("specs/kernels/color.yaml", "doc: The centered form, 128 below.", "doc: The centered form."),
    ("specs/kernels/requantize.yaml", "source: numerics 3.1, 3.2", "source: numerics 9.9"),
    ("specs/patterns/weighted.yaml", "  - [base, norm, add]\n", ""),
    ("specs/qconfigs.yaml", "observer: percentile, dtype: qint8}", "observer: mse, dtype: qint8}"),
    ("specs/colors/bt601.yaml", "default: studio", "default: full"),
    ("specs/observers.yaml", "percentile: 99.99,", "percentile: 99.9,"),
    ("specs/rounding.yaml", "doc: toward +infinity", "doc: up"),
)


class Shuffled:
    """What os.scandir gives, in another order."""

    def __init__(self, items: list[object]) -> None:
        self._items = iter(items)

    def __iter__(self) -> Iterator[object]:
        return self._items

    def __next__(self) -> object:
        return next(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""


def full(root: Path) -> dict[str, bytes]:
    """Every output, nothing taken from disk."""
    made = produce(root, trust=False)
    assert not made.failed
    return made.outputs


def on_disk(root: Path) -> dict[str, bytes]:
    return {path: data for path, data in contents(root / GENERATED).items() if path != MANIFEST}


def test_any_hash_seed_and_any_folder(checkout: Path, tmp_path: Path) -> None:
    expected = on_disk(checkout)
    script = (
        "import sys; from pathlib import Path; from generator.produce import produce;"
        "from generator.manifest import body_hash;"
        "made = produce(Path(sys.argv[1]), trust=False);"
        "[print(p, body_hash(d), made.keys[p]) for p, d in sorted(made.outputs.items())]"
    )
    seen = set()
    for seed in ("0", "1", "2", "424242"):
        for cwd in (tmp_path, checkout / "specs"):
            root = os.path.relpath(checkout, cwd) if seed == "1" else str(checkout)
            done = process(["-c", script, root], cwd, environment={"PYTHONHASHSEED": seed})
            assert done.returncode == 0, done.stderr
            seen.add(done.stdout)
    assert len(seen) == 1
    assert seen.pop() == (checkout / GENERATED / MANIFEST).read_text()
    assert full(checkout) == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_of_files(checkout: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    walk, scandir, rglob = os.walk, os.scandir, Path.rglob

    def shuffled_walk(*args: object, **kw: object) -> Iterator[object]:
        for folder, folders, names in walk(*args, **kw):  # type: ignore[call-overload]
            chance.shuffle(folders)
            chance.shuffle(names)
            yield folder, folders, names

    def shuffled(found: Iterator[object]) -> list[object]:
        items = list(found)
        chance.shuffle(items)
        return items

    expected = on_disk(checkout)
    monkeypatch.setattr(os, "walk", shuffled_walk)
    monkeypatch.setattr(Path, "rglob", lambda path, pattern: iter(shuffled(rglob(path, pattern))))
    made = full(checkout)
    monkeypatch.setattr(os, "scandir", lambda *path: Shuffled(shuffled(scandir(*path))))
    assert made == expected
    told = cli(checkout, "check")
    assert (told.status, told.err) == (0, "")


def test_incremental_builds_are_full_builds(checkout: Path) -> None:
    chance = random.Random(0)
    applied: set[int] = set()
    for _ in range(15):
        number = chance.randrange(len(EDITS))
        file, old, new = EDITS[number]
        if number in applied:
            edit_back(checkout, file, old, new)
        else:
            edit(checkout, file, old, new) if old != new and new else _remove(checkout, file, old)
        applied ^= {number}
        told = cli(checkout, "build")
        assert told.status == 0, told
        assert on_disk(checkout) == full(checkout)
    for number in applied:
        edit_back(checkout, *EDITS[number])
    assert cli(checkout, "build").status == 0
    assert contents(checkout / "specs") == contents(ROOT / "specs")


_REMOVED: dict[str, str] = {}


def _remove(root: Path, file: str, old: str) -> None:
    _REMOVED[file] = (root / file).read_text()
    edit(root, file, old, "")


def edit_back(root: Path, file: str, old: str, new: str) -> None:
    if new:
        edit(root, file, new, old)
    else:
        (root / file).write_text(_REMOVED.pop(file))


def test_an_edit_renders_only_what_it_touches(checkout: Path) -> None:
    edit(checkout, "specs/marches/bernoulli2.yaml", "boards: [RDK X3, J3]", "boards: [RDK X3]")
    made = produce(checkout, trust=True)
    assert 0 < made.rendered < 15


def test_from_nothing(built: Path, tmp_path: Path) -> None:
    root = copy(built, tmp_path / "checkout")
    expected = contents(root / GENERATED)
    for path in sorted((root / GENERATED).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert not (root / STATE).exists()
    assert cli(root, "build").status == 0
    assert contents(root / GENERATED) == expected


def test_a_comment_changes_no_output_byte(checkout: Path) -> None:
    expected = contents(checkout / GENERATED)
    for path in sorted((checkout / "specs").rglob("*.yaml")):
        path.write_text(f"# a comment\n\n{path.read_text()}\n# another\n")
    told = cli(checkout, "build")
    assert told.status == 0
    assert ": 0 written, 0 removed" in told.out
    assert contents(checkout / GENERATED) == expected


def test_other_line_ends_and_a_byte_order_mark_change_no_output_byte(checkout: Path) -> None:
    expected = contents(checkout / GENERATED)
    for path in sorted((checkout / "specs").rglob("*.yaml")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert cli(checkout, "build").status == 0
    assert contents(checkout / GENERATED) == expected
