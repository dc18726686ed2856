"""`explain(model, name)`: pattern, rule, kernel and support of a module of a prepared model."""

import pytest
import torch

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.quantization import QuantStub, explain, fuse_fx, prepare_qat_fx

Q = horizon.qconfig


class _Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(8)
        self.twice = torch.nn.Conv2d(8, 8, 1)
        self.relu = torch.nn.ReLU()
        self.pool = torch.nn.MaxPool2d(2)
        self.head = torch.nn.Conv2d(8, 2, 1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(self.quant(x))))
        y = self.twice(x)
        return self.dequant(self.head(self.pool(y) + self.pool(self.relu(y))))


@pytest.fixture
def model():
    horizon.march.set_march(horizon.March.BAYES)
    rules = {
        "": Q.default_qat_8bit_fake_quant_qconfig,
        "module_name": {"head": Q.default_qat_8bit_weight_32bit_out_fake_quant_qconfig},
    }
    return prepare_qat_fx(_Net(), rules)


def test_a_fused_chain_names_its_pattern_and_its_parts(model) -> None:
    found = explain(model, "conv")
    assert found.pattern == "conv2d_norm_relu"
    assert found.fusion == ("conv (Conv2d) -> bn (BatchNorm2d) -> _generated_relu_0 (ReLU)",)
    assert found.kernels[0].startswith("weighted: ")


def test_a_part_is_explained_by_what_it_was_fused_into(model) -> None:
    assert explain(model, "bn") == explain(model, "conv")


def test_two_readers_keep_a_chain_apart(model) -> None:
    assert explain(model, "twice").fusion == (
        "its output is read 2 times; a chain goes on only where there is one reader",
    )
    assert explain(model, "relu").fusion == (
        "Conv2d before it is read 2 times; a chain goes on only where there is one reader",
    )


def test_what_comes_next_is_named_when_no_pattern_goes_on_with_it(model) -> None:
    (text,) = explain(model, "head").fusion
    assert text.startswith("DeQuantStub comes behind it; patterns go on with BatchNorm1d, ")


def test_a_method_is_explained_by_its_own_operator(model) -> None:
    found = explain(model, "_generated_add_0")
    assert found.kernels[0].startswith("add/shift_and_scale: ")
    assert found.fusion[0].startswith("MaxPool2d, MaxPool2d comes before it; patterns with it start with Conv2d, ")


def test_a_class_without_a_pattern_says_so(model) -> None:
    assert explain(model, "pool").fusion == ("no pattern has a MaxPool2d",)


def test_the_rule_of_the_qconfig_is_named(model) -> None:
    assert explain(model, "head").rule == "module_name 'head'"
    assert explain(model, "twice").rule == 'global ""'


def test_support_is_that_of_the_march(model) -> None:
    (text,) = explain(model, "conv").support
    assert text.startswith("conv2d on bayes: qint8 -> qint8, qint16, qint32; ")


def test_it_prints_as_lines(model) -> None:
    first, second, *_ = str(explain(model, "conv")).split("\n")
    assert first == "conv: ConvReLU2d"
    assert second == "  pattern conv2d_norm_relu: conv (Conv2d) -> bn (BatchNorm2d) -> _generated_relu_0 (ReLU)"


def test_a_norm_that_cannot_be_folded_is_told() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant, self.conv = QuantStub(scale=1 / 128), torch.nn.Conv2d(3, 8, 1)
            self.bn = torch.nn.BatchNorm2d(8, track_running_stats=False)

        def forward(self, x):
            return self.bn(self.conv(self.quant(x)))

    horizon.march.set_march(horizon.March.BAYES)
    rules = {"": None, "module_name": {"conv": Q.default_qat_8bit_fake_quant_qconfig}}
    (text,) = explain(prepare_qat_fx(Net(), rules), "conv").fusion
    assert text == "BatchNorm2d behind it cannot be folded: it has no running statistics of as many channels"


def test_an_unknown_name_and_an_unprepared_model_are_told(model) -> None:
    with pytest.raises(ValueError, match=r"the model has no module 'cnv'.*conv"):
        explain(model, "cnv")
    with pytest.raises(TypeError, match="explain takes what prepare_qat_fx returns, not _Net"):
        explain(_Net(), "conv")
    with pytest.raises(TypeError, match="explain takes what prepare_qat_fx returns"):
        explain(fuse_fx(_Net()), "conv")
