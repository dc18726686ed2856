"""Observers: ranges, scales, and the algorithms against slow copies of their descriptions."""

import math
from typing import Any

import pytest
import torch
from observer_ranges import ALL, CHANNELS, limits

from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import observer as v1
from horizon_plugin_pytorch.quantization import observer_v2 as v2


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


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
