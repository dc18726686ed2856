"""Fake quantizers: forward, gradients, states, state dicts. Numbers are those of the golden vectors."""

import copy
import pickle
from typing import Any

import pytest
import torch
from fake_quants import CHANNELS, FORWARD, MASK, X, fixed, gradient
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.fake_quantize import fake_quantize_values
from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization.fake_quantize import (
    FakeQuantize,
)
from horizon_plugin_pytorch.quantization.observer import MovingAverageMinMaxObserver
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


class TestForward:
    @pytest.mark.parametrize("saturate", [None, True, False])
    def test_golden(self, saturate: bool | None) -> None:
        fake_quant = fixed(saturate=saturate)
        assert fake_quant(torch.tensor(X)).dequantize().tolist() == FORWARD
        assert gradient(fake_quant, X) == ([1.0] * 6 if saturate is False else MASK)

    @pytest.mark.parametrize(
        ("march", "q"), [("bayes", [1, 0, 2, -2]), ("bernoulli2", [1, 0, 2, -2]), ("bernoulli", [0, -1, 1, -3])]
    )
    def test_each_march_rounds_its_way(self, march: str, q: list[int]) -> None:
        set_march(march)
        x = torch.tensor([0.25, -0.25, 0.75, -1.25])
        assert (fixed()(x).dequantize() / 0.5).tolist() == q

    def test_weights_are_rounded_as_weights(self) -> None:
        set_march("bernoulli")
        fake_quant = FakeQuantize(**CHANNELS, channel_len=2).eval()
        fake_quant.set_qparams([0.5, 1.0])
        out = fake_quant(torch.tensor([[0.25, -0.25], [0.5, -0.5]]))
        assert out.dequantize().tolist() == [[0.5, 0.0], [1.0, 0.0]]
        assert out.q_per_channel_axis() == 0

    @pytest.mark.parametrize("dtype", [qint8, qint16])
    @pytest.mark.parametrize("march", ["bayes", "bernoulli2", "bernoulli"])
    def test_simulates_the_integers(self, dtype: Any, march: str) -> None:
        set_march(march)
        fake_quant = FakeQuantize(observer=MinMaxObserver, dtype=dtype)
        x = torch.randn(4, 5) * 100
        out = fake_quant(x)
        again = QTensor(x, out.q_scale(), dtype)
        assert torch.equal(out.int_repr(), again.int_repr())
        assert torch.equal(QTensor(out.int_repr(), out.q_scale(), dtype).dequantize(), out.dequantize())

    def test_always_returns_the_scale(self) -> None:
        fake_quant = FakeQuantize()
        fake_quant.disable_fake_quant()
        fake_quant.disable_observer()
        x = torch.tensor([0.3])
        out = fake_quant(x)
        assert isinstance(out, QTensor)
        assert out.q_scale() is fake_quant.scale
        assert out.dequantize() is x

    def test_other_inputs(self) -> None:
        fake_quant = fixed()
        assert fake_quant(torch.tensor([3])).dequantize().tolist() == [3.0]
        assert fake_quant(QTensor(torch.tensor([3], dtype=torch.int8), torch.tensor([0.25]), qint8)).dequantize() == 1.0
        assert fake_quant(QTensor(torch.tensor([0.3]), torch.tensor([1.0]), qint16)).dequantize().tolist() == [0.5]
        assert fake_quant(torch.tensor([0.3], dtype=torch.float64)).dequantize().dtype == torch.float32
        assert fake_quant(torch.tensor(0.3)).dequantize().shape == ()
        assert fake_quant(torch.empty(0, 3)).dequantize().shape == (0, 3)
        assert fake_quant(torch.tensor([float("inf"), -float("inf")])).dequantize().tolist() == [63.5, -64.0]

    def test_empty_input_keeps_the_scale(self) -> None:
        fake_quant = FakeQuantize()
        fake_quant(torch.tensor([-1.0, 2.55]))
        scale = fake_quant.scale.clone()
        fake_quant(torch.empty(0))
        assert torch.equal(fake_quant.scale, scale)

    def test_in_place(self) -> None:
        x = torch.tensor(X)
        assert fixed(in_place=True)(x).dequantize() is x
        assert x.tolist() == FORWARD
        assert gradient(lambda leaf: fixed(in_place=True)(leaf * 1.0), X) == MASK

    def test_values_function(self) -> None:
        scales = torch.tensor([0.5, 0.25])
        out = fake_quantize_values(torch.tensor([[0.3, 0.3]]), scales, qint8, "bayes", axis=1)
        assert out.tolist() == [[0.5, 0.25]]
        assert not fake_quantize_values(torch.ones(1), scales[:1].requires_grad_(), qint8, "bayes").requires_grad

    def test_narrower_range(self) -> None:
        fake_quant = FakeQuantize(quant_min=-127, quant_max=127)
        out = fake_quant(torch.tensor([-2.54, 2.54]))
        assert fake_quant.scale.item() == pytest.approx(0.02)
        assert (fake_quant.quant_min, fake_quant.quant_max) == (-127, 127)
        assert out.dequantize().tolist() == pytest.approx([-2.54, 2.54])


