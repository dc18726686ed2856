"""`torch.compile` of prepared models: one graph, with the values, gradients and scales of the model as it is."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch.quantization import FakeQuantState


class Small(nn.Module):
    """A fused layer, and a product whose scale follows from another one."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = hq.QuantStub(), torch.ao.quantization.DeQuantStub()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.relu(self.conv(self.quant(x))) * 2.0)


class Shared(nn.Module):
    """A module that two places call."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant, self.table = hq.QuantStub(), torch.ao.quantization.DeQuantStub(), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.table(self.table(self.quant(x))))


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    horizon.march.set_march("bayes")
    torch.manual_seed(0)
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def prepared(x: Tensor | None, state: FakeQuantState, net: type[nn.Module] = Small, **names: object) -> nn.Module:
    """In a state; calibrated if there is a batch."""
    qat = hq.prepare_qat_fx(net(), {"": hq.get_default_qconfig(**names)})
    if x is not None:
        hq.calibrate(qat, [x], validate=False, bias_correction=False)
    hq.set_fake_quantize(qat.train(state is FakeQuantState.QAT), state)
    return qat


def compiled(model: nn.Module) -> nn.Module:
    """As one graph."""
    return torch.compile(model, backend="aot_eager", fullgraph=True)


def assert_equal_steps(model: nn.Module, twin: nn.Module, plain: nn.Module, batches: tuple[Tensor, ...]) -> None:
    """`model` is `twin`, compiled; `plain` its copy: they have equal values, gradients, scales and ranges."""
    for batch in batches:
        given, expected = model(batch), plain(batch)
        assert torch.equal(given, expected)
        given.square().sum().backward()
        expected.square().sum().backward()
    assert all(torch.equal(p.grad, q.grad) for p, q in zip(twin.parameters(), plain.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q in zip(twin.buffers(), plain.buffers(), strict=True))


def test_one_graph_a_state(x: Tensor) -> None:
    plain = prepared(x, FakeQuantState.QAT, activation_observer="mse")
    twin = copy.deepcopy(plain)
    model = compiled(twin)
    for state in (FakeQuantState.QAT, FakeQuantState.VALIDATION, FakeQuantState.CALIBRATION):
        for each in (twin, plain):
            hq.set_fake_quantize(each.train(state is FakeQuantState.QAT), state)
        assert_equal_steps(model, twin, plain, (1.5 * x, -x))


def test_a_learned_scale(x: Tensor) -> None:
    plain = prepared(x, FakeQuantState.QAT, activation_fake_quant="lsq")
    twin = copy.deepcopy(plain)
    assert_equal_steps(compiled(twin), twin, plain, (x, -x))


def test_a_value_that_is_not_finite_is_reported_with_its_layer(x: Tensor) -> None:
    qat = prepared(x, FakeQuantState.CALIBRATION)
    model, before = compiled(qat), copy.deepcopy(qat.state_dict())
    with pytest.raises(ValueError, match=r"quant\.activation_post_process \(FakeQuantize\): .* was given NaN or Inf"):
        model(x * torch.inf)
    assert all(torch.equal(before[name], value) for name, value in qat.state_dict().items())


def test_switches_of_one_layer_are_noticed(x: Tensor) -> None:
    qat = prepared(x, FakeQuantState.VALIDATION)
    model = compiled(qat)
    quantized = model(x)
    qat.conv.activation_post_process.disable_fake_quant()
    assert torch.equal(model(x), qat(x))
    assert not torch.equal(model(x), quantized)


def test_a_module_that_is_called_twice(x: Tensor) -> None:
    plain = prepared(x, FakeQuantState.QAT, Shared)
    twin = copy.deepcopy(plain)
    assert_equal_steps(compiled(twin), twin, plain, ((-x).requires_grad_(),))


class TestAsItIs:
    """Models that the compiler cannot be shown: the graph breaks, and a warning says why."""

    def test_the_first_batch_is_observed_outside(self, x: Tensor) -> None:
        plain = prepared(None, FakeQuantState.QAT)
        twin = copy.deepcopy(plain)
        with pytest.warns(UserWarning, match="quant.activation_post_process has observed nothing yet; run one batch"):
            assert_equal_steps(torch.compile(twin, backend="aot_eager"), twin, plain, (x, -x))

    def test_hooks_are_called(self, x: Tensor) -> None:
        qat, seen = prepared(x, FakeQuantState.VALIDATION), []
        qat.conv.register_forward_hook(lambda *_: seen.append(1))
        with pytest.warns(UserWarning, match="conv has hooks"):
            assert torch.equal(torch.compile(qat, backend="aot_eager")(x), qat(x))
        assert len(seen) == 2

    def test_values_of_integers(self, x: Tensor) -> None:
        qat = prepared(x, FakeQuantState.VALIDATION)
        hq.set_fake_quantize(qat, FakeQuantState.VALIDATION, exact=True)
        with pytest.warns(UserWarning, match="the values of .* are those of integers"):
            assert torch.equal(torch.compile(qat, backend="aot_eager")(x), qat(x))
