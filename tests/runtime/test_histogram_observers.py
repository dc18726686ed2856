"""HistogramObserver, CalibObserver and NormObserver: what they find in the counts of all batches, and again without data."""

import pytest
import slow_observers as slow
import torch
from fx_models import Seed

from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import observer, observer_v2


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def values(seed: int = 0, count: int = 4000) -> torch.Tensor:
    x = torch.randn(count, generator=torch.Generator().manual_seed(seed)) ** 3
    x.clamp_(-40.0, 40.0)
    x[0] = -40.0  # the widest value comes first, so that bins are those of all values
    return x


METHODS = [
    pytest.param("min_max", None, lambda x: max(map(abs, x)), id="min_max"),
    pytest.param("percentile", {"percentile": 98.0}, lambda x: slow.percentile(x, 98.0)[1], id="percentile"),
    pytest.param("kl", None, lambda x: slow.kl(x, bins=512)[1], id="kl"),
]


@pytest.mark.parametrize(("method", "arguments", "bound"), METHODS)
def test_reads_the_range_of_all_batches(method, arguments, bound) -> None:
    found = observer_v2.HistogramObserver(method, arguments, bins=512 if method == "kl" else 2048)
    x = values()
    for batch in x.split(1000):
        found(batch)
    assert found.max_val.item() == pytest.approx(bound(x.tolist()), rel=1e-5)
    assert found.min_val.item() == -found.max_val.item()


def test_the_least_squared_error_is_that_of_all_values() -> None:
    found, x = observer_v2.HistogramObserver("mse"), values()
    found(x)
    errors = {p: slow.error(x.tolist(), -p / 100 * 40.0, p / 100 * 40.0) for p in range(100, 5, -1)}
    chosen = round(found.max_val.item() / 40.0 * 100)
    assert errors[chosen] <= 1.01 * min(errors.values())


def test_zeros_alone_are_no_counts_and_no_error() -> None:
    found = observer_v2.HistogramObserver()
    found(torch.zeros(10))
    assert found.max_val.item() == 0.0


def test_resumes_from_a_state() -> None:
    whole, half, rest = (observer_v2.HistogramObserver("percentile") for _ in range(3))
    first, last = values().split(2000)
    whole(first), whole(last), half(first)
    rest.load_state_dict(half.state_dict())
    rest(last)
    assert torch.equal(rest.max_val, whole.max_val)


def test_other_observers_load_its_state() -> None:
    found, other = observer_v2.HistogramObserver(), observer_v2.MinMaxObserver()
    found(values())
    other.load_state_dict(found.state_dict())
    assert torch.equal(other.max_val, found.max_val)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("mean",), "method must be one of min_max, percentile, mse, kl"),
        (("mse", {"percentile": 9}), "does not take percentile"),
        (("percentile", {"percentile": 101.0}), "percentile must lie in 0..100"),
    ],
)
def test_wrong_methods_are_told(arguments, match) -> None:
    with pytest.raises(AssertionError, match=match):
        observer_v2.HistogramObserver(*arguments)


def calibrated() -> torch.nn.Module:
    qconfig = hq.get_qconfig(observer_v2.HistogramObserver)
    model = hq.prepare_qat_fx(Seed().eval(), {"": qconfig})
    return hq.calibrate(model, torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(1)).split(16))


def test_scales_are_found_again_without_data() -> None:
    model = calibrated()
    before = model.conv.activation_post_process.scale.clone()
    names = observer_v2.HistogramObserver.reset_scale(model, "percentile", {"percentile": 50.0}, prefix="conv")
    assert names == ("conv.activation_post_process",)
    assert model.conv.activation_post_process.scale.item() < before.item()


def test_a_dtype_is_changed_without_data() -> None:
    model = calibrated()
    observer_v2.HistogramObserver.reset_scale(model, "min_max", dtype="qint16", prefix=("quant", "conv"))
    fake_quant = model.conv.activation_post_process
    assert str(fake_quant.dtype) == "qint16"
    assert fake_quant.scale.item() == pytest.approx(fake_quant.activation_post_process.max_val.item() / 32767.5)
    assert str(hq.convert_fx(model).conv.dtype) == "qint16"


def test_a_model_without_counts_is_refused() -> None:
    model = hq.prepare_qat_fx(Seed(), {"": hq.default_calib_8bit_fake_quant_qconfig})
    with pytest.raises(ValueError, match="no layer below '' has a HistogramObserver that has seen data"):
        observer_v2.HistogramObserver.reset_scale(model, "mse")


def test_the_legacy_observer_reads_percentage_or_divergence() -> None:
    x = values()
    percentage, entropy = (
        observer.CalibObserver(8, None, False, percentile=98.0),
        observer.CalibObserver(8, None, False, num_bins=512, method="entropy"),
    )
    percentage(x), entropy(x)
    assert percentage.max_val.item() == pytest.approx(slow.percentile(x.tolist(), 98.0)[1], rel=1e-5)
    assert entropy.max_val.item() == pytest.approx(slow.kl(x.tolist())[1], rel=1e-5)


def test_the_legacy_observer_skips_zeros() -> None:
    x = torch.cat([torch.zeros(900), torch.linspace(0.01, 1.0, 100)])
    counting, skipping = (observer.CalibObserver(skip_zeros=skip, percentile=50.0) for skip in (False, True))
    counting(x), skipping(x)
    assert counting.max_val.item() < 0.01
    assert skipping.max_val.item() == pytest.approx(0.5, abs=0.02)


def test_the_legacy_observer_takes_bits() -> None:
    assert str(observer.CalibObserver(16).dtype) == "qint16"
    for arguments, match in (((9,), "num_bits=9"), ((8, 0), "axis=None"), ((8, None, True), "unsigned=False")):
        with pytest.raises(AssertionError, match=match):
            observer.CalibObserver(*arguments)


def norm_error(x: list[float], bound: float, norm: float) -> float:
    scale = slow.scale_of(-bound, bound)
    return sum(abs(min(max(round(v / scale), -128), 127) * scale - v) ** norm for v in x)


@pytest.mark.parametrize("norm", [1.0, 4.0])
def test_the_norm_observer_minimizes_its_norm(norm: float) -> None:
    found, x = observer_v2.NormObserver(norm), values(count=1000)
    found(x)
    low, high = x.min().item(), x.max().item()
    errors = {p: norm_error(x.tolist(), p / 100 * max(-low, high), norm) for p in range(100, 5, -1)}
    assert errors[round(found.min_val.item() / low * 100)] == pytest.approx(min(errors.values()), rel=1e-4)


def test_a_norm_of_two_is_the_squared_error() -> None:
    norm, squares, x = observer_v2.NormObserver(2.0), observer_v2.MSEObserver(), values()
    norm(x), squares(x)
    assert torch.equal(norm.max_val, squares.max_val)
