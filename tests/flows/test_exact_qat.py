"""Exact QAT: every layer's values are those of the converted model, bit for bit, and it trains."""

from collections.abc import Callable

import pytest
import torch
from flow import calibrated, trained
from models import SmallMobileNet, SmallResNet, SmallUNet, randomize
from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub
from torch.nn import functional as nnf

from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import FakeQuantState, QuantStub, convert_fx, set_fake_quantize

MARCHES = ("bernoulli", "bernoulli2", "bayes", "bayes-e")
NETS: tuple[tuple[Callable[[], nn.Module], str], ...] = (
    (SmallResNet, "fc"),
    (SmallMobileNet, "classifier"),
    (SmallUNet, "head"),
)


def images(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


class Values(torch.fx.Interpreter):
    """Runs a graph and keeps the float value of each node."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.values: dict[str, Tensor] = {}

    def run_node(self, node: torch.fx.Node) -> object:
        out = super().run_node(node)
        if isinstance(out, Tensor):
            self.values[node.name] = out.dequantize() if isinstance(out, QTensor) else out
        return out


def layer_values(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The value of every node of a prepared or converted model, by its name."""
    interpreter = Values(model)
    with torch.no_grad():
        interpreter.run(x)
    return interpreter.values


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize(("make", "head"), NETS, ids=lambda value: getattr(value, "__name__", value))
def test_every_layer_has_the_values_of_the_converted_model(make: type[nn.Module], head: str, march: str) -> None:
    float_model = randomize(make())
    batches = [images(2, seed) for seed in range(2)]
    qat = trained(float_model, calibrated(float_model, march, batches, head), march, batches, head)
    quantized, x = convert_fx(qat), images(2, 9)
    set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=True)
    exact, deployed = layer_values(qat, x), layer_values(quantized, x)
    assert exact.keys() == deployed.keys()
    unequal = [name for name in exact if not torch.equal(exact[name], deployed[name])]
    assert not unequal
    with torch.no_grad():
        assert torch.equal(qat(x), quantized(x))


@pytest.mark.parametrize("march", MARCHES)
def test_gradients_are_those_of_fake_quantization_at_the_exact_values(march: str) -> None:
    float_model = randomize(SmallResNet())
    batches = [images(2, 0)]
    qat = trained(float_model, calibrated(float_model, march, batches, "fc"), march, batches, "fc")
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT, exact=True)
    qat(images(2, 3)).square().mean().backward()
    gradients = {name: p.grad for name, p in qat.named_parameters()}
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())
    assert any(g.abs().max() > 0 for g in gradients.values() if g is not None)


def test_a_step_changes_what_the_integers_give() -> None:
    float_model = randomize(SmallResNet())
    batches = [images(2, 0)]
    qat = trained(float_model, calibrated(float_model, "bayes", batches, "fc"), "bayes", batches, "fc")
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT, exact=True)
    optimizer = torch.optim.SGD(qat.parameters(), lr=0.5)
    for seed in range(3):
        optimizer.zero_grad()
        qat(images(2, seed)).square().mean().backward()
        optimizer.step()
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=True)
    with torch.no_grad():
        assert torch.equal(qat(images(2, 9)), convert_fx(qat)(images(2, 9)))


@pytest.mark.parametrize("march", ["bernoulli2", "bayes"])
def test_without_it_layers_differ(march: str) -> None:
    float_model = randomize(SmallMobileNet())
    qat = calibrated(float_model, march, [images(2, 0)], "classifier")
    simulated, deployed = layer_values(qat, images(2, 9)), layer_values(convert_fx(qat), images(2, 9))
    assert any(not torch.equal(simulated[name], deployed[name]) for name in deployed)


def test_the_state_is_left_again() -> None:
    float_model = randomize(SmallResNet())
    qat = calibrated(float_model, "bayes", [images(2, 0)], "fc")
    x = images(2, 9)
    with torch.no_grad():
        before = qat(x)
        set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=True)
        qat(x)
        set_fake_quantize(qat, FakeQuantState.VALIDATION)
        assert torch.equal(qat(x), before)


@pytest.mark.parametrize("state", [FakeQuantState.CALIBRATION, FakeQuantState._FLOAT])
def test_exact_needs_a_state_that_quantizes(state: FakeQuantState) -> None:
    qat = calibrated(randomize(SmallResNet()), "bayes", [images(2, 0)], "fc")
    with pytest.raises(AssertionError, match="exact=True needs a state that quantizes"):
        set_fake_quantize(qat, state, exact=True)


class Functions(nn.Module):
    """Functions on QTensors that need no module, behind a stub and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.conv = nn.Conv2d(3, 4, 3)
        self.dequant = DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        y = torch.abs(self.conv(self.quant(x))).clamp(-0.4, 0.9) * 0.3
        y = nnf.pad(y, (1, 1, 1, 1), value=0.2)
        y = torch.where(y > 0.1, y, torch.flip(y, (3,)) * 2.0)
        y = y.masked_fill(y > 0.25, 0.17)
        return self.dequant(torch.max(y, dim=1)[0])


@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
def test_functions_have_the_values_of_the_converted_model(march: str) -> None:
    qat = calibrated(randomize(Functions()), march, [images(2, seed) for seed in range(2)])
    quantized, x = convert_fx(qat), images(2, 9)
    set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=True)
    exact, deployed = layer_values(qat, x), layer_values(quantized, x)
    assert exact.keys() == deployed.keys()
    assert not [name for name in exact if not torch.equal(exact[name], deployed[name])]


def test_gradients_pass_exact_functions() -> None:
    qat = calibrated(randomize(Functions()), "bayes", [images(2, 0)])
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT, exact=True)
    qat(images(2, 3)).square().mean().backward()
    gradient = dict(qat.named_parameters())["conv.weight"].grad
    assert gradient is not None
    assert gradient.abs().max() > 0
