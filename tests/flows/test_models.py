"""Whole models: float -> calibration -> QAT -> integers, on every march that supports their operators."""

import pytest
import torch
from flow import calibrated, layer_inputs, steps_apart, trained, twin
from models import SmallMobileNet, SmallResNet, SmallUNet, randomize
from torch import Tensor

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import convert_fx, default_qat_8bit_fake_quant_qconfig, prepare_qat_fx

ONE_STEP_SHARE = 0.999
MODELS = {"resnet": (SmallResNet, "fc"), "mobilenet": (SmallMobileNet, "classifier"), "unet": (SmallUNet, "head")}


def _batches() -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.rand(4, 3, 32, 32, generator=generator) * 2 - 1 for _ in range(3)]


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("name", MODELS)
def test_float_to_integers(name: str, march: str) -> None:
    make, output = MODELS[name]
    model = randomize(make())
    batches = _batches()
    calibration = calibrated(model, march, batches, output)
    qat = trained(model, calibration, march, batches, output)
    quantized = convert_fx(qat)
    layers = 0
    for layer, difference in steps_apart(qat, quantized, batches[0]).items():
        if quantized.graph is not None and layer.startswith(output):
            continue  # an int32 accumulator has steps far finer than a float32 can hold
        share = (difference.abs() <= 1.001).float().mean().item()
        assert share >= ONE_STEP_SHARE, (
            f"{layer}: {share:.5f} of the elements within one step, worst {difference.abs().max():.2f}"
        )
        layers += 1
    assert layers >= 5
    expected, given = qat(batches[0]), quantized(batches[0])
    similarity = torch.nn.functional.cosine_similarity(expected.flatten(), given.flatten(), dim=0)
    assert similarity > 0.98


def test_int32_output_equals_the_float_layer() -> None:
    model = randomize(SmallResNet())
    quantized = convert_fx(calibrated(model, "bayes", _batches(), "fc"))
    last = next(row for row in layer_inputs(quantized, _batches()[0]) if row[0] == "fc")
    out = last[3]
    assert str(out.dtype) == "qint32"
    x = last[1][0]
    fc = quantized.get_submodule("fc")
    weight = fc.weight.double() * fc.weight_scale.double()[:, None, None, None]
    exact = torch.nn.functional.conv2d(x.dequantize().double(), weight, fc.bias.double())
    torch.testing.assert_close(out.dequantize().double(), exact, rtol=1e-6, atol=float(out.q_scale().max()))


@pytest.mark.parametrize(
    ("march", "supported"), [("bernoulli", False), ("bernoulli2", False), ("bayes", True), ("bayes-e", True)]
)
def test_fully_connected_output(march: str, supported: bool) -> None:
    model = randomize(SmallResNet(linear=True))
    set_march(march)
    if supported:
        prepared = calibrated(model, march, _batches(), "fc")
        assert convert_fx(prepared)(_batches()[0]).shape == (4, 10)
    else:
        with pytest.raises(NotImplementedError, match=f"fc.*{march}.*1x1 convolution"):
            prepare_qat_fx(model, {"": default_qat_8bit_fake_quant_qconfig})


def test_the_float_model_is_not_consumed() -> None:
    model = randomize(SmallUNet()).eval()
    x = _batches()[0]
    before, state = model(x), twin(model).state_dict()
    qat = trained(model, calibrated(model, "bayes", _batches()), "bayes", _batches())
    quantized = convert_fx(qat)
    after_training = qat(x)
    quantized(x)
    assert torch.equal(model.eval()(x), before)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(qat(x).as_subclass(Tensor), after_training.as_subclass(Tensor))
