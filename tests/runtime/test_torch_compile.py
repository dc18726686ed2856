"""`torch.compile` of converted models in both modes, and of models of the eager interface: the same integers and values."""

import copy
import pickle
from collections.abc import Iterator

import pytest
import torch
from out_models import Mobile, equal
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch import quantization as hq

MARCHES = ("bernoulli", "bernoulli2", "bayes", "bayes-e")


class Small(nn.Module):
    """A convolution with an activation, and what may stand behind it."""

    def __init__(self, behind: nn.Module | None = None) -> None:
        super().__init__()
        self.quant, self.dequant = hq.QuantStub(scale=1 / 128), torch.ao.quantization.DeQuantStub()
        self.conv, self.relu, self.behind = nn.Conv2d(3, 4, 3), nn.ReLU(), behind or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.behind(self.relu(self.conv(self.quant(x)))))


def qat_model(float_model: nn.Module, x: Tensor, dtype: str = "qint8") -> nn.Module:
    """Calibrated, in validation."""
    qconfig = hq.get_default_qconfig(activation_qkwargs={"dtype": dtype})
    qat = hq.prepare_qat_fx(float_model, {"": qconfig}).eval()
    hq.set_fake_quantize(qat, hq.FakeQuantState.CALIBRATION)
    qat(x)
    hq.set_fake_quantize(qat.eval(), hq.FakeQuantState.VALIDATION)
    return qat


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    horizon.march.set_march("bayes")
    torch.manual_seed(0)
    torch._dynamo.reset()
    with torch.no_grad():
        yield


@pytest.fixture
def small(x: Tensor) -> nn.Module:
    return hq.convert_fx(qat_model(Small(), x))


def compiled(model: nn.Module, backend: str = "aot_eager", **options: bool) -> nn.Module:
    """As one graph."""
    return torch.compile(model, backend=backend, fullgraph=True, **options)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
class TestBothModes:
    """What `convert_fx` gives, with and without `fast_mode`."""

    @pytest.mark.parametrize("march", MARCHES)
    def test_integers_are_equal_on_every_march(self, march: str, fast: bool, x: Tensor) -> None:
        horizon.march.set_march(march)
        net = Mobile(nn.ReLU6) if march == "bayes" else Small(nn.Sigmoid())
        quantized = hq.convert_fx(qat_model(net, x), fast_mode=fast)
        assert equal(compiled(quantized)(-x), quantized(-x))

    def test_inductor(self, fast: bool, x: Tensor) -> None:
        quantized = hq.convert_fx(qat_model(Small(), x), fast_mode=fast)
        assert torch.equal(compiled(quantized, "inductor")(-x), quantized(-x))

    def test_within_another_model(self, fast: bool, x: Tensor) -> None:
        model = nn.Sequential(nn.Hardtanh(), hq.convert_fx(qat_model(Small(), x), fast_mode=fast), nn.ReLU())
        assert torch.equal(compiled(model)(2 * x), model(2 * x))

    def test_a_compiled_model_is_copied_and_pickled(self, fast: bool, x: Tensor) -> None:
        quantized = hq.convert_fx(qat_model(Small(), x), fast_mode=fast)
        expected = compiled(quantized)(x)
        for twin in (copy.deepcopy(quantized), pickle.loads(pickle.dumps(quantized))):
            assert torch.equal(twin(x), expected)

    def test_a_copy_that_never_ran(self, fast: bool, x: Tensor) -> None:
        quantized = hq.convert_fx(qat_model(Small(), x), fast_mode=fast)
        assert torch.equal(compiled(copy.deepcopy(quantized))(-x), quantized(-x))


def test_integers_of_16_bits_are_equal(x: Tensor) -> None:
    quantized = hq.convert_fx(qat_model(Small(), x, dtype="qint16"))
    assert torch.equal(compiled(quantized)(-x), quantized(-x))


def test_one_graph_serves_several_sizes(small: nn.Module) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> object:
        graphs.append(graph)
        return graph.forward

    model = torch.compile(small, backend=backend, dynamic=True)
    for count, size in ((2, 8), (3, 9), (5, 12)):
        images = torch.rand(count, 3, size, size)
        assert torch.equal(model(images), small(images))
    assert len(graphs) == 1


def test_the_graph_holds_operators_of_torch(small: nn.Module, x: Tensor) -> None:
    names = _operators(small, x)
    assert "aten.convolution.default" in names
    assert not any("horizon" in name for name in names)


