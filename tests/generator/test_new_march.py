"""A new march is one file: kernels, tests, docs and schema follow from it, and nothing else changes by hand."""

import subprocess
from pathlib import Path

import pytest
from trees import ROOT, cli, process


def _git(root: Path, *arguments: str) -> str:
    options = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    done = subprocess.run(["git", *options, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def tracked(checkout: Path) -> Path:
    """A checkout whose every file is committed."""
    (checkout / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    _git(checkout, "init", "-q")
    _git(checkout, "add", "-A")
    _git(checkout, "commit", "-qm", "start")
    return checkout


def _touched_by_hand(root: Path) -> list[str]:
    status = _git(root, "status", "--porcelain", "--untracked-files=all").splitlines()
    return [line[3:] for line in status if not line[3:].startswith("generated/")]


def test_one_file_adds_a_march(tracked: Path) -> None:
    assert cli(tracked, "new", "march", "x9", "--extends", "bayes").status == 0
    assert len((tracked / "specs/marches/x9.yaml").read_text().splitlines()) <= 30
    assert cli(tracked, "build").status == 0
    assert _touched_by_hand(tracked) == ["specs/marches/x9.yaml"]
    home = tracked / "generated"
    for path in ("kernels/x9.py", "../docs/marches/x9.md", "../tests/test_kernels_x9.py", "../tests/test_ops_x9.py"):
        assert (home / "horizon_plugin_pytorch" / path).is_file(), path
    assert (home / "schema/march.schema.json").is_file()
    script = "import horizon_plugin_pytorch as h; h.set_march('x9'); print(h.March.X9, h.get_march())"
    done = process(["-c", script], tracked, environment={"PYTHONPATH": str(home)})
    assert done.stdout.split() == ["x9", "x9"], done.stderr
    paths = {"PYTHONPATH": f"{home}:{home / 'tests'}"}
    generated = ["generated/tests/test_kernels_x9.py", "generated/tests/test_ops_x9.py"]
    done = process(
        ["-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider", *generated],
        tracked,
        environment=paths,
    )
    assert done.returncode == 0, done.stdout[-2000:]


_COMPARE = """
import json, random
import torch
from harness_kernels import _integers, _scales
from horizon_plugin_pytorch.dtype import DTYPES
import test_kernels_bayes
from horizon_plugin_pytorch.kernels import bayes, x9

differ = set()
for case in test_kernels_bayes.CASES:
    source = random.Random(case.id)
    if case.reals or case.tables:
        continue
    for number in range(40):
        scales = {n: torch.tensor(v) for n, v in _scales(source, case.scales, number).items()}
        integers = {n: source.randint(1, 9) for n, _, _ in case.integers}
        operands = [torch.tensor(_integers(source, lo, min(hi, 2**24))) for _, lo, hi in case.tensors]
        results = []
        for kernels in (bayes, x9):
            given = []
            if case.derived:
                dtypes = {n: DTYPES[d] for n, d in case.derive_dtypes}
                given = [getattr(kernels, f"derive_{case.kernel}")(**scales, **integers, **dtypes)]
            plain = {} if case.derived else {**scales, **integers}
            dtypes = {n: DTYPES[d] for n, d in case.compute_dtypes}
            results.append(getattr(kernels, case.kernel)(*operands, *given, **plain, **dtypes))
        if not torch.equal(*results):
            differ.add(case.kernel)
print(json.dumps(sorted(differ)))
"""


def test_a_changed_site_changes_only_what_rounds_there(tracked: Path) -> None:
    assert cli(tracked, "new", "march", "x9", "--extends", "bayes").status == 0
    spec = tracked / "specs/marches/x9.yaml"
    spec.write_text(spec.read_text() + "rounding: {weighted.post_shift: floor}\n")
    assert cli(tracked, "build").status == 0
    home = tracked / "generated"
    done = process(["-c", _COMPARE], tracked, environment={"PYTHONPATH": f"{home}:{home / 'tests'}"})
    assert done.stdout.strip() == '["weighted", "weighted_add"]', done.stdout + done.stderr
