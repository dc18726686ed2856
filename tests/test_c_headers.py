"""The C headers: they compile without a warning, have no undefined behaviour, and equal the torch kernels bit for bit."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from c_driver import STRICT, build, integer_kernels, outputs

from generator.compile import formula_dtypes
from generator.pipeline import Knowledge, understand
from generator.review.execute import executable, runs

ROOT = Path(__file__).parent.parent
MARCHES = ("bernoulli", "bernoulli2", "bayes", "bayes-e", None)
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


@cache
def knowledge() -> Knowledge:
    found = understand(ROOT).knowledge
    assert found is not None
    return found


def _runs(march: str | None, *, every: int = 1):
    """(role, torch kernel, run) of the kernels of a header."""
    dtypes = formula_dtypes(knowledge().catalog)
    for role, kernel in integer_kernels(knowledge().compiled, march).items():
        torch_kernel = executable(kernel, dtypes)
        for number, run in enumerate(runs(kernel, dtypes)):
            if number % every == 0:
                yield role, torch_kernel, run


def _module(march: str | None) -> str:
    return march.replace("-", "_") if march else "common"


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_c_equals_torch_on_every_vector(compiler: str, march: str | None, tmp_path: Path) -> None:
    kernels = integer_kernels(knowledge().compiled, march)
    program = build(compiler, _module(march), kernels, tmp_path, "-O2")
    rows = list(_runs(march))
    for (role, torch_kernel, run), given in zip(rows, outputs(program, kernels, rows), strict=True):
        expected = torch_kernel.outputs(run).long()
        wrong = (given != expected).nonzero().flatten().tolist()
        names = tuple(torch_kernel.compiled.proved.kernel.tensors)
        place = run.row(names, wrong[0]) if wrong else {}
        assert not wrong, (
            f"{role} {run.dtypes} {run.scales} {run.integers} {place}: {given[wrong[0]]} != {expected[wrong[0]]}"
        )


@pytest.mark.parametrize("march", MARCHES)
def test_sanitizers_find_no_undefined_behaviour(march: str | None, tmp_path: Path) -> None:
    kernels = integer_kernels(knowledge().compiled, march)
    sanitize = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = build("gcc", _module(march), kernels, tmp_path, *sanitize)
    rows = list(_runs(march, every=7))
    assert len(outputs(program, kernels, rows)) == len(rows)


def test_8_bit_unary_kernels_are_run_on_every_integer() -> None:
    unary = [
        run for _, _, run in _runs("bayes") if run.dtypes.get("input") == "qint8" and len(run.vectors.operands) == 1
    ]
    assert unary
    assert all(run.vectors.exhaustive and run.vectors.count == 256 for run in unary)


def test_headers_can_be_included_together(tmp_path: Path) -> None:
    names = sorted(path.name for path in (ROOT / "generated/c").glob("*.h"))
    assert len(names) == len(MARCHES)
    source = tmp_path / "all.c"
    source.write_text("".join(f'#include "{name}"\n' for name in names) + "int main(void) { return 0; }\n")
    command = ["gcc", *STRICT, "-I", str(ROOT / "generated/c"), str(source), "-o", str(tmp_path / "all"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_function_of_the_language_has_a_c_form() -> None:
    from generator.formula.lines import FUNCTIONS
    from generator.formula.lower_c import CLowering

    resolved_before = {"round", "round_real", "shift_right", "frexp"}
    missing = [name for name in FUNCTIONS if name not in resolved_before and not hasattr(CLowering, f"call_{name}")]
    assert missing == []
