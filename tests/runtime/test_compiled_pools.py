"""Pools as compiled loops: the integers of the definition, for every way that a window moves."""

import copy
import pickle
import shutil
from typing import Any

import pytest
import torch
from test_kernel_plans import converted
from torch import nn

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime import quantized_window
from horizon_plugin_pytorch.quantization import QuantStub, by_definition

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
POOLS = [
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d((2, 3), (1, 2), (0, 1)),
    nn.MaxPool2d(2, 1, 1, dilation=2),
    nn.MaxPool2d(5, padding=2),
    nn.AvgPool2d(3, 2, 1),
    nn.AvgPool2d((2, 5), (2, 1)),
    nn.AvgPool2d(7),
]


def images(channels: int = 20) -> torch.Tensor:
    torch.manual_seed(0)
    x = torch.randn(2, channels, 11, 13)
    x[:, :, :4] -= 3  # windows without a positive element
    return x


def pooled(pool: nn.Module, march: str = "bayes", dtype: str = "qint8") -> Any:
    return converted(nn.Sequential(QuantStub(), copy.deepcopy(pool)), march, images(), dtype, fast_mode=True)


def check(model: Any) -> None:
    with by_definition():
        expected = model(images()).int_repr()
    assert expected.unique().numel() > 20
    assert torch.equal(model(images()).int_repr(), expected)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is computed by torch instead."""
    seen: list[str] = []

    def noted(name: str, function: Any) -> Any:
        return lambda *args: seen.append(name) or function(*args)

    for name in ("exact_float", "exact_window_sum"):
        monkeypatch.setattr(quantized_window, name, noted(name, getattr(quantized_window, name)))
    return seen


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_a_pool_has_the_bits_of_the_definition(pool: nn.Module, calls: list[str]) -> None:
    check(pooled(pool))
    assert len(calls) == 1  # by the definition


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("pool", [POOLS[0], POOLS[4]], ids=str)
def test_on_every_march(march: str, pool: nn.Module) -> None:
    check(pooled(pool, march))


def test_maxima_of_16_bits_are_compiled_too(calls: list[str]) -> None:
    check(pooled(POOLS[0], dtype="qint16"))
    assert len(calls) == 1


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True)], ids=str)
def test_windows_beyond_the_image_are_left_to_torch(pool: nn.Module, calls: list[str]) -> None:
    check(pooled(pool))
    assert len(calls) == 2


def test_a_mean_that_ran_can_be_copied() -> None:
    model = pooled(POOLS[4])
    expected = model(images()).int_repr()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(images()).int_repr(), expected)
