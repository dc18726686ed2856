"""`calibrate` corrects biases by default: by which batches, when it does not, and that nothing else depends on it."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fx_models import Parts, conv, randomized
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.calibrate import EvenSample
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    QuantStub,
    calibrate,
    convert_fx,
    correct_bias,
    default_calib_8bit_fake_quant_qconfig,
    default_qat_8bit_fake_quant_qconfig,
    load_checkpoint,
    prepare_qat,
    prepare_qat_fx,
    save_checkpoint,
)

BATCHES = [torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
CALIBRATION, QAT = default_calib_8bit_fake_quant_qconfig, default_qat_8bit_fake_quant_qconfig


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bernoulli2")


def net() -> nn.Module:
    torch.manual_seed(0)
    parts = {"quant": QuantStub(scale=1 / 64), "first": conv(3, 8), "norm": nn.BatchNorm2d(8), "second": conv(8, 4)}
    return randomized(Parts(lambda m, x: m.second(torch.relu(m.norm(m.first(m.quant(x))))), **parts))


def prepared(preset: Any = CALIBRATION) -> Any:
    return prepare_qat_fx(net(), {"": preset})


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def different(first: nn.Module, second: nn.Module) -> list[str]:
    a, b = first.state_dict(), second.state_dict()
    assert a.keys() == b.keys()
    return [key for key in a if not torch.equal(a[key], b[key])]


def is_corrected(model: nn.Module) -> bool:
    """Whether any layer is; without data all have an empty shift."""
    return any(buffer.numel() for name, buffer in model.named_buffers() if name.endswith("bias_shift"))


SHIFTS = {"first.bias_shift", "second.bias_shift"}


class TestDefault:
    @pytest.mark.parametrize("validate", [True, False])
    def test_it_is_what_correct_bias_does(self, validate: bool) -> None:
        corrected, by_hand = (calibrate(prepared(), BATCHES, validate, bias_correction=b) for b in (True, False))
        assert set(different(corrected, by_hand)) == SHIFTS
        correct_bias(by_hand, BATCHES)
        assert different(corrected, by_hand) == []

    def test_integers_gain_accuracy(self) -> None:
        x, floats = BATCHES[0], net()
        corrected, observed = (calibrate(prepared(), iter(BATCHES), bias_correction=b) for b in (True, False))
        errors = [(convert_fx(m)(x).dequantize() - floats(x)).square().mean() for m in (corrected, observed)]
        assert errors[0] < 0.9 * errors[1]

    def test_a_loader_is_read_once_even_if_it_reuses_its_memory(self) -> None:
        def reused() -> Iterator[Tensor]:
            memory = torch.empty_like(BATCHES[0])
            for batch in BATCHES:
                yield memory.copy_(batch)

        assert different(calibrate(prepared(), reused()), calibrate(prepared(), BATCHES)) == []


class TestSample:
    """Batches are numbered by their values."""

    @staticmethod
    def kept(sizes: list[int], limit: int) -> list[float]:
        sample = EvenSample(limit)
        for number, size in enumerate(sizes):
            sample.add([torch.full((size, 1), float(number))])
        return [batch[0][0].item() for batch in sample.batches]

    @pytest.mark.parametrize(
        ("sizes", "kept"),
        [
            ([2, 2, 2], [0, 1, 2]),
            ([2] * 4, [0, 1, 2, 3]),
            ([2] * 5, [0, 2, 4]),
            ([2] * 32, [0, 8, 16, 24]),
            ([100, 100], [0]),
            ([0, 2, 0, 2], [1, 3]),
        ],
    )
    def test_it_is_spread_evenly_and_bounded(self, sizes: list[int], kept: list[float]) -> None:
        assert self.kept(sizes, limit=8) == kept

    def test_other_arguments_are_kept_as_they_are(self) -> None:
        sample = EvenSample(8)
        sample.add([torch.zeros(2), 3, "word"])
        assert sample.batches[0][1:] == [3, "word"]


class TestResuming:
    def test_an_interrupted_calibration_gives_the_same_model(self, tmp_path: Path) -> None:
        whole = calibrate(prepared(), BATCHES)
        first, second = calibrate(prepared(), BATCHES[:2], validate=False), prepared()
        save_checkpoint(first, tmp_path / "a.pt")
        load_checkpoint(second, tmp_path / "a.pt")
        assert set(different(whole, calibrate(second, BATCHES[2:]))) == SHIFTS  # of the batches they were given
        correct_bias(second, BATCHES)
        assert different(whole, second) == []

    def test_calibrating_again_does_not_add_up(self) -> None:
        model = calibrate(prepared(), BATCHES)
        once = model.second.bias_shift.clone()
        calibrate(model, BATCHES)
        step = model.second.activation_post_process.scale
        assert bool(((model.second.bias_shift - once).abs() < 0.1 * step).all())
        assert bool((once > 0.3 * step).any())


class TestState:
    def test_it_travels_to_a_qat_model_and_its_integers(self) -> None:
        model, qat = calibrate(prepared(), BATCHES), prepared(QAT)
        qat.load_state_dict(model.state_dict())
        assert [key for key in different(model, qat) if "bias" in key] == []
        assert torch.equal(convert_fx(qat).second.bias, model.second.bias + model.second.bias_shift)

    def test_a_state_from_before_it_was_corrected_ends_the_correction(self) -> None:
        model = prepared()
        state = state_of(model)
        calibrate(model, BATCHES).load_state_dict(state)
        assert model.second.bias_shift.numel() == 0

    def test_a_state_that_does_not_know_of_shifts_has_none(self) -> None:
        model = calibrate(prepared(), BATCHES)
        model.load_state_dict({key: value for key, value in state_of(model).items() if "bias_shift" not in key})
        assert model.second.bias_shift.numel() == 0

    def test_a_shift_of_another_layer_is_refused(self) -> None:
        model = prepared()
        state = {**state_of(model), "second.bias_shift": torch.zeros(5)}
        with pytest.raises(RuntimeError, match=r"second\.bias_shift"):
            model.load_state_dict(state)


class TestWhatIsNotCorrected:
    def test_on_demand(self) -> None:
        assert is_corrected(calibrate(prepared(), BATCHES))
        assert not is_corrected(calibrate(prepared(), BATCHES, bias_correction=False))

    def test_without_data_or_weighted_layers(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not is_corrected(calibrate(prepared(), []))
            stub = Parts(lambda m, x: m.quant(x), quant=QuantStub()).eval()
            assert not is_corrected(calibrate(prepare_qat_fx(stub, {"": CALIBRATION}), BATCHES))

    def test_a_model_that_was_not_traced(self) -> None:
        model = net()
        model.qconfig = CALIBRATION  # type: ignore[assignment]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            eager = calibrate(prepare_qat(model), BATCHES)
        assert not is_corrected(eager)

    def test_a_model_without_integers_says_so_and_is_calibrated(self) -> None:
        floats = Parts(lambda m, x: m.layer(x), layer=conv(3, 8)).eval()  # without a stub, nothing is an integer
        plain, model = (prepare_qat_fx(floats, {"": CALIBRATION}) for _ in range(2))
        with pytest.warns(UserWarning, match=r"biases were not corrected.*Pass bias_correction=False"):
            calibrate(model, BATCHES)
        assert different(model, calibrate(plain, BATCHES, bias_correction=False)) == []
