"""`review`: what an edit of specs does, by prepared edits; counts are checked against formulas written here by hand."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

from generator.cli.commands import run
from generator.compile import formula_dtypes
from generator.pipeline import understand
from generator.review.execute import runs
from generator.review.vectors import operands, scale_settings

ROOT = Path(__file__).parent.parent.parent
BUDGET = 10.0


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with the specs as they are."""
    root = tmp_path_factory.mktemp("review")
    shutil.copytree(ROOT / "specs", root / "specs")
    (root / "templates").mkdir()
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "specs")):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


@pytest.fixture
def reviewed(repository: Path, capsys: pytest.CaptureFixture[str]):
    """Edit a spec, review it, put it back: (exit status, what was printed)."""
    changed: list[tuple[Path, str]] = []

    def review(path: str, old: str, new: str, *options: str) -> tuple[int, str]:
        file = repository / path
        text = file.read_text()
        assert text.count(old) == 1
        changed.append((file, text))
        file.write_text(text.replace(old, new))
        started = time.process_time()
        status = run(["--root", str(repository), "review", *options])
        assert time.process_time() - started < BUDGET
        return status, capsys.readouterr().out

    yield review
    for file, text in changed:
        file.write_text(text)


def _f32(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float32)


def _requantize(x: torch.Tensor, run, *, pre_limit: int, half_up: bool) -> torch.Tensor:
    """The two-shift requantization, written out by hand."""
    bits = {"qint8": 8, "qint16": 16, "qint32": 32}
    m, e = torch.frexp(torch.clamp(_f32(run.scales["s_in"]) / _f32(run.scales["s_out"]), -32768, 32767))
    mult = int(torch.clamp(torch.floor(m * 2**15 + 0.5), -32768, 32767))
    total = 15 - int(e)
    wide = bits[run.dtypes["input"]] > 16
    width = bits[run.dtypes["output"]]
    pre = min(max(total - (29 - (width - 1)), 0), pre_limit) if wide else 0
    post = min(max(total - pre, 0), 31)
    product = torch.clamp(x >> pre, -32768, 32767) * mult
    rounded = (product >> post) + (((product << 1) >> post) & 1) if half_up else product >> post
    return torch.clamp(rounded, -(2 ** (width - 1)), 2 ** (width - 1) - 1)


def _requantize_runs(march: str):
    known = understand(ROOT).knowledge
    assert known is not None
    return list(runs(known.compiled.by_march[march]["requantize"], formula_dtypes(known.catalog)))


def _counted(march: str, old: dict, new: dict) -> str:
    """`<changed> of <total> outputs change` of requantize."""
    changed = total = 0
    for one in _requantize_runs(march):
        (x,) = one.vectors.operands
        changed += int((_requantize(x, one, **old) != _requantize(x, one, **new)).sum())
        total += len(x)
    return f"{changed:,} of {total:,} outputs change"


def test_a_rounding_site_of_bayes(reviewed) -> None:
    status, text = reviewed(
        "specs/marches/bayes.yaml", "  requantize.post_shift: half_up", "  requantize.post_shift: floor"
    )
    assert status == 2
    assert (
        "specs/marches/bayes.yaml:18:26: march bayes (and bayes-e): rounding.requantize.post_shift: half_up -> floor"
        in text
    )
    counted = _counted("bayes", {"pre_limit": 17, "half_up": True}, {"pre_limit": 17, "half_up": False})
    assert f"  breaking: kernel requantize: {counted}, first at x = " in text
    changed = {line.split()[2].rstrip(":") for line in text.splitlines() if line.startswith("  breaking: kernel ")}
    assert {"requantize", "add", "sub", "mul", "mean", "avg_pool"} <= changed
    assert "weighted" not in changed  # it has a site of its own
    assert text.count("\nbayes, bayes-e:\n") == 1
    assert "bernoulli" not in text


def test_a_shift_limit_of_bernoulli2(reviewed) -> None:
    status, text = reviewed("specs/marches/bernoulli2.yaml", "pre_shift: {max: 31}", "pre_shift: {max: 9}")
    assert status == 2
    assert "march bernoulli2: requantize.pre_shift.max: 31 -> 9" in text
    counted = _counted("bernoulli2", {"pre_limit": 31, "half_up": True}, {"pre_limit": 9, "half_up": True})
    assert f"  breaking: kernel requantize: {counted}, first at x = " in text
    assert "conv2d" in text  # reached through weighted
    assert "bayes" not in text


