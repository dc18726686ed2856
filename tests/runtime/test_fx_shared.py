"""Modules that several call sites share: fused where every site keeps its meaning, under the documented names."""

from collections.abc import Iterator

import pytest
import torch
from fx_models import Parts, assert_fuses_equal, calls, conv, types
from torch import Tensor, nn
from torch.nn import functional as nnf

from horizon_plugin_pytorch.qat_mode import tricks
from horizon_plugin_pytorch.quantization import fuse_fx
from horizon_plugin_pytorch.utils.fx_helper import wrap

X = torch.randn(2, 4, 6, 6)


@pytest.fixture
def _duplicate() -> Iterator[None]:
    tricks.fx_force_duplicate_shared_convbn = True
    yield
    tricks.fx_force_duplicate_shared_convbn = False


def test_one_layer_with_a_norm_for_each_level() -> None:
    """The heads of a detector: the last pattern lands on the layer's name, the others on their norms'."""

    def run(m: Parts, x: Tensor) -> list[Tensor]:
        return [nnf.relu(m.bn1(m.conv(x))), nnf.relu(m.bn2(m.conv(x * 1.0))), nnf.relu(m.bn3(m.conv(-x)))]

    model = Parts(run, conv=conv(), bn1=nn.BatchNorm2d(4), bn2=nn.BatchNorm2d(4), bn3=nn.BatchNorm2d(4))
    fused = assert_fuses_equal(model, X)
    assert calls(fused) == ["bn1", "bn2", "conv"]
    kinds = types(fused)
    assert (kinds["bn1"], kinds["bn2"], kinds["conv"], kinds["bn3"]) == ("ConvReLU2d",) * 3 + ("Identity",)


def test_a_shared_pair_is_fused_once_for_all_sites() -> None:
    def run(m: Parts, x: Tensor) -> Tensor:
        return m.relu(m.bn(m.conv(m.relu(m.bn(m.conv(x))))))

    fused = assert_fuses_equal(Parts(run, conv=conv(), bn=nn.BatchNorm2d(4), relu=nn.ReLU()), X)
    assert calls(fused) == ["conv", "conv"]
    assert types(fused) == {"conv": "ConvReLU2d", "bn": "Identity", "relu": "Identity"}


@pytest.mark.usefixtures("_duplicate")
def test_a_shared_pair_is_fused_for_each_site_on_demand() -> None:
    def run(m: Parts, x: Tensor) -> Tensor:
        return m.bn(m.conv(m.bn(m.conv(m.bn(m.conv(x))))))

    fused = assert_fuses_equal(Parts(run, conv=conv(), bn=nn.BatchNorm2d(4)), X)
    assert calls(fused) == ["bn", "conv_1", "conv"]
    assert len({id(fused.get_submodule(name)) for name in calls(fused)}) == 3


def test_a_layer_that_is_also_used_alone_is_left_alone() -> None:
    fused = assert_fuses_equal(Parts(lambda m, x: (nnf.relu(m.conv(x)), m.conv(-x)), conv=conv()), X)
    assert calls(fused) == ["conv", "_generated_relu_0", "conv"]


def test_a_layer_that_is_also_used_alone_is_folded_at_the_name_of_the_norm() -> None:
    model = Parts(lambda m, x: (m.bn(m.conv(x)), m.conv(-x)), conv=conv(), bn=nn.BatchNorm2d(4))
    fused = assert_fuses_equal(model, X)
    assert calls(fused) == ["bn", "conv"]
    assert types(fused) == {"conv": "Conv2d", "bn": "Conv2d"}


def test_sites_that_share_a_prefix_fuse_the_prefix() -> None:
    model = Parts(lambda m, x: (nnf.relu(m.bn(m.conv(x))), m.bn(m.conv(-x))), conv=conv(), bn=nn.BatchNorm2d(4))
    fused = assert_fuses_equal(model, X)
    assert calls(fused) == ["conv", "_generated_relu_0", "conv"]


