"""What the README shows is what happens: its example runs, its workflows print what it prints."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from horizon_plugin_pytorch.quantization import explain

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Example:
    """The example of the README after it ran: its names, what it printed, where it ran."""

    code: str
    names: dict[str, Any]
    printed: str
    folder: Path


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    folder, names, out = tmp_path_factory.mktemp("example"), {"__name__": "readme"}, io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), names)
    return Example(code, names, out.getvalue(), folder)


def test_the_example_is_the_whole_road_in_40_lines(example: Example) -> None:
    assert len([line for line in example.code.splitlines() if line.strip()]) == 40
    steps = ("fuse_fx", "calibrate(", "FakeQuantState.QAT", "convert_fx", "check_model", "model_profiler")
    assert [step for step in steps if step not in example.code] == []


def test_the_example_loses_nothing_on_the_way_to_integers(example: Example) -> None:
    fused, calibrated, qat, quantized = map(
        float, re.findall(r"^([\d.]+)% of the digits", example.printed, re.MULTILINE)
    )
    assert fused > 88
    assert calibrated > fused - 2
    assert abs(quantized - qat) < 1
    assert quantized > fused - 1


def test_the_example_ends_with_the_tools(example: Example) -> None:
    assert "This model is supported!" in example.printed
    assert "Nothing conspicuous was found." in example.printed
    assert (example.folder / "profile" / "profiler.html").exists()


def test_the_report_of_qconfigs_names_the_rules(example: Example) -> None:
    assert "module_name 'head'" in str(example.names["qat"].qconfig_report)


def _copy(folder: Path) -> Path:
    for name in ("specs", "templates", "generator", "generated"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(
        ROOT / "tests" / "golden", folder / "tests" / "golden", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "tests" / "golden_support.py", folder / "tests")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "specs"), (*identity, "commit", "-q", "-m", "specs")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def _is_printed(line: str, printed: list[str]) -> bool:
    """Whether a line of the README is printed; `...` in it stands for any text."""
    pattern = re.compile(".*".join(map(re.escape, line.split("..."))))
    return any(pattern.fullmatch(other) for other in printed)


def _shell(command: str, root: Path) -> list[str]:
    horizon_gen = f'horizon-gen() {{ {sys.executable} -m generator "$@"; }}; '
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        ["bash", "-c", horizon_gen + command], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).splitlines()


def test_the_explanation_of_a_module_is_what_the_readme_prints(example: Example) -> None:
    (call, expected) = re.findall(r"```\n>>> print\((.*?)\)\n(.*?)```", README, re.DOTALL)[0]
    printed = str(eval(call, {**example.names, "explain": explain})).splitlines()
    assert [line for line in expected.splitlines() if not _is_printed(line, printed)] == []


def test_the_workflows_print_what_the_readme_prints(tmp_path: Path) -> None:
    root = _copy(tmp_path)
    blocks = re.findall(r"```\n(\$ .*?)```", README, re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        commands: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        for command, expected in commands:
            printed = _shell(command, root)
            missing = [line for line in expected if line.strip() and not _is_printed(line, printed)]
            assert not missing, f"{command} does not print {missing}; it prints {printed[:40]}"


def test_the_two_commands_are_the_ones_that_ci_runs() -> None:
    commands = re.findall(r"```\n(pip install .*?)\n```", README)
    assert commands == ["pip install -e . && horizon-gen demo", "pip install -e '.[test]' && pytest -n auto"]
    assert "pip install -q -e '.[test]' && pytest -n auto" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
