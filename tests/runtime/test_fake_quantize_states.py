"""Fake quantizers: their states, their state dicts, and those that learn their scale."""

from typing import Any

import pytest
import torch
from fake_quants import CHANNELS, FORWARD, X, fixed
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization.fake_quantize import (
    FakeQuantize,
    FakeQuantState,
    PACTFakeQuantize,
    _LearnableFakeQuantize,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


class TestStateDict:
    def test_round_trip(self) -> None:
        a, b = FakeQuantize(), FakeQuantize()
        a(torch.tensor([-1.0, 2.55]))
        b.load_state_dict(a.state_dict())
        assert torch.equal(a.scale, b.scale)
        assert b.activation_post_process.max_val.tolist() == pytest.approx([2.55])
        assert set(a.state_dict()) == {
            *("fake_quant_enabled", "observer_enabled", "scale", "zero_point"),
            *(f"activation_post_process.{name}" for name in ("eps", "min_val", "max_val")),
        }

    def test_fixed_scale_is_kept(self) -> None:
        a, b = fixed(0.5), fixed(0.25)
        with pytest.raises(ValueError, match=r"its scale is fixed at \[0.25\], but the loaded one is \[0.5\]"):
            b.load_state_dict(a.state_dict())
        fixed(0.5).load_state_dict(a.state_dict())


class TestStates:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant = FakeQuantize()
            self.norm = nn.BatchNorm1d(1)

        def forward(self, x: Tensor) -> Any:
            return self.quant(x)

    def states(self, net: nn.Module) -> tuple[bool, bool, bool]:
        quant = net.quant
        return quant.training, bool(quant.observer_enabled), bool(quant.fake_quant_enabled)

    def test_calibration(self) -> None:
        net = self.Net().eval()
        for _ in range(2):
            set_fake_quantize(net, FakeQuantState.CALIBRATION)
            assert self.states(net) == (True, True, False)
            assert not net.norm.training
        assert net(torch.tensor([0.3, 2.55])).dequantize().tolist() == pytest.approx([0.3, 2.55])
        assert net.quant.scale.item() == pytest.approx(0.02)

    def test_qat_and_validation(self) -> None:
        net = self.Net().eval()
        set_fake_quantize(net, FakeQuantState.CALIBRATION)
        net(torch.tensor([-1.0, 2.55]))
        net.eval()
        set_fake_quantize(net, FakeQuantState.VALIDATION)
        assert self.states(net) == (False, False, True)
        assert net(torch.tensor([100.0])).dequantize().item() == pytest.approx(2.54)
        net.train()
        set_fake_quantize(net, FakeQuantState.QAT)
        assert self.states(net) == (True, True, True)

    def test_a_later_eval_does_not_end_calibration(self) -> None:
        net = self.Net().eval()
        set_fake_quantize(net, FakeQuantState.CALIBRATION)
        net.eval()
        net(torch.tensor([2.55]))
        assert net.quant.scale.item() == pytest.approx(0.02)

    def test_a_later_train_does_not_end_validation(self) -> None:
        net = self.Net().eval()
        set_fake_quantize(net, FakeQuantState.VALIDATION)
        net.train()
        net(torch.tensor([2.55]))
        assert net.quant.scale.item() == 1.0

    def test_qat_observes_while_the_model_trains(self) -> None:
        net = self.Net().train()
        set_fake_quantize(net, FakeQuantState.QAT)
        net.eval()
        net(torch.tensor([2.55]))
        assert net.quant.scale.item() == 1.0
        net.train()
        net(torch.tensor([2.55]))
        assert net.quant.scale.item() == pytest.approx(0.02)

    def test_nothing_to_put_into_a_state(self) -> None:
        with pytest.raises(
            AssertionError, match="no fake quantizers; give it what prepare_qat_fx or prepare_qat returned"
        ):
            set_fake_quantize(nn.Sequential(nn.ReLU()).eval(), FakeQuantState.CALIBRATION)

    def test_float(self) -> None:
        net = self.Net()
        set_fake_quantize(net, FakeQuantState._FLOAT)
        assert self.states(net) == (True, False, False)
        set_fake_quantize(net, FakeQuantState.QAT)
        assert self.states(net) == (True, True, True)

    @pytest.mark.parametrize(
        ("training", "state", "message"),
        [
            (False, FakeQuantState.QAT, r"Call model.train\(\) before set fake quant to QAT mode."),
            (True, FakeQuantState.CALIBRATION, r"Call model.eval\(\) before set fake quant to CALIBRATION mode."),
            (True, FakeQuantState.VALIDATION, r"Call model.eval\(\) before set fake quant to VALIDATION mode."),
        ],
    )
    def test_wrong_mode(self, training: bool, state: FakeQuantState, message: str) -> None:
        net = self.Net().train(training)
        before = self.states(net)
        with pytest.raises(AssertionError, match=message):
            set_fake_quantize(net, state)
        assert self.states(net) == before

    def test_frozen_norms_are_no_obstacle(self) -> None:
        net = self.Net().train()
        net.norm.eval()
        set_fake_quantize(net, FakeQuantState.QAT)

    def test_not_a_state(self) -> None:
        with pytest.raises(TypeError, match="takes a FakeQuantState, not 'qat'"):
            set_fake_quantize(self.Net(), "qat")  # type: ignore[arg-type]

    def test_two_models_are_independent(self) -> None:
        a, b = self.Net().eval(), self.Net().train()
        set_fake_quantize(b, FakeQuantState.QAT)
        set_fake_quantize(a, FakeQuantState.CALIBRATION)
        assert self.states(b) == (True, True, True)


class TestLearnedStep:
    def reference(self, x: Tensor, scale: Tensor, factor: float, axis: int | None) -> tuple[Tensor, Tensor]:
        """Gradients of torch's own learnable fake quantization."""
        x, scale = x.clone().requires_grad_(), scale.clone().requires_grad_()
        zero = torch.zeros_like(scale)
        if axis is None:
            out = torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero, -128, 127, factor)
        else:
            out = torch._fake_quantize_learnable_per_channel_affine(x, scale, zero, axis, -128, 127, factor)
        (out * torch.linspace(-1, 1, x.numel()).reshape(x.shape)).sum().backward()
        return x.grad, scale.grad

    @pytest.mark.parametrize("scaling", [False, True])
    @pytest.mark.parametrize("axis", [None, 0])
    def test_gradients_are_those_of_torch(self, scaling: bool, axis: int | None) -> None:
        x = torch.randn(3, 50) * 2
        x[0, 0], x[1, 1] = 100.0, -100.0
        scale = torch.tensor([0.013] if axis is None else [0.013, 0.02, 0.031])
        kwargs: dict[str, Any] = {} if axis is None else {**CHANNELS, "channel_len": 3}
        fake_quant = _LearnableFakeQuantize(scale=scale, use_grad_scaling=scaling, **kwargs)
        fake_quant.disable_observer()
        leaf = x.clone().requires_grad_()
        out = fake_quant(leaf).dequantize()
        (out * torch.linspace(-1, 1, x.numel()).reshape(x.shape)).sum().backward()
        factor = (x.numel() * 127) ** -0.5 if scaling else 1.0
        dx, ds = self.reference(x, scale, factor, axis)
        assert torch.equal(leaf.grad, dx)
        torch.testing.assert_close(fake_quant.scale.grad, ds, rtol=1e-3, atol=1e-4)

    def test_forward_rounds_as_the_march(self) -> None:
        fake_quant = _LearnableFakeQuantize(scale=0.5).eval()
        assert fake_quant(torch.tensor(X)).dequantize().tolist() == FORWARD

    def test_the_first_batch_sets_the_scale(self) -> None:
        fake_quant = _LearnableFakeQuantize(observer=MinMaxObserver, averaging_constant=1.0)
        fake_quant(torch.tensor([-1.0, 2.55]))
        assert fake_quant.scale.item() == pytest.approx(0.02)
        fake_quant(torch.tensor([-1.0, 5.1]))
        assert fake_quant.scale.item() == pytest.approx(0.02)

    def test_calibration_sets_the_scale(self) -> None:
        fake_quant = _LearnableFakeQuantize(observer=MinMaxObserver, averaging_constant=1.0)
        fake_quant.disable_fake_quant()
        fake_quant(torch.tensor([-1.0, 2.55]))
        fake_quant(torch.tensor([-1.0, 5.1]))
        assert fake_quant.scale.item() == pytest.approx(0.04)

    def test_a_scale_never_ends_up_negative(self) -> None:
        fake_quant = _LearnableFakeQuantize(scale=0.5).eval()
        with torch.no_grad():
            fake_quant.scale.fill_(-0.5)
        assert fake_quant(torch.tensor(X)).dequantize().tolist() == FORWARD

    def test_it_learns(self) -> None:
        fake_quant = _LearnableFakeQuantize(scale=1.0, use_grad_scaling=True)
        fake_quant.disable_observer()
        x = torch.randn(1000)
        optimizer = torch.optim.Adam(fake_quant.parameters(), lr=0.02)
        errors = []
        for _ in range(50):
            optimizer.zero_grad()
            error = (fake_quant(x).dequantize() - x).square().mean()
            error.backward()
            optimizer.step()
            errors.append(error.item())
        assert errors[-1] < errors[0] / 10


