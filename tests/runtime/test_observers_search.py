"""Observers that search or clip, and their state dicts."""

import math
from typing import Any

import pytest
import torch
from observer_ranges import ALL, CHANNELS, limits
from torch import Tensor

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import observer_v2 as v2


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


class TestPercentile:
    def slow(self, x: Tensor, percentile: float, bins: int) -> tuple[float, float]:
        top = x.abs().max().item()
        width = top / bins
        counts = [0] * bins
        for value in x.abs().tolist():
            counts[min(int(value / width), bins - 1)] += 1
        target = percentile / 100 * x.numel()
        index = next(i for i in range(bins) if sum(counts[: i + 1]) >= target)
        clip = (index + 0.5) * width
        return max(x.min().item(), -clip), min(x.max().item(), clip)

    @pytest.mark.parametrize("percentile", [0, 50, 90, 99.9, 100])
    @pytest.mark.parametrize("bins", [4, 100, 2048])
    def test_against_its_description(self, percentile: float, bins: int) -> None:
        x = torch.randn(2000)
        observer = v2.PercentileObserver(percentile=percentile, bins=bins)
        observer(x.reshape(20, 100))
        low, high = self.slow(x, percentile, bins)
        assert observer.min_val.item() == pytest.approx(low, rel=1e-6)
        assert observer.max_val.item() == pytest.approx(high, rel=1e-6)

    def test_an_outlier_is_cut(self) -> None:
        x = torch.cat([torch.linspace(-1, 1, 100_000), torch.tensor([1000.0])])
        observer = v2.PercentileObserver()
        observer(x)
        assert observer.max_val.item() < 2
        assert observer.min_val.item() == pytest.approx(-1, abs=0.3)

    @pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
    def test_constant(self, value: float) -> None:
        observer = v2.PercentileObserver()
        observer(torch.full((10,), value))
        assert max(abs(limits(observer)[0][0]), abs(limits(observer)[1][0])) == pytest.approx(abs(value), rel=1e-3)


