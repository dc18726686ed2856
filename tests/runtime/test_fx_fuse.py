"""Chains fuse where they should, under the documented names, and compute the same."""

import pytest
import torch
from fx_models import Parts, Seed, assert_fuses_equal, calls, conv, randomized, table, types
from torch import nn
from torch.nn import functional as nnf

from horizon_plugin_pytorch.nn.quantized import FloatFunctional
from horizon_plugin_pytorch.qat_mode import QATMode, ReLUMode, get_qat_mode, set_qat_mode, tricks
from horizon_plugin_pytorch.quantization import fuse_fx

X = torch.randn(2, 4, 6, 6)


def test_seed_node_table() -> None:
    fused = assert_fuses_equal(Seed(), torch.rand(1, 3, 28, 28))
    assert table(fused.graph) == [
        ("placeholder", "input_1", "input", "()"),
        ("call_module", "quant", "quant", "(input_1,)"),
        ("call_module", "conv", "conv", "(quant,)"),
        ("output", "output", "output", "(conv,)"),
    ]
    assert types(fused) == {"quant": "QuantStub", "conv": "ConvReLU2d", "bn": "Identity", "relu": "Identity"}


BASES = {
    "conv": (lambda: nn.Conv2d(4, 6, 3, padding=1), lambda: nn.BatchNorm2d(6)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), lambda: nn.BatchNorm2d(4)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, padding=1), lambda: nn.BatchNorm2d(6)),
    "grouped transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, padding=1, groups=2), lambda: nn.BatchNorm2d(6)),
    "no affine": (lambda: nn.Conv2d(4, 6, 1), lambda: nn.BatchNorm2d(6, affine=False)),
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("activation", [None, nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize("add", [None, "left", "right"])
@pytest.mark.parametrize("norm", [False, True])
def test_every_chain(base: str, activation: type | None, add: str | None, norm: bool) -> None:
    def run(m: Parts, x: torch.Tensor) -> torch.Tensor:
        out = m.base(x)
        out = m.norm(out) if norm else out
        out = m.ff.add(out, m.other(x)) if add == "left" else m.ff.add(m.other(x), out) if add else out
        return m.act(out) if activation else out

    make_base, make_norm = BASES[base]
    model = Parts(run, base=make_base(), norm=make_norm(), ff=FloatFunctional())
    model.other = nn.AdaptiveAvgPool3d((model.base(X).shape[1], 1, 1))  # any operation with as many channels
    if activation:
        model.act = activation()
    fused = assert_fuses_equal(model, X)
    place = "ff" if add else "base"
    assert calls(fused) == (["other", place] if add else [place])
    in_chain = {"base", "norm" * norm, "ff" * (add is not None), "act" * (activation is not None)} - {""}
    if len(in_chain) > 1:
        assert {types(fused)[name] for name in in_chain - {place}} == {"Identity"}


def test_linear_chain() -> None:
    model = Parts(lambda m, x: nnf.relu(m.norm(m.fc(x))), fc=nn.Linear(4, 5), norm=nn.BatchNorm1d(5))
    fused = assert_fuses_equal(model, torch.randn(3, 4))
    assert types(fused) == {"fc": "LinearReLU", "norm": "Identity", "_generated_relu_0": "Identity"}


def test_add_is_called_with_the_input_of_the_layer_first() -> None:
    model = Parts(lambda m, x: m.pool(x) + m.conv(x), conv=conv(), pool=nn.MaxPool2d(3, 1, 1))
    fused = assert_fuses_equal(model, X)
    assert table(fused.graph)[1:3] == [
        ("call_module", "pool", "pool", "(x,)"),
        ("call_module", "_generated_add_0", "_generated_add_0", "(x, pool)"),
    ]
    assert types(fused)["_generated_add_0"] == "ConvAdd2d"


@pytest.mark.parametrize("ff", [FloatFunctional, torch.ao.nn.quantized.FloatFunctional])
def test_both_functional_classes(ff: type[nn.Module]) -> None:
    fused = assert_fuses_equal(Parts(lambda m, x: m.ff.add(m.conv(x), x), conv=conv(), ff=ff()), X)
    assert types(fused) == {"conv": "Identity", "ff": "ConvAdd2d"}


ADDS = {
    "operator": lambda a, b: a + b,
    "torch": torch.add,
    "keyword": lambda a, b: torch.add(a, other=b),
    "keywords": lambda a, b: torch.add(other=b, input=a),
    "method": lambda a, b: a.add(b),
    "in place": lambda a, b: a.add_(b),
}
RELUS = {
    "functional": nnf.relu,
    "torch": torch.relu,
    "in place": lambda x: nnf.relu(x, inplace=True),
    "positional in place": lambda x: nnf.relu(x, True),
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
}


@pytest.mark.parametrize("add", ADDS)
def test_forms_of_add(add: str) -> None:
    model = Parts(lambda m, x: ADDS[add](m.conv(x), m.pool(x)), conv=conv(), pool=nn.MaxPool2d(3, 1, 1))
    assert types(assert_fuses_equal(model, X))["_generated_add_0"] == "ConvAdd2d"


@pytest.mark.parametrize("relu", RELUS)
def test_forms_of_relu(relu: str) -> None:
    assert types(assert_fuses_equal(Parts(lambda m, x: RELUS[relu](m.conv(x)), conv=conv()), X))["conv"] == "ConvReLU2d"


class Block(nn.Module):
    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(channels_in, channels, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels, bias=False), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        same = channels_in == channels
        self.down = None if same else nn.Sequential(nn.Conv2d(channels_in, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.down is None else self.down(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


def test_residual_blocks() -> None:
    model = nn.Sequential(Block(4, 4), Block(4, 8))
    fused = assert_fuses_equal(model, X)
    assert calls(fused) == ["0.conv1", "0_generated_add_0", "1.down.0", "1.conv1", "1_generated_add_0"]
    assert type(fused.get_submodule("1_generated_add_0")).__name__ == "ConvAddReLU2d"
    assert type(fused.get_submodule("0.relu")).__name__ == "Identity"


def test_of_two_layers_one_takes_the_add() -> None:
    fused = assert_fuses_equal(Parts(lambda m, x: m.a(x) + m.b(x), a=conv(), b=conv()), X)
    assert types(fused) == {"a": "Identity", "b": "Conv2d", "_generated_add_0": "ConvAdd2d"}


def test_an_inner_value_that_is_read_elsewhere_breaks_the_chain() -> None:
    def run(m: Parts, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = m.bn(m.conv(x))
        return m.relu(out), out

    fused = assert_fuses_equal(Parts(run, conv=conv(), bn=nn.BatchNorm2d(4), relu=nn.ReLU()), X)
    assert types(fused) == {"conv": "Conv2d", "bn": "Identity", "relu": "ReLU"}


def test_a_value_added_to_itself_is_not_fused() -> None:
    def run(m: Parts, x: torch.Tensor) -> torch.Tensor:
        out = m.conv(x)
        return out + out

    assert types(assert_fuses_equal(Parts(run, conv=conv()), X))["conv"] == "Conv2d"


def test_folding_survives_gamma_zero_and_training_mode() -> None:
    model = Seed()
    randomized(model)
    with torch.no_grad():
        model.bn.weight[1] = 0
    x = torch.rand(1, 3, 8, 8)
    expected = model(x)
    fused = fuse_fx(model.train())
    assert fused.training
    assert fused.conv.training
    torch.testing.assert_close(fused.eval()(x), expected, rtol=1e-4, atol=1e-5)
    assert all(p.requires_grad for p in fused.conv.parameters())


def test_a_norm_without_running_statistics_stays() -> None:
    model = Parts(lambda m, x: m.bn(m.conv(x)), conv=conv(), bn=nn.BatchNorm2d(4, track_running_stats=False))
    assert calls(fuse_fx(model)) == ["conv", "bn"]


def test_a_folded_layer_may_start_another_chain() -> None:
    model = Parts(lambda m, x: m.relu(m.b(m.a(m.conv(x)))), conv=conv(), a=nn.BatchNorm2d(4), b=nn.BatchNorm2d(4))
    model.relu = nn.ReLU()
    fused = assert_fuses_equal(model, X)
    assert types(fused) == {"conv": "ConvReLU2d", "a": "Identity", "b": "Identity", "relu": "Identity"}


def test_fusing_twice_changes_nothing() -> None:
    once = fuse_fx(randomized(nn.Sequential(Block(4, 4), Block(4, 8))))
    twice = fuse_fx(once)
    assert twice is not once
    assert table(twice.graph) == table(once.graph)
    assert {n: type(m) for n, m in twice.named_modules() if n} == {n: type(m) for n, m in once.named_modules() if n}
    assert torch.equal(twice(X), once(X))


def test_the_model_is_copied() -> None:
    model = Seed()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    fused = fuse_fx(model)
    fused.conv.get_parameter(next(n for n, _ in fused.conv.named_parameters())).data.zero_()
    assert type(model.conv) is nn.Conv2d
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


def test_attributes_of_the_parts() -> None:
    model = Seed()
    model.conv.qconfig, model.bn.qconfig, model.bn.preserve_qat_mode = "first", "second", True
    fused = fuse_fx(model)
    assert fused.conv.qconfig == "second"
    assert not hasattr(fused.conv, "preserve_qat_mode")
    model.conv.preserve_qat_mode = True
    assert fuse_fx(model).conv.preserve_qat_mode is True


def test_an_unknown_qat_mode_is_refused() -> None:
    assert get_qat_mode() == QATMode.FuseBN
    with pytest.raises(ValueError, match="did you mean 'fuse_bn'"):
        set_qat_mode("fusebn")


def test_tricks_check_what_they_are_given() -> None:
    assert tricks.relu6 == ReLUMode.INHERIT
    with pytest.raises(ValueError, match="relu_mode_inherit"):
        tricks.relu6 = "relu6"
    with pytest.raises(TypeError, match="True or False"):
        tricks.fx_force_duplicate_shared_convbn = "yes"
    with pytest.raises(AttributeError, match="did you mean 'relu6'"):
        tricks.relu = True
    tricks.relu6 = True
    assert tricks.relu6 == ReLUMode.FORCE_RELU6
    tricks.relu6 = ReLUMode.INHERIT
