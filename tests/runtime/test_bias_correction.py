"""`correct_bias`: the means of integers are brought to those of the float model, by what they are measured to be."""

from typing import Any

import pytest
import torch
from fx_models import Parts, conv, randomized
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qat_mode import QATMode, set_qat_mode
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    calibrate,
    convert_fx,
    correct_bias,
    default_calib_8bit_fake_quant_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

MARCHES = ("bernoulli", "bernoulli2", "bayes", "bayes-e")
RAMP = torch.arange(-64, 64, dtype=torch.float32).reshape(1, 1, 8, 16) / 64
"""Each integer from -64 to 63 once, at the scale 1/64."""


def ramp_model(march: str, *behind: nn.Module) -> Any:
    """w = 1/4 (integer 32 of scale 2^-7), so that the output, in steps of 1/4, is n/64 for each n of RAMP."""
    set_march(march)
    net = nn.Sequential(QuantStub(scale=1 / 64), nn.Conv2d(1, 1, 1), *behind).eval()
    nn.init.constant_(net[1].weight, 0.25)
    nn.init.zeros_(net[1].bias)
    model = prepare_qat_fx(net, {"": default_calib_8bit_fake_quant_qconfig})
    layer = model.get_submodule("1")
    layer.weight_fake_quant.set_qparams(2**-7)
    layer.activation_post_process.set_qparams(0.25)
    set_fake_quantize(model, FakeQuantState.VALIDATION)
    return model


class TestByHand:
    """Rounding n/64 down loses (0 + 1 + ... + 63) / 64² = 63/128 steps on average; rounding half up gains 1/128."""

    @pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
    def test_a_march_that_rounds_down_gets_half_a_step(self, march: str) -> None:
        model = ramp_model(march)
        (layer,) = correct_bias(model, [RAMP]).layers
        assert layer.before.item() / 0.25 == -63 / 128
        assert layer.shift.item() / 0.25 == 63 / 128
        # 32 n + 1008 reaches 2048, the next step, from n = 33 on: 33 values lose 0 to 32 and 31 gain 1 to 31 parts of 64.
        assert layer.after.item() / 0.25 == -1 / 128
        assert model.get_submodule("1").bias_shift.item() == layer.shift.item()

    @pytest.mark.parametrize("march", ["bayes", "bayes-e"])
    def test_a_march_that_rounds_to_nearest_gets_nothing(self, march: str) -> None:
        (layer,) = correct_bias(ramp_model(march), [RAMP]).layers
        assert layer.before.item() / 0.25 == 1 / 128
        assert layer.shift.item() == 0
        assert torch.equal(layer.after, layer.before)

    def test_behind_a_relu_the_shift_is_that_of_the_values_it_passes(self) -> None:
        (layer,) = correct_bias(ramp_model("bernoulli2", nn.ReLU()), [RAMP]).layers
        assert layer.before.item() / 0.25 == -63 / 256  # of the values below 0 none is lost
        # 63/256 of a step, the trial, leaves -1056 of -2016 parts of 64 * 128, so that the line through both ends here:
        assert layer.shift.item() / 0.25 == pytest.approx(63 / 256 * 2016 / (2016 - 1056))
        assert layer.after.item() / 0.25 == 96 / (64 * 128)

    def test_what_the_report_prints(self) -> None:
        assert str(correct_bias(ramp_model("bernoulli2"), [RAMP])).splitlines() == [
            "layer  mean error before  after   shift (mean of the channels, in steps of the output)",
            "1      -0.492             -0.008  +0.492",
        ]


