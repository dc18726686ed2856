"""Every observer against its description in plain Python, on data of many shapes."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import slow_observers as slow
import torch
from torch import Tensor

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import observer as v1
from horizon_plugin_pytorch.quantization import observer_v2 as v2

Slow = Callable[[list[float]], tuple[float, float]]
OBSERVERS: dict[Any, Slow] = {
    v2.MinMaxObserver: slow.min_max,
    v2.PercentileObserver: slow.percentile,
    v2.MSEObserver: slow.mse,
    v2.MixObserver: slow.mix,
    v2.KLObserver: slow.kl,
    v2.ClipObserver: slow.clip,
    v2.ClipStdObserver: slow.clip_std,
    v1.MinMaxObserver: slow.min_max,
    v1.MovingAverageMinMaxObserver: slow.min_max,
    v1.ClipObserver: slow.clip,
}
COUNT = 1500


def drawn(name: str) -> Tensor:
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    x = torch.randn(COUNT, generator=generator)
    shapes = {
        "random": x,
        "long-tailed": x**5,
        "bimodal": x * 0.1 + torch.where(torch.arange(COUNT) % 2 == 0, 3.0, -2.0),
        "constant": torch.full((COUNT,), 0.75),
        "zeros": torch.zeros(COUNT),
        "positive": x.abs(),
        "negative": -x.abs() - 1.0,
        "outlier": torch.cat([x, torch.tensor([400.0])]),
        "one element": torch.tensor([-2.5]),
    }
    return shapes[name]


DATA = ("random", "long-tailed", "bimodal", "constant", "zeros", "positive", "negative", "outlier", "one element")


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


@pytest.mark.filterwarnings("ignore:KLObserver searches")
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("cls", OBSERVERS, ids=lambda cls: f"{cls.__module__[-3:]}{cls.__name__}")
def test_scale(cls: Any, name: str) -> None:
    x = drawn(name)
    observer = cls()
    observer(x.reshape(1, -1))
    low, high = OBSERVERS[cls](x.tolist())
    assert observer.calculate_qparams()[0].item() == pytest.approx(slow.scale_of(low, high), rel=2e-5)


@pytest.mark.filterwarnings("ignore:KLObserver searches", "ignore:must run observer")
@pytest.mark.parametrize("cls", OBSERVERS)
def test_an_empty_batch_changes_nothing(cls: Any) -> None:
    observer = cls()
    observer(torch.empty(0, 3))
    assert observer.calculate_qparams()[0].tolist() == [1.0]
    observer(drawn("random"))
    seen = observer.calculate_qparams()[0]
    observer(torch.empty(0, 3))
    assert torch.equal(observer.calculate_qparams()[0], seen)


@pytest.mark.filterwarnings("ignore:KLObserver searches")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("cls", OBSERVERS)
def test_values_that_are_no_numbers_are_told_and_change_nothing(cls: Any, bad: float) -> None:
    observer = cls()
    observer(drawn("random"))
    seen = {name: value.clone() for name, value in observer.state_dict().items()}
    x = drawn("random").clone()
    x[7] = bad
    with pytest.raises(ValueError, match="NaN or Inf"):
        observer(x)
    assert all(torch.equal(value, seen[name]) for name, value in observer.state_dict().items())


@pytest.mark.filterwarnings("ignore:KLObserver searches")
@pytest.mark.parametrize("cls", [v2.PercentileObserver, v2.MSEObserver, v2.MixObserver])
def test_a_later_batch_counts_a_hundredth(cls: Any) -> None:
    first, second = drawn("random"), drawn("long-tailed")
    observer = cls()
    observer(first)
    observer(second)
    expected = [a + 0.01 * (b - a) for a, b in zip(*(OBSERVERS[cls](x.tolist()) for x in (first, second)), strict=True)]
    assert observer.calculate_qparams()[0].item() == pytest.approx(slow.scale_of(*expected), rel=2e-5)