def test_sites_with_different_activations() -> None:
    fused = assert_fuses_equal(Parts(lambda m, x: (nnf.relu(m.conv(x)), nnf.relu6(m.conv(-x))), conv=conv()), X)
    assert calls(fused) == ["conv", "_generated_relu_0", "conv", "_generated_relu6_0"]


def test_a_norm_shared_by_two_layers() -> None:
    model = Parts(lambda m, x: m.bn(m.a(x)) * 1.0 + m.bn(m.b(x)) * 1.0, a=conv(), b=conv(), bn=nn.BatchNorm2d(4))
    fused = assert_fuses_equal(model, X)
    assert types(fused)["bn"] == "Identity"
    assert calls(fused) == ["a", "b"]


def test_a_norm_that_is_also_used_alone_stays() -> None:
    model = Parts(lambda m, x: m.bn(m.conv(x)) * m.bn(x), conv=conv(), bn=nn.BatchNorm2d(4))
    fused = assert_fuses_equal(model, X)
    assert types(fused)["bn"] == "BatchNorm2d"
    assert calls(fused) == ["conv", "bn"]


def test_adds_on_a_shared_layer_share_its_parameters() -> None:
    model = Parts(lambda m, x: (m.conv(x) + x, m.conv(-x) + x), conv=conv())
    fused = assert_fuses_equal(model, X)
    assert calls(fused) == ["_generated_add_0", "_generated_add_1"]
    assert types(fused)["conv"] == "Identity"
    assert len(list(fused.parameters())) == 2, "the same weight and bias under two names"


def test_adds_on_a_shared_pair_share_the_folded_parameters() -> None:
    def run(m: Parts, x: Tensor) -> tuple[Tensor, Tensor]:
        return m.bn(m.conv(x)) + x, m.bn(m.conv(-x)) + x

    fused = assert_fuses_equal(Parts(run, conv=conv(), bn=nn.BatchNorm2d(4)), X)
    assert calls(fused) == ["_generated_add_0", "_generated_add_1"]
    assert len(list(fused.parameters())) == 2


def test_a_norm_name_is_given_away_once() -> None:
    def run(m: Parts, x: Tensor) -> tuple[Tensor, ...]:
        return m.bn(m.a(x)), m.a(-x), m.bn(m.b(x)), m.b(-x)

    fused = assert_fuses_equal(Parts(run, a=conv(), b=conv(), bn=nn.BatchNorm2d(4)), X)
    assert calls(fused) == ["a", "bn", "a", "b", "bn", "b"], "no place for a folded copy"


class Opaque(nn.Module):
    """Layers that a wrapped method uses too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = conv(), nn.BatchNorm2d(4), nn.ReLU()
        self.hidden = conv()
        self.scale = 2.0

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.relu(self.bn(self.conv(x))))

    @wrap()
    def finish(self, x: Tensor) -> Tensor:
        return self.helper(-x) * self.scale

    def helper(self, x: Tensor) -> Tensor:
        return sum([self.relu(self.hidden(x)) for _ in range(2)])


def test_what_a_wrapped_method_uses_stays() -> None:
    fused = assert_fuses_equal(Opaque(), X)
    kinds = types(fused)
    assert kinds["conv"] == "ConvReLU2d"
    assert kinds["bn"] == "Identity"
    assert kinds["relu"] == "ReLU", "the wrapped method calls it"
    assert kinds["hidden"] == "Conv2d"


class OpaqueLayer(Opaque):
    def helper(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


def test_layers_that_a_wrapped_method_uses_keep_their_values() -> None:
    fused = assert_fuses_equal(OpaqueLayer(), X)
    assert types(fused)["conv"] == "Conv2d"
    assert types(fused)["bn"] == "BatchNorm2d"


def test_a_module_under_two_names() -> None:
    model = Parts(lambda m, x: m.second(m.bn(x)), conv=conv(), bn=nn.BatchNorm2d(4))
    model.second = model.conv
    fused = assert_fuses_equal(model, X)
    assert calls(fused) == ["bn", "conv"]
    assert fuse_fx(fused)(X).equal(fused(X))