class Net(nn.Module):
    """Three layers and a skip, all with biases once normalizations are folded."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 64)
        self.first, self.first_norm = conv(3, 8, bias=False), nn.BatchNorm2d(8)
        self.second, self.second_norm = conv(8, 8, bias=False), nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2, groups=2)
        self.add = nn.quantized.FloatFunctional()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first_norm(self.first(self.quant(x))))
        x = torch.relu(self.add.add(self.second_norm(self.second(x)), x))
        return self.up(x)


def calibrated(march: str, net: nn.Module) -> Any:
    set_march(march)
    torch.manual_seed(1)
    model = prepare_qat_fx(net, {"": default_calib_8bit_fake_quant_qconfig})
    return calibrate(model, images(0), bias_correction=False)


def images(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 3, 12, 12, generator=generator) for n in (4, 2)]


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [key for key, value in first.items() if not torch.equal(value, second[key])] == []


def squared_error(march: str, net: nn.Module, model: Any) -> float:
    """Of the integers, on other images than those of the correction."""
    (x, _), integers = images(7), convert_fx(model)
    return float((integers(x).dequantize() - net(x)).detach().square().mean())


class TestNetworks:
    @pytest.mark.parametrize("march", MARCHES)
    def test_integers_gain_accuracy(self, march: str) -> None:
        torch.manual_seed(0)
        net = randomized(Net())
        model = calibrated(march, net)
        before = squared_error(march, net, model)
        report = correct_bias(model, images(0))
        assert [layer.layer for layer in report.layers] == ["first", "add", "up"]
        assert report.left == ()
        rounds_down = march.startswith("bernoulli")
        assert squared_error(march, net, model) < (0.9 if rounds_down else 1.02) * before

    def test_the_model_converts_to_the_integers_that_were_measured(self) -> None:
        net = randomized(Net())
        model = calibrated("bernoulli2", net)
        last = correct_bias(model, images(0)).layers[-1]
        integers = convert_fx(model)
        error = torch.cat([integers(x).dequantize() - net(x) for x in images(0)]).mean((0, 2, 3))
        torch.testing.assert_close(error.detach(), last.after, rtol=0, atol=1e-4)
        assert bool((last.after.abs() <= last.before.abs()).all())

    def test_only_shifts_change(self) -> None:
        model = calibrated("bernoulli2", randomized(Net()))
        before = state_of(model)
        correct_bias(model, images(0))
        changed = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
        assert changed == ["first.bias_shift", "up.bias_shift", "add.bias_shift"]

    def test_a_second_correction_takes_the_place_of_the_first(self) -> None:
        net = randomized(Net())
        twice, once = calibrated("bernoulli2", net), calibrated("bernoulli2", net)
        correct_bias(twice, images(3))
        for model in (twice, once):
            correct_bias(model, images(0))
        assert_equal(state_of(twice), state_of(once))

    @pytest.mark.parametrize("state", [FakeQuantState.CALIBRATION, FakeQuantState._FLOAT])
    def test_what_does_not_quantize_is_the_float_model(self, state: FakeQuantState) -> None:
        net, (x, _) = randomized(Net()), images(7)
        model = calibrated("bernoulli2", net)
        set_fake_quantize(model, state)
        before = model(x).dequantize()
        correct_bias(model, images(0))
        assert torch.equal(model(x).dequantize(), before)

    def test_a_normalization_that_is_kept_trains_with_the_shift_behind_it(self) -> None:
        set_qat_mode(QATMode.WithBN)
        try:
            model = calibrated("bernoulli2", randomized(Net()))
        finally:
            set_qat_mode(QATMode.FuseBN)
        first = correct_bias(model, images(0)).layers[0]
        assert bool((first.after.abs() <= first.before.abs()).all())
        layer, (x, _) = model.first.train(), images(0)
        product = layer.bn(layer._product(x))
        assert torch.equal(layer._weighted(x), product + first.shift.reshape(-1, 1, 1))

    def test_a_normalization_alone_trains_with_the_shift_behind_it(self) -> None:
        net = Parts(lambda self, x: self.norm(self.quant(x)), quant=QuantStub(scale=1 / 64), norm=nn.BatchNorm2d(3))
        model, (x, _) = calibrated("bernoulli2", randomized(net)), images(0)
        (layer,) = correct_bias(model, images(0)).layers
        assert bool(layer.shift.any())
        set_fake_quantize(model.train(), FakeQuantState.QAT)
        model.norm.activation_post_process = None
        normalized = nn.BatchNorm2d.forward(model.norm, model.quant(x).dequantize())
        assert torch.equal(model(x), normalized + layer.shift.reshape(-1, 1, 1))

    def test_a_layer_without_a_bias_gets_one(self) -> None:
        net = Parts(lambda self, x: self.a(self.quant(x)), quant=QuantStub(scale=1 / 64), a=conv(3, 3, bias=False))
        model = calibrated("bernoulli2", net.eval())
        (layer,) = correct_bias(model, images(0)).layers
        assert torch.equal(convert_fx(model).a.bias, layer.shift)

    def test_a_shared_layer_is_corrected_for_its_first_call(self) -> None:
        net = Parts(lambda self, x: self.conv(self.conv(self.quant(x))), quant=QuantStub(scale=1 / 64), conv=conv(3, 3))
        model = calibrated("bernoulli2", net.eval())
        with pytest.warns(UserWarning, match="called at several places"):
            report = correct_bias(model, images(0))
        assert [layer.layer for layer in report.layers] == ["conv"]


class TestWhatIsLeft:
    def test_a_layer_that_stays_qat(self) -> None:
        parts = {"quant": QuantStub(scale=1 / 64), "a": conv(3, 3), "b": conv(3, 3)}
        model = calibrated("bernoulli2", Parts(lambda self, x: self.b(self.a(self.quant(x))), **parts).eval())
        model.a.preserve_qat_mode = True
        report = correct_bias(model, images(0))
        assert [layer.layer for layer in report.layers] == ["b"]
        assert report.left == (("a", "the graph calls no integers of it"),)
        assert str(report).splitlines()[-1] == "a: left as it is, the graph calls no integers of it"

    @pytest.mark.parametrize(
        ("batches", "message"),
        [
            ([], "at least one batch"),
            ([torch.zeros(0, 3, 12, 12)], "first gave no values, NaN or Inf"),
            ([torch.full((1, 3, 12, 12), torch.inf)], "first gave no values, NaN or Inf"),
        ],
    )
    def test_an_error_changes_nothing(self, batches: list[Tensor], message: str) -> None:
        model = calibrated("bernoulli2", randomized(Net()))
        before = state_of(model)
        with pytest.raises(ValueError, match=message):
            correct_bias(model, batches)
        assert_equal(state_of(model), before)

    def test_a_layer_that_fails_late_changes_nothing(self) -> None:
        model = calibrated("bernoulli2", randomized(Net()))
        with torch.no_grad():
            model.up.bias[0] = torch.nan
        with pytest.raises(ValueError, match="correct_bias: up gave no values, NaN or Inf"):
            correct_bias(model, images(0))
        assert model.first.bias_shift.numel() == 0

    def test_a_float_model(self) -> None:
        with pytest.raises(TypeError, match="call prepare_qat_fx first"):
            correct_bias(Net(), images(0))
