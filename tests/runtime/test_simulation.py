"""QAT computes what its march's integers will give, to less than a step, and plain fake quantization where that is asked for."""

import operator
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.recording import capturing
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    default_qat_8bit_fake_quant_qconfig,
    default_qat_8bit_lsq_quant_qconfig,
    default_qat_8bit_weight_16bit_act_fake_quant_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.qconfig import QConfig

Operation = Callable[[Tensor, Tensor], Tensor]


class Conv(nn.Module):
    """One layer, whose output stays a QTensor."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.conv = nn.Conv2d(4, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.quant(x))
        return out


def observed(
    model: nn.Module, march: str, x: Tensor, qconfig: QConfig = default_qat_8bit_fake_quant_qconfig
) -> nn.Module:
    """A prepared model that saw `x`, in evaluation."""
    set_march(march)
    qat = prepare_qat_fx(model.eval(), {"": qconfig}).eval()
    set_fake_quantize(qat, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        qat(x)
    return qat.eval()


def differences(qat: nn.Module, x: Tensor, exact: bool | None) -> Tensor:
    """How many steps of the output the integers are above QAT's values."""
    set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=exact)
    with torch.no_grad():
        simulated, integers = qat(x), convert_fx(qat)(x)
    assert isinstance(simulated, QTensor)
    assert isinstance(integers, QTensor)
    return (integers.int_repr() - simulated.int_repr()).to(torch.float32)


class TestLastShiftOfALayer:
    """A layer's sums are rounded as the march's last shift rounds them, which on some marches floors."""

    @pytest.mark.parametrize("qconfig", [default_qat_8bit_fake_quant_qconfig, default_qat_8bit_lsq_quant_qconfig])
    def test_where_it_floors_integers_are_not_below_qat(self, qconfig: QConfig) -> None:
        torch.manual_seed(0)
        x = torch.randn(4, 4, 16, 16)
        apart = differences(observed(Conv(), "bernoulli2", x, qconfig), x, exact=None)
        assert apart.mean().abs() < 0.01
        assert (apart != 0).to(torch.float32).mean() < 0.01

    def test_plain_fake_quantization_is_half_a_step_above_them(self) -> None:
        torch.manual_seed(0)
        x = torch.randn(4, 4, 16, 16)
        apart = differences(observed(Conv(), "bernoulli2", x), x, exact=False)
        assert -0.55 < apart.mean() < -0.45

    @pytest.mark.parametrize(("march", "step"), [("bernoulli", 2.0), ("bernoulli2", 2.0), ("bayes", 3.0)])
    def test_three_quarters_of_a_step(self, march: str, step: float) -> None:
        set_march(march)
        quantizer = prepare_qat_fx(Conv(), {"": default_qat_8bit_fake_quant_qconfig}).conv.activation_post_process
        quantizer.eval()
        quantizer.set_qparams(0.5)
        quantizer.disable_observer()
        assert quantizer(torch.tensor([1.375])).dequantize().tolist() == [step * 0.5]

    def test_gradients_pass_as_before(self) -> None:
        torch.manual_seed(0)
        x = torch.randn(2, 4, 8, 8)
        qat = observed(Conv(), "bernoulli2", x)
        gradients = []
        for exact in (None, False):
            qat.zero_grad()
            set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=exact)
            (qat(x / 2).dequantize() * torch.arange(6.0)).sum().backward()  # no value is saturated
            gradients.append(qat.conv.weight.grad.clone())
        torch.testing.assert_close(gradients[0], gradients[1])


class Function(nn.Module):
    """A function of two quantized inputs of different scales, whose result stays a QTensor."""

    def __init__(self, function: Operation) -> None:
        super().__init__()
        self.quant, self.other = QuantStub(), QuantStub()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.quant(x), self.other(0.6 * x.flip(-1)))


WIDE = default_qat_8bit_weight_16bit_act_fake_quant_qconfig
FAR: tuple[tuple[str, str, Operation], ...] = (
    ("add", "bernoulli2", operator.add),
    ("subtract", "bernoulli2", operator.sub),
    ("multiply", "bayes", operator.mul),
    ("square", "bayes", lambda x, _: torch.square(x)),
    ("number", "bayes", lambda x, _: 0.7 - x),
    ("product", "bayes", torch.matmul),
)
"""Functions whose int16 integers are further than a step from float arithmetic."""


@pytest.mark.parametrize(("march", "function"), [row[1:] for row in FAR], ids=[row[0] for row in FAR])
class TestIntegersInQAT:
    """Where float arithmetic is further than a step, QAT's values are those of the integers."""

    def test_qat_has_the_values_of_the_integers(self, march: str, function: Operation) -> None:
        torch.manual_seed(0)
        x = torch.randn(2, 3, 16, 16)
        qat = observed(Function(function), march, x, WIDE)
        assert not differences(qat, x, exact=None).any()
        assert differences(qat, x, exact=False).any()

    def test_gradients_are_those_of_fake_quantization(self, march: str, function: Operation) -> None:
        torch.manual_seed(0)
        x = torch.randn(2, 3, 8, 8)
        qat = observed(Function(function), march, x, WIDE)
        gradients = []
        for exact in (None, False):
            set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=exact)
            leaf = (x / 2).requires_grad_()
            qat(leaf).dequantize().sum().backward()
            gradients.append(leaf.grad)
        assert torch.equal(*gradients)


class TestWhereFloatArithmeticStays:
    """Nothing else computes integers."""

    @pytest.mark.parametrize("function", [operator.add, lambda x, _: torch.sigmoid(x), lambda x, _: torch.relu(x)])
    def test_values_of_eight_bits(self, function: Operation) -> None:
        torch.manual_seed(0)
        x = torch.randn(2, 3, 16, 16)
        qat = observed(Function(function), "bernoulli2", x)
        values = []
        for exact in (None, False):
            set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=exact)
            values.append(qat(x).dequantize())
        assert torch.equal(*values)

    def test_calibration_sees_float_values(self) -> None:
        torch.manual_seed(0)
        x = torch.randn(2, 3, 8, 8)
        qat = observed(Function(operator.add), "bernoulli2", x, WIDE)
        set_fake_quantize(qat, FakeQuantState.CALIBRATION)
        assert torch.equal(qat(x).dequantize(), x + 0.6 * x.flip(-1))

    def test_recorders_are_shown_fake_quantization(self) -> None:
        torch.manual_seed(0)
        x = torch.randn(2, 3, 8, 8)
        qat = observed(Function(operator.add), "bernoulli2", x, WIDE)
        set_fake_quantize(qat, FakeQuantState.VALIDATION)
        with capturing():
            recorded = qat(x).dequantize()
        set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=False)
        assert torch.equal(recorded, qat(x).dequantize())