class TestMix:
    def test_its_percentages_may_be_given_in_any_order(self) -> None:
        x = torch.randn(2000) ** 3
        one, other = v2.MixObserver(percentiles=(90.0, 99.0)), v2.MixObserver(percentiles=(99.0, 90.0))
        one(x)
        other(x)
        assert limits(one) == limits(other)
        single = v2.PercentileObserver(percentile=99.0)
        single(x)
        assert limits(one) == limits(single), "clipping a tenth loses more"

    @pytest.mark.parametrize("arguments", [{"percentiles": (101.0,)}, {"percentiles": ()}, {"bins": 0}])
    def test_arguments(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(AssertionError, match="MixObserver: "):
            v2.MixObserver(**arguments)


class TestMse:
    def slow(self, x: Tensor, stride: int) -> float:
        best = (math.inf, 0.0)
        for percent in list(range(100, 5, -1))[::stride]:
            fraction = percent / 100
            limit = max(-x.min().item() * fraction, x.max().item() * fraction, 0.0)
            scale = max(limit / 127.5, 2**-23)
            quantized = torch.clamp(torch.floor(x.double() / scale + 0.5), -128, 127) * scale
            error = (x.double() - quantized).square().sum().item()
            if error <= best[0]:
                best = (error, fraction)
        return best[1]

    @pytest.mark.parametrize("stride", [1, 7])
    @pytest.mark.parametrize("make", [torch.randn, lambda n: torch.randn(n) ** 3, lambda n: torch.rand(n) - 2])
    def test_against_its_description(self, make: Any, stride: int) -> None:
        x = make(3000)
        observer = v2.MSEObserver(stride=stride)
        observer(x)
        fraction = self.slow(x, stride)
        assert observer.min_val.item() == pytest.approx(fraction * x.min().item(), rel=1e-5)
        assert observer.max_val.item() == pytest.approx(fraction * x.max().item(), rel=1e-5)

    def test_channels(self) -> None:
        x = torch.randn(4, 500) ** 3
        observer = v2.MSEObserver(**CHANNELS)
        observer(x)
        for row, high in zip(x, observer.max_val, strict=True):
            assert high.item() == pytest.approx(self.slow(row, 1) * row.max().item(), rel=1e-5)

    def test_ties_take_the_smallest_range(self) -> None:
        observer = v2.MSEObserver()
        observer(torch.zeros(5))
        assert observer.max_val.item() == 0.0
        set_march("bernoulli")
        observer = v2.MSEObserver()
        observer(torch.tensor([-1.5, 1.5]))  # 1.00 to 0.67 of it have the scale 2**-6, which loses nothing
        assert observer.calculate_qparams()[0].item() == 2**-6
        assert observer.max_val.item() == pytest.approx(0.67 * 1.5)

    def test_blocks_add_up(self) -> None:
        x = torch.randn(300_000)
        observer = v2.MSEObserver(stride=20)
        observer(x)
        assert observer.max_val.item() == pytest.approx(self.slow(x, 20) * x.max().item(), rel=1e-5)


class TestClips:
    def test_clip(self) -> None:
        observer = v2.ClipObserver(xmin=-0.5, xmax=2.0)
        observer(torch.tensor([-1.0, 1.5]))
        assert limits(observer) == ([-0.5], [1.5])
        observer(torch.tensor([-0.25, 9.0]))
        assert limits(observer) == ([-0.25], [2.0])

    def test_clip_refuses_a_state_of_other_bounds(self) -> None:
        wide, narrow = v2.ClipObserver(-4.0, 4.0), v2.ClipObserver(-1.0, 1.0)
        wide(torch.tensor([-3.0, 0.5]))
        with pytest.raises(ValueError, match=r"range \[-3.0\]..\[0.5\] was observed with other bounds than -1.0..1.0"):
            narrow.load_state_dict(wide.state_dict())
        wide(torch.tensor([-0.5, 0.5]))
        narrow.load_state_dict(wide.state_dict())
        assert limits(narrow) == ([-0.5], [0.5])

    def test_clip_std(self) -> None:
        x = torch.randn(1000)
        x[0] = 50.0
        observer = v2.ClipStdObserver(std_scale=2.0)
        observer(x)
        mean, deviation = x.mean().item(), x.std(correction=0).item()
        assert limits(observer) == (
            [pytest.approx(max(x.min().item(), mean - 2 * deviation))],
            [pytest.approx(mean + 2 * deviation)],
        )
        observer = v2.ClipStdObserver()
        observer(torch.tensor([4.0]))
        assert limits(observer) == ([4.0], [4.0])

    def test_fixed_scale(self) -> None:
        observer = v2.FixedScaleObserver(scale=1 / 128)
        observer(torch.tensor([math.nan]))
        assert observer.calculate_qparams()[0].tolist() == [1 / 128]
        assert observer.has_data


class TestStateDict:
    def test_ranges_take_their_shape(self) -> None:
        a, b = v2.MinMaxObserver(**CHANNELS), v2.MinMaxObserver(**CHANNELS, averaging_constant=0.0)
        a(torch.tensor([[-1.0, 2.0], [0.0, 5.0]]))
        b.load_state_dict(a.state_dict())
        b(torch.tensor([[-9.0, 9.0], [-9.0, 9.0]]))
        assert limits(b) == ([-1.0, 0.0], [2.0, 5.0])

    @pytest.mark.parametrize("cls", ALL)
    def test_kinds_are_compatible(self, cls: Any) -> None:
        a, b = cls(), v2.MinMaxObserver()
        a(torch.tensor([-0.5, 0.5]))
        b.load_state_dict(a.state_dict())
        assert torch.equal(b.max_val, a.max_val)

    def test_scalars_of_other_tools(self) -> None:
        observer = v2.MinMaxObserver(averaging_constant=0.5)
        state = {"min_val": torch.tensor(-1.0), "max_val": torch.tensor(2.0), "eps": observer.eps}
        observer.load_state_dict(state)
        observer(torch.tensor([-1.0, 4.0]))
        assert observer.calculate_qparams()[0].tolist() == pytest.approx([3 / 127.5])
