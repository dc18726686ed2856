"""Recurrent layers: cells over time, several layers and directions, states, state dicts, refusals."""

import pytest
import torch
from test_composites import COSINE, Model, calibrated, cosine, qconfig
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.quantization import convert_fx, prepare_qat_fx


class Layer(Model):
    """A recurrent layer with all its results."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        out, (h, c) = self.op(self.quant(x))
        return out, h, c


LAYERS = {
    "one": (lambda: nn.LSTM(12, 8), "qint8"),
    "batch first": (lambda: nn.LSTM(12, 8, batch_first=True), "qint16"),
    "two layers": (lambda: nn.LSTM(12, 8, 2), "qint8"),
    "both directions": (lambda: nn.LSTM(12, 8, bidirectional=True, bias=False), "qint16"),
    "two layers, both directions": (lambda: nn.LSTM(12, 8, 2, bidirectional=True), "qint8"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_integers_are_near_the_float_layer(name: str) -> None:
    torch.manual_seed(0)
    make, source = LAYERS[name]
    model, x = Layer(make()).eval(), torch.randn(5, 4, 12)
    quantized = convert_fx(calibrated(model, x, source, "qint16"))
    with torch.no_grad():
        expected, results = model(quantized.quant(x).dequantize()), quantized(x)
    for a, b in zip(expected, results, strict=True):
        assert b.is_quantized
        assert a.shape == b.shape
        assert cosine(a, b.dequantize()) >= COSINE


def test_parameters_are_shared_and_load_by_their_float_names() -> None:
    horizon.march.set_march("bayes")
    source = nn.LSTM(12, 8, 2)
    prepared = prepare_qat_fx(Layer(nn.LSTM(12, 8, 2)), {"": qconfig("qint16")})
    assert not prepared.op.load_state_dict(source.state_dict(), strict=False).unexpected_keys
    assert torch.equal(prepared.op.cells[1].linear_hh.weight, source.weight_hh_l1)


@pytest.mark.parametrize("arguments", [{"proj_size": 2}, {"num_layers": 2, "dropout": 0.1}])
def test_what_has_no_integer_form_is_refused(arguments: dict[str, float]) -> None:
    horizon.march.set_march("bayes")
    with pytest.raises(ValueError, match="no integer form"):
        prepare_qat_fx(Layer(nn.LSTM(4, 4, **arguments)), {"": qconfig("qint16")})
