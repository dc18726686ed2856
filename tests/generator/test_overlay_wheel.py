"""A march of somebody else: built, installed and tested beside a wheel of this project, far from any clone."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from trees import ROOT, copy_tracked

MARCH = """\
schema: march/1
id: x9
extends: bernoulli
title: X9
boards: []
rounding: {weighted.post_shift: half_up}
"""
SHOWS = """
import horizon_plugin_pytorch as h, horizon_plugin_pytorch.kernels as k
h.set_march("x9")
print(h.overlays, h.March.X9, h.get_march(), k.load("x9").__file__, h.__file__)
"""


def _run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that knows nothing of this checkout: no PYTHONPATH, another folder; the formatter is found by PATH."""
    environment = {"PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin"}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def _wheel(source: Path, target: Path) -> Path:
    done = _run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation",
        "-w", target, source, cwd=source,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with torch and a wheel of this project, and nothing of this checkout."""
    home = tmp_path_factory.mktemp("wheel")
    wheel = _wheel(copy_tracked(ROOT, home / "clone"), home / "dist")
    venv.create(home / "venv", with_pip=False)
    python = home / "venv" / "bin" / "python"
    (site,) = (home / "venv" / "lib").glob("python*/site-packages")
    (site / "torch_and_tools.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _install(python, wheel, home)
    return python


def _install(python: Path, what: Path, cwd: Path) -> None:
    command = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index")
    done = _run(*command, "--no-build-isolation", "--ignore-installed", what, cwd=cwd)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_march_of_another_folder_works_beside_the_wheel(python: Path, tmp_path: Path) -> None:
    specs = tmp_path / "my_specs" / "marches"
    specs.mkdir(parents=True)
    (specs / "x9.yaml").write_text(MARCH)
    horizon_gen = python.with_name("horizon-gen")
    done = _run(horizon_gen, "build", "--specs", "my_specs", "--package", "my_marches", "--out", "build", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert not list(tmp_path.glob("my_specs/**/*.py"))
    wheel = _wheel(tmp_path / "build", tmp_path / "dist")
    _install(python, wheel, tmp_path)
    done = _run(python, "-c", SHOWS, cwd=tmp_path)
    shown = done.stdout.split()
    assert shown[:3] == ["('my_marches',)", "x9", "x9"], done.stderr
    assert shown[3].endswith("site-packages/my_marches/horizon_plugin_pytorch/kernels/x9.py")
    assert shown[4].endswith("site-packages/horizon_plugin_pytorch/__init__.py")
    assert str(ROOT) not in done.stdout
    done = _run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=tmp_path / "build")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
    # nothing is out of date, although pip left its own folders behind
    done = _run(horizon_gen, "check", "--specs", "my_specs", "--package", "my_marches", "--out", "build", cwd=tmp_path)
    assert (done.returncode, "are up to date" in done.stdout) == (0, True), done.stdout


def test_an_installed_generator_has_no_tree_of_its_own_to_build(python: Path, tmp_path: Path) -> None:
    done = _run(python.with_name("horizon-gen"), "build", cwd=tmp_path)
    assert (done.returncode, "go into a checkout" in done.stderr) == (1, True)
