"""Sums of products as products of 8-bit matrices, the form of graphs for GPUs, computed on the CPU: the same integers."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from out_models import MODELS, equal, made, march_of
from torch.nn import functional

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch._runtime.exact import channel_sums
from horizon_plugin_pytorch._runtime.int8_products import Int8Products, int8_products
from horizon_plugin_pytorch._runtime.int8_sums import Window
from horizon_plugin_pytorch.dtype import qint8, qint16

ROOT = Path(__file__).parents[2]
WINDOWS = {
    "1x1": ((16, 24, 1, 1), Window((1, 1), (0, 0), (1, 1), 1)),
    "3x3": ((5, 3, 3, 3), Window((1, 1), (1, 1), (1, 1), 1)),
    "uneven": ((5, 3, 3, 2), Window((2, 3), (1, 0), (2, 1), 1)),
    "alone": ((6, 1, 3, 3), Window((2, 1), (1, 1), (1, 1), 6)),
}


def proved(weight: torch.Tensor, window: Window | None) -> Int8Products:
    found = Int8Products.prove(weight, channel_sums(weight), window, qint8)
    assert found is not None
    return found


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("extreme", [False, True])
def test_a_window_gives_the_exact_sums(name: str, extreme: bool) -> None:
    shape, window = WINDOWS[name]
    draw = (lambda *size: torch.full(size, -128)) if extreme else (lambda *size: torch.randint(-128, 128, size))
    weight, x = draw(*shape).to(torch.int8), draw(2, shape[1] * window.groups, 9, 8).to(torch.int8)
    where = (window.stride, window.padding, window.dilation, window.groups)
    expected = functional.conv2d(x.double(), weight.double(), None, *where)
    given = proved(weight, window)(x)
    assert given.dtype == torch.int32
    assert torch.equal(given.double(), expected)


def test_a_linear_layer_gives_the_exact_sums() -> None:
    weight, x = (torch.randint(-128, 128, size, dtype=torch.int8) for size in ((5, 11), (2, 3, 11)))
    assert torch.equal(proved(weight, None)(x).double(), functional.linear(x.double(), weight.double()))


def test_what_has_no_such_form_is_refused() -> None:
    weight = torch.ones(4, 2, 3, 3, dtype=torch.int8)
    window = Window((1, 1), (0, 0), (1, 1), 2)
    sums = channel_sums(weight)
    assert Int8Products.prove(weight, sums, window, qint8) is None
    assert Int8Products.prove(weight, sums, Window((1, 1), (0, 0), (1, 1), 1), qint16) is None
    assert Int8Products.prove(weight, torch.tensor([1 << 24]), Window((1, 1), (0, 0), (1, 1), 1), qint8) is None


@pytest.mark.parametrize("name", MODELS)
def test_models_give_the_same_integers(name: str) -> None:
    horizon.march.set_march(march_of(name))
    _, quantized, x = made(name)
    with int8_products():
        captured = horizon.jit.capture(quantized, x)
    assert equal(captured(-x), quantized(-x))


def test_the_graph_of_a_model_multiplies_8_bit_matrices_only() -> None:
    horizon.march.set_march("bayes")
    _, quantized, x = made("mobile")
    with int8_products():
        graph = horizon.jit.capture(quantized, x).graph.graph
    targets = [str(node.target) for node in graph.nodes]
    assert "aten.convolution.default" not in targets
    assert targets.count("aten._int_mm.default") == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_benchmark_says_that_there_is_no_gpu() -> None:
    done = subprocess.run(
        [sys.executable, "tests/benchmarks/gpu.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "no GPU: the GPU benchmark did not run (torch.cuda.is_available() is False)\n"


def test_the_benchmark_finds_the_golden_vectors_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    from gpu import golden_failures

    count, failed = golden_failures("cpu")
    assert count > 50
    assert failed == []
