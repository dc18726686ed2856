"""`x / 2` and `torch.square(x)` in a model: by hand, on integers and in QAT."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, get_default_qconfig, prepare_qat_fx

ENDS = [-128, -127, -1, 0, 3, 127]


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def integers() -> QTensor:
    return QTensor(torch.tensor(ENDS, dtype=torch.int8), torch.tensor([0.06]), qint8)


@pytest.mark.parametrize("divide", [lambda x: x / 3, lambda x: torch.div(x, 3), lambda x: x.true_divide(3.0)])
def test_a_number_goes_into_the_scale_as_its_float32_reciprocal(divide: Callable[[Tensor], QTensor]) -> None:
    out = divide(integers())
    assert out.int_repr().tolist() == ENDS
    assert out.q_scale().item() == (torch.tensor(0.06) * (torch.tensor(1.0) / 3)).item()


def test_a_negative_number_negates_and_saturates() -> None:
    out = integers() / -0.5
    assert out.int_repr().tolist() == [127, 127, 1, 0, -3, -127]
    assert out.q_scale().item() == torch.tensor(0.06).item() * 2


def test_qat_has_the_values_of_the_integers() -> None:
    fake = QTensor(integers().dequantize(), torch.tensor([0.06]), qint8)
    for number in (3, 0.7, -4):
        assert torch.equal((fake / number).int_repr(), (integers() / number).int_repr())


@pytest.mark.parametrize("divide", [lambda x: x / 0, lambda x: torch.div(x, 2, rounding_mode="floor"), lambda x: 2 / x])
def test_what_has_no_integer_form_is_refused(divide: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(NotImplementedError, match=r"march: bayes|other than 0"):
        divide(integers())


class Half(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=0.25)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.quant(x)
        return x / 2, torch.square(x)


def test_both_in_a_model() -> None:
    prepared = prepare_qat_fx(Half(), {"": get_default_qconfig()}).eval()
    x = torch.tensor([-32.0, -1.5, 0.0, 0.25, 31.75])
    prepared(x)
    half, squared = convert_fx(prepared)(x)
    assert half.int_repr().tolist() == [-128, -6, 0, 1, 127]
    assert half.q_scale().tolist() == [0.125]
    products = torch.tensor([128 * 128, 36, 0, 1, 127 * 127]) * 0.0625 / squared.q_scale()
    assert torch.equal(squared.int_repr(), (products + 0.5).floor().clamp(-128, 127).to(torch.int8))