def test_a_colour_coefficient(reviewed) -> None:
    status, text = reviewed("specs/colors/bt601.yaml", "[77, 150, 29]", "[77, 149, 29]")
    assert status == 2
    r, g, b = operands(((0, 255),) * 3).operands
    old, new = ((77 * r + w * g + 29 * b + 128) // 256 for w in (150, 149))
    changed = (old != new).nonzero().flatten()
    first = int(changed[0])
    place = f"R = {r[first]}, G = {g[first]}, B = {b[first]}: {old[first]} -> {new[first]}"
    assert f"colour bt601, full swing, row Y: {len(changed):,} of {len(r):,} outputs change, first at {place}\n" in text
    assert "color bt601: swings.full.forward[0][1]: 150 -> 149" in text
    assert "every march:\n" in text
    assert text.count("  breaking: ") == 1


def test_a_removed_pattern(reviewed) -> None:
    status, text = reviewed("specs/patterns/weighted.yaml", "  - [base, norm, activation]\n", "")
    assert status == 2
    chains = "conv2d_norm_relu, conv2d_norm_relu6, conv3d_norm_relu, conv3d_norm_relu6, conv_transpose2d_norm_relu, conv_transpose2d_norm_relu6, linear_norm_relu, linear_norm_relu6"
    assert (
        f"  breaking: pattern base -> norm -> activation: no longer 8 chains ({chains}) fused; base -> norm still is, activation stays behind it\n"
        in text
    )
    assert text.count("  breaking: ") == 1
    assert "kernel" not in text.replace("kernels/", "")


def test_a_comment(reviewed) -> None:
    status, text = reviewed("specs/patterns/weighted.yaml", "axes:\n", "# what a chain starts with\naxes:\n")
    assert status == 0
    assert text.count("\n") == 1
    assert text.endswith("working tree: no fields changed, no change in behaviour\n")


def test_prose_and_a_written_out_default_are_no_change_in_behaviour(reviewed) -> None:
    status, text = reviewed(
        "specs/ops/pooling/max_pool2d.yaml", "title: torch.nn.MaxPool2d\n", "title: MaxPool2d\nreturns: one\n"
    )
    assert status == 0
    assert text.splitlines()[0].endswith("1 field changed, no change in behaviour")
    assert "  note: op max_pool2d: title: another text\n    documentation only" in text


def test_a_formula_that_is_written_differently_changes_no_output(reviewed) -> None:
    status, text = reviewed(
        "specs/kernels/elementwise.yaml", "      n: saturate(-y, other)\n", "      n: saturate(0 - y, other)\n"
    )
    assert status == 0
    assert "no change in behaviour" in text.splitlines()[0]
    assert "kernel sub: 0 of " in text


def test_a_refused_cell_is_breaking(reviewed) -> None:
    status, text = reviewed(
        "specs/ops/pooling/max_pool2d.yaml",
        "bernoulli2: {qint8: [qint8]}",
        "bernoulli2: {qint8: {unsupported: no unit for it}}",
    )
    assert status == 2
    assert (
        "bernoulli2:\n  breaking: cell max_pool2d qint8: supported (qint8) -> unsupported: no unit for it\n    models that were accepted are refused"
        in text
    )


def test_a_new_march_is_a_note(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = repository / "specs/marches/x9.yaml"
    spec.write_text("schema: march/1\nid: x9\nextends: bayes\ntitle: x9\n")
    try:
        status = run(["--root", str(repository), "review"])
    finally:
        spec.unlink()
    assert status == 2
    assert "x9:\n  note: march: is new, extends bayes\n" in capsys.readouterr().out


def test_markdown_has_a_table_and_the_formulas(reviewed) -> None:
    _, text = reviewed(
        "specs/marches/bayes.yaml",
        "  avg_pool.pre_shift: half_up",
        "  avg_pool.pre_shift: floor",
        "--format",
        "markdown",
    )
    assert text.startswith("### Spec review: 1 field changed, breaking\n")
    assert "| march bayes (and bayes-e): rounding.avg_pool.pre_shift | `half_up -> floor` |" in text
    assert "  ```diff\n  - " in text


def test_the_page_is_self_contained_and_draws_where_outputs_differ(reviewed, tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    _, text = reviewed(
        "specs/marches/bayes.yaml",
        "  avg_pool.pre_shift: half_up",
        "  avg_pool.pre_shift: floor",
        "--format",
        "html",
        "--out",
        str(page),
    )
    html = page.read_text()
    assert text == f"wrote {page}\n"
    assert html.count("<svg ") >= 1
    assert "<rect " in html
    assert "http" not in html.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "<del>" in html
    assert "<ins>" in html


def test_an_unknown_revision_is_told(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--root", str(repository), "review", "no-such-branch"]) == 1
    assert "error R001: git knows no revision 'no-such-branch'" in capsys.readouterr().out


def test_specs_that_the_schema_cannot_read_are_told(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = repository / "specs/marches/bayes.yaml"
    good = file.read_text()
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    try:
        file.write_text(good.replace("requantize.post_shift", "requantise.post_shift", 1))
        subprocess.run(["git", *identity, "commit", "-q", "-a", "-m", "old"], cwd=repository, check=True)
        file.write_text(good)
        assert run(["--root", str(repository), "review"]) == 1
    finally:
        file.write_text(good)
        subprocess.run(["git", "reset", "-q", "--hard", "HEAD~1"], cwd=repository, check=True)
    text = capsys.readouterr().out
    assert "specs/marches/bayes.yaml:" in text
    assert "error R002: the specs at HEAD (" in text


def test_a_kernel_is_run_on_every_integer_where_there_are_few() -> None:
    few, many = operands(((-128, 127), (-128, 127))), operands(((-(2**31), 2**31 - 1),))
    assert (few.count, few.exhaustive) == (65536, True)
    assert (many.count, many.exhaustive) == (4096, False)
    assert {-(2**31), -1, 0, 1, 2**31 - 1} <= set(many.operands[0].tolist())


def test_settings_of_scales_are_always_the_same() -> None:
    assert scale_settings(2) == scale_settings(2)
    assert len(set(scale_settings(3))) == len(scale_settings(3))
