"""Checkpoints: interrupted calibration and QAT resume to the same scales; a wrong one changes nothing."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from fx_models import Parts, conv, randomized
from torch import Tensor, nn

from horizon_plugin_pytorch import qconfig
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    CheckpointError,
    FakeQuantState,
    QuantStub,
    calibrate,
    convert_fx,
    freeze_activation_scale,
    get_default_qconfig,
    load_checkpoint,
    load_observer_params,
    prepare_qat,
    prepare_qat_fx,
    save_checkpoint,
    set_fake_quantize,
)

OBSERVERS = ("min_max", "percentile", "clip_std", "mse", "kl", "mix")
BATCHES = [torch.randn(2, 4, 6, 6) * (1 + i) for i in range(4)]
X = BATCHES[0]
QAT = qconfig.default_qat_8bit_fake_quant_qconfig
CALIBRATION = qconfig.default_calib_8bit_fake_quant_qconfig


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def run(m: Parts, x: Tensor) -> Any:
    return m.dequant(torch.sigmoid(m.conv2(torch.relu(m.bn(m.conv1(m.quant(x)))))))


def net(**further: nn.Module) -> Parts:
    torch.manual_seed(0)
    layers = {"quant": QuantStub(), "conv1": conv(), "bn": nn.BatchNorm2d(4), "conv2": conv(), **further}
    return randomized(Parts(run, **layers, dequant=torch.ao.quantization.DeQuantStub()))


def prepared(preset: Any = QAT, state: FakeQuantState = FakeQuantState.QAT) -> Any:
    model = prepare_qat_fx(net(), {"": preset})
    model.train(state is FakeQuantState.QAT)
    set_fake_quantize(model, state)
    return model


def tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize("observer", OBSERVERS)
def test_calibration_resumes_to_the_same_scales(observer: str, tmp_path: Path) -> None:
    def model() -> Any:
        return prepared(get_default_qconfig(activation_observer=observer), FakeQuantState.CALIBRATION)

    whole, first, second = model(), model(), model()
    for batch in BATCHES:
        whole(batch)
    for batch in BATCHES[:2]:
        first(batch)
    save_checkpoint(first, tmp_path / "a.pt", batches=2)
    assert load_checkpoint(second, tmp_path / "a.pt") == {"batches": 2}
    for batch in BATCHES[2:]:
        second(batch)
    assert_equal(tensors(whole), tensors(second))


@pytest.mark.parametrize("kind", ["fake_quant", "lsq", "pact"])
def test_training_resumes_to_the_same_scales(kind: str, tmp_path: Path) -> None:
    preset = get_default_qconfig(activation_fake_quant=kind)

    def started() -> tuple[Any, torch.optim.Optimizer]:
        model = prepared(preset)
        return model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)

    def train(model: Any, optimizer: torch.optim.Optimizer, batches: list[Tensor]) -> None:
        for batch in batches:
            optimizer.zero_grad()
            model(batch).square().mean().backward()
            optimizer.step()

    whole, first, second = started(), started(), started()
    train(*whole, BATCHES)
    train(*first, BATCHES[:2])
    save_checkpoint(first[0], tmp_path / "a.pt", optimizer=first[1].state_dict())
    second[1].load_state_dict(load_checkpoint(second[0], tmp_path / "a.pt")["optimizer"])
    train(*second, BATCHES[2:])
    assert_equal(tensors(whole[0]), tensors(second[0]))


class TestWrongCheckpoints:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        model = prepared(CALIBRATION, FakeQuantState.CALIBRATION)
        model(X)
        save_checkpoint(model, tmp_path / "a.pt")
        return tmp_path / "a.pt"

    def refused(self, model: Any, path: Path, message: str) -> None:
        before = tensors(model)
        with pytest.raises(CheckpointError, match=message) as caught:
            load_checkpoint(model, path)
        assert str(caught.value).endswith("Nothing was loaded")
        assert_equal(before, tensors(model))

    @pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
    def test_truncated(self, path: Path, kept: float) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(kept if kept >= 1 else kept * len(data))])
        self.refused(prepared(), path, "damaged or no checkpoint")

    def test_of_another_march(self, path: Path) -> None:
        set_march("bernoulli2")
        self.refused(prepared(), path, "is of march bayes, but .* was prepared for bernoulli2: call set_march before")

    @pytest.mark.parametrize("eager", [False, True])
    def test_of_another_model(self, path: Path, eager: bool) -> None:
        wider = net(conv2=nn.Conv2d(4, 5, 3))
        wider.qconfig = QAT
        model = prepare_qat(wider) if eager else prepare_qat_fx(wider)
        self.refused(model, path, "does not belong to this model: .*conv2.weight")

    def test_of_something_else(self, tmp_path: Path) -> None:
        torch.save([1, 2], tmp_path / "b.pt")
        self.refused(prepared(), tmp_path / "b.pt", "is no checkpoint of save_checkpoint")

    def test_a_state_dict_alone(self, path: Path) -> None:
        """Without the functions for files, a traced model is as safe."""
        state = torch.load(path, weights_only=True)["state_dict"]
        model = prepared()
        before = tensors(model)
        del state["conv2.weight"]
        with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: .conv2.weight"):
            model.load_state_dict(state)
        assert_equal(before, tensors(model))
        set_march("bernoulli2")
        with pytest.raises(RuntimeError, match="is of march bayes"):
            prepared().load_state_dict(state)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            load_checkpoint(prepared(), tmp_path / "c.pt")


class TestStates:
    @pytest.mark.parametrize("observer", OBSERVERS)
    def test_calibration_and_qat_load_each_other(self, observer: str) -> None:
        calibration = prepared(get_default_qconfig(activation_observer=observer), FakeQuantState.CALIBRATION)
        calibration(X)
        qat = prepared()
        qat.load_state_dict(calibration.state_dict())
        assert torch.equal(qat.conv2.activation_post_process.scale, calibration.conv2.activation_post_process.scale)
        calibration.load_state_dict(qat.state_dict())

    def test_presets_have_equal_keys(self) -> None:
        assert prepared(CALIBRATION).state_dict().keys() == prepared().state_dict().keys()

    def test_observer_params(self) -> None:
        calibration, qat = prepared(CALIBRATION, FakeQuantState.CALIBRATION), prepared()
        calibration(X)
        load_observer_params(calibration, qat)
        assert torch.equal(qat.conv1.activation_post_process.scale, calibration.conv1.activation_post_process.scale)
        assert qat.conv1.activation_post_process.fake_quant_enabled

    def test_observer_params_bring_the_shifts_that_belong_to_them(self) -> None:
        calibration, qat = calibrate(prepared(CALIBRATION), [X]), prepared()
        load_observer_params(calibration, qat)
        assert calibration.conv1.bias_shift.numel()
        assert torch.equal(qat.conv1.bias_shift, calibration.conv1.bias_shift)

    def test_observer_params_without_shifts_end_those_of_other_scales(self) -> None:
        qat = calibrate(prepared(CALIBRATION), [X])
        load_observer_params(calibrate(prepared(CALIBRATION), [X], bias_correction=False), qat)
        assert not qat.conv1.bias_shift.numel()

    def test_shifts_of_other_layers_are_refused_with_everything_else(self) -> None:
        calibration, qat = calibrate(prepared(CALIBRATION), [X]), prepared()
        calibration.conv1.set_bias_shift(torch.zeros(3))
        before = qat.conv1.activation_post_process.scale.clone()
        with pytest.raises(ValueError, match=r"conv1: bias_shift has shape \[3\] in the source"):
            load_observer_params(calibration, qat)
        assert torch.equal(qat.conv1.activation_post_process.scale, before)

    def test_a_checkpoint_of_the_unmodified_float_model(self) -> None:
        plain = nn.ModuleDict({"conv1": conv(), "bn": nn.BatchNorm2d(4), "conv2": conv()})
        model = net()
        model.load_state_dict(plain.state_dict())
        assert torch.equal(model.conv1.weight, plain["conv1"].weight)

    def test_converted_models_travel(self, tmp_path: Path) -> None:
        model = prepared()
        model(X)
        integers, other = convert_fx(model), convert_fx(prepared())
        torch.save(integers.state_dict(), tmp_path / "a.pt")
        other.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
        for twin in (other, copy.deepcopy(integers), pickle.loads(pickle.dumps(integers))):
            assert torch.equal(twin(X), integers(X))


class TestFrozenScales:
    def test_they_stay(self) -> None:
        model = prepared(state=FakeQuantState.CALIBRATION)
        model(X)
        freeze_activation_scale(model)
        before = model.conv1.activation_post_process.scale.clone()
        model.train()
        set_fake_quantize(model, FakeQuantState.QAT)
        model(100 * X)
        assert torch.equal(model.conv1.activation_post_process.scale, before)
        freeze_activation_scale(model, frozen=False)
        model(100 * X)
        assert not torch.equal(model.conv1.activation_post_process.scale, before)

    def test_learned_ones_get_no_gradient(self) -> None:
        model = prepared(get_default_qconfig(activation_fake_quant="lsq"))
        model(X)
        freeze_activation_scale(model)
        model(X).sum().backward()
        assert model.conv1.activation_post_process.scale.grad is None
        assert model.conv1.weight.grad is not None

    def test_not_before_they_are_observed(self) -> None:
        with pytest.raises(ValueError, match="conv1, conv2, quant never observed anything; calibrate first"):
            freeze_activation_scale(prepared())