class TestPact:
    def test_alpha_makes_the_scale(self) -> None:
        fake_quant = PACTFakeQuantize(alpha=2.55)
        assert fake_quant.scale.item() == pytest.approx(0.02)
        with torch.no_grad():
            fake_quant.alpha.fill_(5.1)
        fake_quant(torch.zeros(1))
        assert fake_quant.scale.item() == pytest.approx(0.04)

    def test_gradients(self) -> None:
        fake_quant = PACTFakeQuantize(alpha=1.0)
        x = torch.tensor([0.3, -0.3, 5.0, -5.0, 6.0], requires_grad=True)
        fake_quant(x).dequantize().sum().backward()
        assert x.grad.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
        assert fake_quant.alpha.grad.tolist() == [1.0]

    def test_channels(self) -> None:
        fake_quant = PACTFakeQuantize(**CHANNELS, channel_len=2, alpha=2.55)
        out = fake_quant(torch.tensor([[1.0], [9.0]]))
        assert out.q_scale().shape == (2,)
        out.dequantize().sum().backward()
        assert fake_quant.alpha.grad.tolist() == [0.0, 1.0]

    def test_alpha_must_be_positive(self) -> None:
        with pytest.raises(AssertionError, match="alpha must be positive"):
            PACTFakeQuantize(alpha=0.0)