def test_the_graph_of_a_fast_model_holds_one_operator(x: Tensor) -> None:
    names = _operators(hq.convert_fx(qat_model(Small(), x), fast_mode=True), x)
    assert [name for name in names if "getitem" not in name] == ["horizon_plugin_pytorch.whole_model.default"]


def _operators(model: nn.Module, x: Tensor) -> list[str]:
    from torch._dynamo.backends.common import aot_autograd

    names: list[str] = []

    def compiler(graph: torch.fx.GraphModule, _: object) -> object:
        names.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    compiled(model, aot_autograd(fw_compiler=compiler))(x)
    return names


class TestChanges:
    """After a model was compiled."""

    def test_loaded_weights_are_noticed(self, small: nn.Module, x: Tensor) -> None:
        model = compiled(small)
        before = model(x)
        small.load_state_dict({**small.state_dict(), "conv.bias": small.conv.bias + 1})
        assert torch.equal(model(x), small(x))
        assert not torch.equal(model(x), before)

    def test_another_bias_is_noticed(self, small: nn.Module, x: Tensor) -> None:
        model = compiled(small)
        before = model(x)
        small.conv.set_bias(small.conv.bias + 1)
        assert torch.equal(model(x), small(x))
        assert not torch.equal(model(x), before)

    def test_an_exchanged_module_is_noticed(self, small: nn.Module, x: Tensor) -> None:
        model = compiled(small)
        before = model(x)
        small.conv = copy.deepcopy(small.conv)
        small.conv.set_bias(small.conv.bias + 1)
        assert torch.equal(model(x), small(x))
        assert not torch.equal(model(x), before)


def test_integers_are_exact_where_torch_may_round_float32_products(small: nn.Module, x: Tensor) -> None:
    expected = small(x)
    torch.set_float32_matmul_precision("medium")
    try:
        assert torch.equal(compiled(small)(x), expected)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_qtensor_comes_out_behind_a_graph_break(small: nn.Module, x: Tensor) -> None:
    small.dequant = nn.Identity()
    given, expected = torch.compile(small, backend="aot_eager")(x), small(x)
    assert torch.equal(given.int_repr(), expected.int_repr())
    assert torch.equal(given.q_scale(), expected.q_scale())
    assert given.dtype == expected.dtype


def test_hooks_of_layers_are_called(small: nn.Module, x: Tensor) -> None:
    seen: list[int] = []
    small.conv.register_forward_hook(lambda *_: seen.append(1))
    assert torch.equal(torch.compile(small, backend="aot_eager")(x), small(x))
    assert len(seen) == 2


def test_compile_in_place(small: nn.Module, x: Tensor) -> None:
    twin = copy.deepcopy(small)
    twin.compile(backend="aot_eager", fullgraph=True)
    assert torch.equal(twin(-x), small(-x))


class Functional(nn.Module):
    """A model for the eager interface, with a module that is used by its methods."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = hq.QuantStub(scale=1 / 128), torch.ao.quantization.DeQuantStub()
        self.conv, self.table, self.add = nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.quantized.FloatFunctional()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.quant(x))
        return self.dequant(self.add.add(x, self.table(x)).flatten(1))


class TestEagerInterface:
    """Graphs break around each module, and everything is equal."""

    @pytest.fixture
    def qat(self, x: Tensor) -> nn.Module:
        net = Functional()
        net.qconfig = hq.default_qat_8bit_fake_quant_qconfig
        qat = hq.prepare_qat(net).eval()
        hq.set_fake_quantize(qat, hq.FakeQuantState.CALIBRATION)
        qat(x)
        hq.set_fake_quantize(qat.eval(), hq.FakeQuantState.VALIDATION)
        return qat

    def test_a_converted_model(self, qat: nn.Module, x: Tensor) -> None:
        quantized = hq.convert(qat)
        assert torch.equal(torch.compile(copy.deepcopy(quantized), backend="eager")(-x), quantized(-x))

    def test_a_qat_model(self, qat: nn.Module, x: Tensor) -> None:
        hq.set_fake_quantize(qat.train(), hq.FakeQuantState.QAT)
        twin = copy.deepcopy(qat)
        with torch.enable_grad():
            given, expected = torch.compile(twin, backend="eager")(x), qat(x)
            given.square().sum().backward()
            expected.square().sum().backward()
        assert torch.equal(given, expected)
        assert all(torch.equal(p.grad, q.grad) for p, q in zip(twin.parameters(), qat.parameters(), strict=True))
        assert all(torch.equal(p, q) for p, q in zip(twin.buffers(), qat.buffers(), strict=True))
