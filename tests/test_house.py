"""The house: what lies at the top, what mechanism may say, how code is written. The linters are part of the test run."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOP_LEVEL = {"pyproject.toml", "specs", "templates", "generator", "generated", "tests", "README.md"}
LONGEST_FILE, LONGEST_FUNCTION = 300, 60


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "__pycache__" not in path.parts:
                yield path


def test_the_top_level_is_fixed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL


def test_no_march_is_named_in_mechanism() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("generator", "templates")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search("bayes|bernoulli", line, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


def test_no_operator_is_named_in_the_runtime_or_the_generator() -> None:
    names = re.compile(
        r"conv[123]d|convtranspose|batch_?norm[123]?d|max_?pool|avg_?pool|relu|centered_yuv|softmax", re.IGNORECASE
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in (*_sources("generator"), *(p for p in _sources("templates") if "_runtime" in p.parts))
        if not path.name.startswith("onnx_")  # they translate between the operators of torch and of ONNX
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if names.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("command", [("ruff", "check"), ("ruff", "format", "--check", "--quiet"), ("mypy",)])
def test_linters_are_clean(command: tuple[str, ...]) -> None:
    done = _run(*command)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_generated_is_what_the_specs_say() -> None:
    done = _run("generator", "check", "--full")
    assert done.returncode == 0, done.stdout


def test_files_and_functions_are_short() -> None:
    long = []
    for path in _sources("generator", "templates"):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > LONGEST_FILE:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
        lengths = ((node.name, (node.end_lineno or 0) - node.lineno) for node in functions)
        long.extend(f"{path.relative_to(ROOT)}: {name} has {n} lines" for name, n in lengths if n > LONGEST_FUNCTION)
    assert not long, "\n".join(long)


def test_the_installed_runtime_imports_torch_alone() -> None:
    blocked = ("jinja2", "pydantic", "yaml", "ruff", "sklearn", "PIL", "generator", "tabulate", "tqdm", "vl_convert")
    script = f"import sys; sys.modules.update(dict.fromkeys({blocked})); import horizon_plugin_pytorch, horizon_plugin_pytorch.demo"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "generated", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
