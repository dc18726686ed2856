"""Counting in bins: compiled code and torch operations put every value into the same bin."""

import pytest
import torch

from horizon_plugin_pytorch._runtime.histogram import counts_of
from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization.observer_v2 import MSEObserver


@pytest.mark.parametrize("magnitudes", [False, True])
@pytest.mark.parametrize("elements", [0, 1, 4095, 4097, 100_000])
def test_both_ways_count_the_same(magnitudes: bool, elements: int) -> None:
    x = torch.randn(elements) * 3
    compiled = counts_of(x, -1.5, 0.013, 301, magnitudes=magnitudes)
    with torch_operations_only():
        assert torch.equal(compiled, counts_of(x, -1.5, 0.013, 301, magnitudes=magnitudes))
    assert compiled.sum() == elements


def test_edges_belong_to_the_bin_above_and_ends_take_what_is_beyond() -> None:
    x = torch.tensor([-9.0, 0.0, 0.5, 1.0, 1.5, 2.0, 9.0])
    assert counts_of(x, 0.0, 1.0, 2).tolist() == [3, 4]


@pytest.mark.parametrize("rectified", [False, True])
def test_counting_finds_the_range_that_trying_each_value_finds(rectified: bool) -> None:
    set_march("bayes")
    x = torch.randn(60_000, generator=torch.Generator().manual_seed(3)) ** 3
    x = x.relu() if rectified else x
    counted = MSEObserver(averaging_constant=1.0)
    counted(x)
    best = _tried(x)
    assert counted.max_val.item() == pytest.approx(best, rel=0.011)


def _tried(x: torch.Tensor) -> float:
    """The best of all fractions of the range, every value quantized with each."""
    errors = []
    for percent in range(100, 5, -1):
        scale = percent / 100 * x.abs().max() / 127.5
        errors.append(((x / scale + 0.5).floor().clamp(-128, 127) * scale - x).double().square().sum().item())
    return (100 - errors.index(min(errors))) / 100 * x.max().item()
