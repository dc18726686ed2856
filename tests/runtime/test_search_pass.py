"""Searching in compiled code finds the ranges and the scales that torch operations find."""

import math

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import FakeQuantize, FakeQuantState, set_fake_quantize
from horizon_plugin_pytorch.quantization.observer_v2 import MSEObserver

SIZES = (100, 20_000)
"""Of which the first is not counted."""


def _batches(size: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(size, generator=generator)
    return [x, x**3, x.relu(), x.clamp(-1, 1), (x * 7).clamp(0, 6), x * 1e-9, torch.full((size,), 3.0), -x.abs()]


def _states(size: int, **arguments) -> list[Tensor]:
    fake_quant, found = FakeQuantize(observer=MSEObserver, **arguments), []
    set_fake_quantize(fake_quant, FakeQuantState.CALIBRATION)
    for batch in _batches(size):
        fake_quant(batch)
        found += [value.clone() for value in fake_quant.state_dict().values() if isinstance(value, Tensor)]
    return found


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("arguments", [{"averaging_constant": 1.0}, {"averaging_constant": 0.3, "stride": 3}])
def test_as_torch_operations(march: str, size: int, arguments: dict) -> None:
    set_march(march)
    compiled = _states(size, **arguments)
    with torch_operations_only():
        assert all(torch.equal(a, b) for a, b in zip(compiled, _states(size, **arguments), strict=True))


def test_sixteen_bits_are_not_counted() -> None:
    set_march("bayes")
    compiled = _states(SIZES[1], dtype="qint16", stride=19)
    with torch_operations_only():
        assert all(
            torch.equal(a, b) for a, b in zip(compiled, _states(SIZES[1], dtype="qint16", stride=19), strict=True)
        )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_changes_nothing(size: int, value: float) -> None:
    set_march("bayes")
    fake_quant = FakeQuantize(observer=MSEObserver)
    fake_quant(torch.randn(size))
    before = fake_quant.scale.clone()
    with pytest.raises(ValueError, match="NaN or Inf"):
        fake_quant(torch.full((size,), value))
    assert torch.equal(fake_quant.scale, before)


def test_threads_change_nothing() -> None:
    set_march("bayes")
    threads, results = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(_states(SIZES[1]))
    torch.set_num_threads(threads)
    assert all(map(torch.equal, *results))
