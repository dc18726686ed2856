"""Observers: ranges, scales, and the algorithms against slow copies of their descriptions."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import observer as v1
from horizon_plugin_pytorch.quantization import observer_v2 as v2

CHANNELS: dict[str, Any] = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0}
ALL = (v2.MinMaxObserver, v2.PercentileObserver, v2.MSEObserver, v2.ClipObserver, v2.ClipStdObserver)


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def limits(observer: Any) -> tuple[list[float], list[float]]:
    return observer.min_val.tolist(), observer.max_val.tolist()


class TestScale:
    @pytest.mark.parametrize(
        ("march", "dtype", "batch", "scale"),
        [
            ("bayes", qint8, [-1.0, 2.55], 0.019999999552965164),
            ("bernoulli2", qint8, [-1.0, 2.55], 0.019999999552965164),
            ("bayes", qint16, [-1.0, 2.55], 7.782100874464959e-05),
            ("bernoulli", qint8, [-1.0, 2.55], 0.03125),
            ("bayes", qint8, [0.0, 0.0], 1.1920928955078125e-07),
            ("bernoulli", qint8, [0.0, 0.0], 2.0**-14),
            ("bernoulli", qint8, [0.0, 1e9], 0.5),
            ("bayes", qint8, [-2.55, -1.0], 0.019999999552965164),
        ],
    )
    def test_golden(self, march: str, dtype: Any, batch: list[float], scale: float) -> None:
        set_march(march)
        observer = v2.MinMaxObserver(dtype=dtype)
        observer(torch.tensor(batch))
        found, zero_point = observer.calculate_qparams()
        assert found.tolist() == [scale]
        assert zero_point.tolist() == [0]
        assert (found.dtype, zero_point.dtype) == (torch.float32, torch.int64)

    def test_only_one_sign(self) -> None:
        observer = v2.MinMaxObserver()
        observer(torch.tensor([3.0, 2.55]))
        assert observer.calculate_qparams()[0].item() == pytest.approx(3 / 127.5)

    @pytest.mark.parametrize("cls", [*ALL, v1.MinMaxObserver, v1.MovingAverageMinMaxObserver])
    def test_without_data(self, cls: Any) -> None:
        with pytest.warns(UserWarning, match="must run observer before calling calculate_qparams"):
            scale, zero_point = cls().calculate_qparams()
        assert (scale.tolist(), zero_point.tolist()) == ([1.0], [0])

    def test_a_narrower_range_of_integers(self) -> None:
        observer = v2.MinMaxObserver(quant_min=-100, quant_max=100)
        observer(torch.tensor([2.0]))
        assert observer.calculate_qparams()[0].item() == pytest.approx(0.02)


class TestInput:
    @pytest.mark.parametrize("cls", ALL)
    def test_empty(self, cls: Any) -> None:
        observer = cls()
        assert observer(torch.empty(0, 3)).shape == (0, 3)
        assert observer.min_val.numel() == 0

    @pytest.mark.parametrize("cls", ALL)
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_not_finite(self, cls: Any, bad: float) -> None:
        observer = cls()
        with pytest.raises(ValueError, match="was given NaN or Inf"):
            observer(torch.tensor([1.0, bad]))
        assert observer.min_val.numel() == 0

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_floats(self, dtype: torch.dtype) -> None:
        observer = v2.MinMaxObserver()
        x = torch.tensor([-1.0, 2.0], dtype=dtype)
        assert observer(x) is x
        assert observer.min_val.dtype == torch.float32

    def test_no_dimensions(self) -> None:
        observer = v2.MinMaxObserver()
        observer(torch.tensor(3.0))
        assert limits(observer) == ([3.0], [3.0])

    def test_gradients_do_not_pass(self) -> None:
        observer = v2.MinMaxObserver()
        observer(torch.ones(2, requires_grad=True))
        assert not observer.min_val.requires_grad


class TestArguments:
    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"quant_min": 3, "quant_max": 3}, "quant_min 3 must be less than quant_max 3"),
            ({"quant_min": 1}, "must contain 0, not 1..127"),
            ({"quant_max": 128}, "is not inside the range of qint8, -128..127"),
            ({"averaging_constant": 1.5}, "averaging_constant must lie in 0..1"),
            ({"qscheme": torch.per_tensor_affine}, "qscheme must be .*symmetric"),
            ({"qscheme": torch.per_channel_symmetric}, "needs ch_axis"),
        ],
    )
    def test_refused(self, kwargs: dict[str, Any], message: str) -> None:
        with pytest.raises(AssertionError, match=f"MinMaxObserver.*{message}"):
            v2.MinMaxObserver(**kwargs)

    @pytest.mark.parametrize("cls", [v2.PercentileObserver, v2.ClipObserver, v2.ClipStdObserver, v1.MinMaxObserver])
    def test_per_tensor_only(self, cls: Any) -> None:
        with pytest.raises(AssertionError, match="works per tensor only"):
            cls(qscheme=torch.per_channel_symmetric)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: v2.PercentileObserver(percentile=101), "percentile must lie in 0..100"),
            (lambda: v2.PercentileObserver(bins=0), "bins must be positive"),
            (lambda: v2.MSEObserver(stride=0), "stride must be positive"),
            (lambda: v2.ClipObserver(xmin=1.0, xmax=1.0), "xmin 1.0 must be less than xmax 1.0"),
            (lambda: v2.ClipStdObserver(std_scale=0), "std_scale must be positive"),
            (lambda: v2.FixedScaleObserver(scale=0), "scale must be positive"),
            (lambda: v2.FixedScaleObserver(scale=1.0, zero_point=1), "zero_point must be 0"),
        ],
    )
    def test_own_arguments(self, make: Any, message: str) -> None:
        with pytest.raises(AssertionError, match=message):
            make()

    def test_unknown_dtype(self) -> None:
        with pytest.raises(ValueError, match="did you mean 'qint8'"):
            v2.MinMaxObserver(dtype="int8")

    def test_with_args(self) -> None:
        assert v2.MinMaxObserver.with_args(dtype="qint16").with_args(averaging_constant=1.0)().dtype == "qint16"


class TestMovingAverage:
    def test_formula(self) -> None:
        observer = v2.MinMaxObserver(averaging_constant=0.1)
        for batch in ([-1.0, 2.0], [-2.0, 1.0], [0.0, 3.0]):
            observer(torch.tensor(batch))
        low, high = -1.0, 2.0
        for cur_low, cur_high in ((-2.0, 1.0), (0.0, 3.0)):
            low, high = low + 0.1 * (cur_low - low), high + 0.1 * (cur_high - high)
        assert limits(observer) == ([pytest.approx(low)], [pytest.approx(high)])

    def test_zero_freezes(self) -> None:
        observer = v2.MinMaxObserver(averaging_constant=0.0)
        observer(torch.tensor([-1.0, 2.0]))
        observer(torch.tensor([-9.0, 9.0]))
        assert limits(observer) == ([-1.0], [2.0])

    def test_one_keeps_the_last_batch(self) -> None:
        observer = v2.MinMaxObserver(averaging_constant=1.0)
        observer(torch.tensor([-1e9, 1e9]))
        observer(torch.tensor([-0.1, 0.3]))
        assert observer.max_val.item() == torch.tensor(0.3).item()

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_channels(self, axis: int) -> None:
        x = torch.randn(3, 4, 5)
        observer = v2.MinMaxObserver(qscheme=torch.per_channel_symmetric, ch_axis=axis)
        observer(x)
        others = [d for d in range(3) if d != axis]
        assert torch.equal(observer.min_val, x.amin(others))
        assert torch.equal(observer.max_val, x.amax(others))
        assert observer.calculate_qparams()[0].shape == (x.shape[axis],)

    def test_channels_of_a_vector(self) -> None:
        observer = v2.MinMaxObserver(**CHANNELS)
        observer(torch.tensor([1.0, -2.0]))
        assert limits(observer) == ([1.0, -2.0], [1.0, -2.0])

    def test_no_such_channel(self) -> None:
        with pytest.raises(AssertionError, match=r"ch_axis 3 is no dimension of \[2, 2\]"):
            v2.MinMaxObserver(qscheme=torch.per_channel_symmetric, ch_axis=3)(torch.zeros(2, 2))

    def test_other_number_of_channels(self) -> None:
        observer = v2.MinMaxObserver(**CHANNELS)
        observer(torch.zeros(2, 2))
        with pytest.raises(AssertionError, match="observed 2 channels before and 3 now"):
            observer(torch.zeros(3, 2))

    def test_reset(self) -> None:
        observer = v2.MinMaxObserver()
        observer(torch.ones(1))
        observer.reset_min_max_vals()
        assert not observer.has_data


class TestOlderNames:
    @pytest.mark.parametrize("make", [v1.MinMaxObserver, v1.PerChannelMinMaxObserver])
    def test_running_extremes(self, make: Any) -> None:
        observer = make()
        for batch in ([[-1.0, 2.0]], [[-0.5, 3.0]]):
            observer(torch.tensor(batch))
        assert limits(observer) == ([-1.0], [3.0])

    def test_positional_arguments(self) -> None:
        assert v1.MinMaxObserver(torch.qint8, torch.per_tensor_symmetric, -127, 127).quant_min == -127
        assert v1.MovingAverageMinMaxObserver(0.5, "qint16").dtype == "qint16"
        assert v1.MovingAveragePerChannelMinMaxObserver(0.5, 1).ch_axis == 1
        assert v1.PerChannelMinMaxObserver(1).ch_axis == 1
        assert v1.ClipObserver(-2.0, 2.0, "qint16").dtype == "qint16"
        assert v1.FixedScaleObserver(0.25, 0, "qint16").calculate_qparams()[0].tolist() == [0.25]
        assert v1.MovingAveragePerTensorMinMaxObserver is v1.MovingAverageMinMaxObserver


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
