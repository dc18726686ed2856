"""Observing in one pass gives the ranges and the scale that torch operations give."""

import math
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import FakeQuantize
from horizon_plugin_pytorch.quantization.observer import MovingAverageMinMaxObserver
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver

PER_CHANNEL = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0, "channel_len": 6}


def _batches() -> list[Tensor]:
    torch.manual_seed(3)
    sizes = (0.3, 2.0, 1e-9, 1e30, 0.7)
    batches = [torch.randn(6, 5, 3, 3) * size for size in sizes]
    return [*batches, torch.zeros(6, 5, 3, 3), torch.rand(6, 5, 4, 4), -torch.rand(6, 40)]


def _states(arguments: dict) -> list[Tensor]:
    fake_quant, found = FakeQuantize(observer=MinMaxObserver, **arguments), []
    for batch in _batches():
        values = fake_quant(batch).dequantize()
        found += [value.clone() for value in (*fake_quant.state_dict().values(), values) if isinstance(value, Tensor)]
    return found


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes"])
@pytest.mark.parametrize("constant", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("scheme", [{}, PER_CHANNEL, {"dtype": "qint16"}, {"quant_min": 0, "quant_max": 100}])
def test_as_torch_operations(march: str, constant: float, scheme: dict) -> None:
    set_march(march)
    arguments = {"averaging_constant": constant, **scheme}
    compiled = _states(arguments)
    with torch_operations_only():
        defined = _states(arguments)
    assert all(torch.equal(a, b) for a, b in zip(compiled, defined, strict=True))


def _observed(**arguments) -> FakeQuantize:
    set_march("bayes")
    fake_quant = FakeQuantize(observer=MinMaxObserver, averaging_constant=0.5, **arguments)
    fake_quant(torch.tensor([[-1.0, 2.0]]))
    return fake_quant


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_changes_nothing(value: float) -> None:
    fake_quant = _observed()
    before = {key: value.clone() for key, value in fake_quant.state_dict().items() if isinstance(value, Tensor)}
    with pytest.raises(ValueError, match="NaN or Inf"):
        fake_quant(torch.tensor([[0.0, value, 1.0, 5.0]]))
    assert all(torch.equal(fake_quant.state_dict()[key], tensor) for key, tensor in before.items())


@pytest.mark.parametrize("row", [0, 3, 5])
def test_a_row_that_is_not_finite_changes_no_row(row: int) -> None:
    set_march("bayes")
    fake_quant = FakeQuantize(observer=MinMaxObserver, averaging_constant=0.5, **PER_CHANNEL)
    fake_quant(torch.randn(6, 40_000))
    before = {key: value.clone() for key, value in fake_quant.state_dict().items() if isinstance(value, Tensor)}
    bad = torch.randn(6, 40_000)
    bad[row, 7] = math.inf
    with pytest.raises(ValueError, match="NaN or Inf"):
        fake_quant(bad)
    assert all(torch.equal(fake_quant.state_dict()[key], tensor) for key, tensor in before.items())


@pytest.mark.parametrize("scheme", [{}, PER_CHANNEL])
def test_gradients_of_what_is_observed_at_once(scheme: dict) -> None:
    set_march("bayes")
    found = []
    for way in (nullcontext(), torch_operations_only()):
        fake_quant = FakeQuantize(observer=MinMaxObserver, averaging_constant=0.1, **scheme)
        with way:
            for batch in _batches()[:2]:
                leaf = batch.clone().requires_grad_()
                fake_quant(leaf).dequantize().backward(torch.ones_like(leaf).cumsum(0))
                found.append(leaf.grad)
    assert all(map(torch.equal, found[:2], found[2:]))
    assert (found[1] == 0).any()


def test_the_scale_tells_that_it_was_written() -> None:
    fake_quant = _observed()
    version = fake_quant.scale._version
    fake_quant(torch.ones(3))
    assert fake_quant.scale._version > version


class _Halved(MovingAverageMinMaxObserver):
    """Has its own way of finding a range."""

    def _range_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lowest, highest = super()._range_of(x)
        return lowest / 2, highest / 2


def test_an_observer_with_its_own_range_keeps_it() -> None:
    set_march("bayes")
    fake_quant = FakeQuantize(observer=_Halved, averaging_constant=1.0)
    for highest in (2.0, 6.0):
        fake_quant(torch.tensor([0.0, highest]))
        assert fake_quant.activation_post_process.max_val.item() == highest / 2


def test_hooks_of_an_observer_see_each_batch() -> None:
    fake_quant, seen = _observed(), []
    fake_quant.activation_post_process.register_forward_hook(lambda *_: seen.append(1))
    fake_quant(torch.ones(3))
    assert seen


def test_threads_change_nothing() -> None:
    threads, results = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        fake_quant = _observed()
        fake_quant(torch.linspace(-3, 5, 100_001).reshape(1, -1))
        results.append(fake_quant.scale.clone())
    torch.set_num_threads(threads)
    assert torch.equal(*results)
