"""Compiled loops: the bits of the definition, and what happens without a compiler, without a cache, with two processes."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_kernel_plans import IMAGES, Net, converted
from torch import nn

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime import layer_way, native_build, one_pass_conv
from horizon_plugin_pytorch._runtime.int8_sums import Int8Sums, remember
from horizon_plugin_pytorch._runtime.native_loop import compiled, header_of
from horizon_plugin_pytorch._runtime.tail import Chain, Tail, whole_range
from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.kernels import load
from horizon_plugin_pytorch.quantization import by_definition

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache folder, and nothing remembered in this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remembered: tuple[Any, ...] = (
        *(native_build.library, native_build._notice, native_build._folder, native_build._version),
        *(compiled, one_pass_conv._compiled),
    )
    for function in remembered:
        function.cache_clear()
    yield tmp_path / "horizon_plugin_pytorch"
    for function in remembered:
        function.cache_clear()


def proofs(model: nn.Module) -> list[str]:
    return [proof for row in model.kernel_plan().layers for proof in row.proofs]


def check_bits(march: str, dtype: str = "qint8") -> Any:
    model = converted(Net(), march, IMAGES, dtype, fast_mode=True)
    images = IMAGES * 5
    with by_definition():
        expected = model(images)
    assert torch.equal(model(images), expected)
    return model


@needs_compiler
@pytest.mark.parametrize(("march", "dtype"), [*((m, "qint8") for m in MARCH_IDS), ("bayes", "qint16")])
def test_a_fast_model_has_the_bits_of_the_definition(march: str, dtype: str) -> None:
    assert sum("compiled int32" in proof for proof in proofs(check_bits(march, dtype))) >= 3


@needs_compiler
@pytest.mark.parametrize("dtype", ["qint8", "qint16"])
def test_a_batch_in_slices_has_the_same_bits(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_way, "_CACHED", 3000)  # less than one image's sums, so one at a time
    monkeypatch.setattr(one_pass_conv.OnePassConv, "prove", lambda *_: None)
    model = converted(Net(), "bayes", IMAGES, dtype, fast_mode=True)
    images = torch.cat([IMAGES, IMAGES * 5, -IMAGES])
    with by_definition():
        expected = model(images)
    met, sliced = model(images), model(images)
    assert torch.equal(met, expected)
    assert torch.equal(sliced, expected)


def test_integers_that_were_written_to_are_read_anew() -> None:
    x = torch.zeros(1, 1, 2, 2, dtype=torch.int8)
    remember(x, torch.full_like(x, 7, dtype=torch.uint8))
    assert Int8Sums.prepared(x).unique().tolist() == [7]
    x += 1
    assert Int8Sums.prepared(x).unique().tolist() == [129]


@needs_compiler
@pytest.mark.parametrize("march", MARCH_IDS)
def test_a_loop_equals_the_kernel_on_ends_and_ties(march: str) -> None:
    kernels, bound = load(march), 1 << 22
    s_w = torch.tensor([2.0**-9, 2.0**-11, 2.0**-20]).reshape(3, 1, 1)
    scales = (torch.ones(1), s_w, torch.tensor([0.25]), torch.ones(1), torch.full((3, 1, 1), 0.7))
    p = kernels.derive_weighted_add(*scales, output=qint8)
    ends = ((torch.tensor(-bound), torch.tensor(bound)), whole_range(qint8))
    chain = Chain((kernels.weighted_add, kernels.relu))
    tail = Tail.prove(chain, p, ends, {"output": qint8}).compiled(header_of(kernels), (torch.float32, torch.int8))
    assert tail.native is not None
    acc = torch.cat([torch.tensor([-bound, bound, 1 - bound]), torch.arange(-4096, 4096)]).expand(2, 3, 1, -1)
    e = torch.randint(-128, 128, acc.shape, dtype=torch.int8)
    for data in (acc.float(), acc.double(), acc.int()):
        assert torch.equal(tail(data, e, axis=-3), tail.defined(acc, e))


@pytest.mark.parametrize("hidden", ["PATH", "CC"])
def test_without_a_compiler_there_is_one_notice_and_the_same_bits(
    fresh: Path, hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(hidden, "/nowhere")
    with pytest.warns(UserWarning, match="compiled kernels are not available") as seen:
        model = check_bits("bayes")
    assert len([w for w in seen if "compiled kernels" in str(w.message)]) == 1
    assert not any("compiled" in proof for proof in proofs(model))
    assert not list(fresh.glob("*.so"))


@needs_compiler
def test_a_compiler_that_fails_is_named(fresh: Path) -> None:
    with pytest.warns(UserWarning, match=r"(gcc|clang|cc) failed: .*error"):
        assert native_build.library("this is no C\n") is None


@needs_compiler
def test_a_cache_that_cannot_be_written_is_replaced(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    built = native_build.library(SOURCE)
    assert built is not None
    assert built.answer() == 42
    assert not fresh.exists()


@needs_compiler
def test_a_damaged_library_is_built_anew(fresh: Path) -> None:
    assert native_build.library(SOURCE) is not None
    (path,) = fresh.glob("*.so")
    path.unlink()
    path.write_bytes(b"no library")
    native_build.library.cache_clear()
    built = native_build.library(SOURCE)
    assert built is not None
    assert built.answer() == 42


@needs_compiler
def test_processes_that_want_the_same_library_at_once_get_it(fresh: Path) -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('build', {native_build.__file__!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        f"assert module.library({SOURCE!r}).answer() == 42\n"
    )
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(list(fresh.glob("*.so"))) == 1