class TestObserving:
    def test_only_in_training_and_when_enabled(self) -> None:
        fake_quant = FakeQuantize()
        x = torch.tensor([-1.0, 2.55])
        fake_quant.eval()(x)
        fake_quant.train().disable_observer()
        fake_quant(x)
        assert fake_quant.scale.tolist() == [1.0]
        fake_quant.enable_observer()
        fake_quant(x)
        assert fake_quant.scale.tolist() == pytest.approx([0.02])
        assert fake_quant.calculate_qparams()[0].tolist() == pytest.approx([0.02])

    def test_channels(self) -> None:
        fake_quant = FakeQuantize(**CHANNELS, channel_len=2)
        fake_quant(torch.tensor([[1.0, -2.55], [0.0, 5.1]]))
        assert fake_quant.scale.tolist() == pytest.approx([0.02, 0.04])

    def test_wrong_channel_len(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.quant = FakeQuantize(**CHANNELS, channel_len=3)

            def forward(self, x: Tensor) -> Any:
                return self.quant(x)

        with pytest.raises(AssertionError, match=r"quant \(FakeQuantize\).*2 scales for 3 channels; check channel_len"):
            Net()(torch.ones(2, 2))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_nan_names_the_layer(self, bad: float) -> None:
        net = nn.Sequential(nn.Identity(), FakeQuantize())
        with pytest.raises(ValueError, match=r"1 \(FakeQuantize\).* was given NaN or Inf"):
            net(torch.tensor([1.0, bad]))


class TestParameters:
    def test_channel_len(self) -> None:
        with pytest.raises(AssertionError, match="channel_len must be at least 1"):
            FakeQuantize(channel_len=0)
        assert FakeQuantize(channel_len=4).scale.shape == (1,)
        assert FakeQuantize(**CHANNELS, channel_len=4).scale.shape == (4,)

    def test_needs_a_march(self) -> None:
        from horizon_plugin_pytorch._runtime import march

        march._Process.march = None
        with pytest.raises(RuntimeError, match="FakeQuantize needs a march"):
            FakeQuantize()

    @pytest.mark.parametrize("scale", [0.5, [0.5], torch.tensor(0.5), torch.tensor([0.5])])
    def test_set_qparams(self, scale: Any) -> None:
        fake_quant = FakeQuantize()
        fake_quant.set_qparams(scale)
        assert fake_quant.scale.tolist() == [0.5]
        assert fake_quant.zero_point.tolist() == [0]

    def test_set_qparams_refuses(self) -> None:
        fake_quant = FakeQuantize(**CHANNELS, channel_len=3)
        fake_quant.set_qparams(0.5)
        assert fake_quant.scale.tolist() == [0.5] * 3
        with pytest.raises(AssertionError, match="2 scales for 3 channels; check channel_len"):
            fake_quant.set_qparams([1.0, 2.0])
        for bad in (0.0, -1.0, float("nan"), float("inf")):
            with pytest.raises(AssertionError, match="scale must be positive"):
                fake_quant.set_qparams(bad)
        with pytest.raises(AssertionError, match="zero_point must be 0"):
            fake_quant.set_qparams(1.0, 3)
        assert fake_quant.scale.tolist() == [0.5] * 3

    def test_shown(self) -> None:
        shown = repr(fixed())
        for part in (
            "dtype=qint8",
            "scale=tensor([0.5",
            "fake_quant_enabled=[1]",
            "quant_max=127",
            "FixedScaleObserver",
        ):
            assert part in shown

    def test_factory(self) -> None:
        factory = FakeQuantize.with_args(observer=MovingAverageMinMaxObserver).with_args(dtype="qint16", ch_axis=0)
        made = factory(averaging_constant=0.5)
        assert (made.dtype, made.ch_axis) == ("qint16", -1)
        assert made.activation_post_process.averaging_constant == 0.5
        assert factory == FakeQuantize.with_args(dtype="qint16", ch_axis=0, observer=MovingAverageMinMaxObserver)
        assert factory != factory.with_args(ch_axis=1)
        assert pickle.loads(pickle.dumps(factory)) == copy.deepcopy(factory) == factory
        assert hash(factory) == hash(copy.deepcopy(factory))
        assert "observer=MovingAverageMinMaxObserver" in repr(factory)

    def test_copies(self) -> None:
        fake_quant = FakeQuantize(**CHANNELS, channel_len=2)
        fake_quant(torch.tensor([[1.0], [2.0]]))
        for twin in (copy.deepcopy(fake_quant), pickle.loads(pickle.dumps(fake_quant))):
            assert torch.equal(twin.scale, fake_quant.scale)
            assert twin.dtype == fake_quant.dtype
