"""`check_model`: what it finds, what it prints, what it leaves alone."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from checked_models import IMAGE, OneLayer, prepared
from torch import Tensor, nn

from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch._runtime.check_model import Violation, violations
from horizon_plugin_pytorch._runtime.layer_calls import record_run
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn.quantized import FloatFunctional
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    check_model,
    convert_fx,
    prepare_qat_fx,
    set_fake_quantize,
)


class Add(nn.Module):
    """A sum of a tensor and a piece of it."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.add = FloatFunctional()
        self.start = start

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.add.add(x, x[..., self.start : self.start + 1])
        return out


class Swap(nn.Module):
    """A transposition."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.dims = (first, second)

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(*self.dims)


class AddConstant(nn.Module):
    """The sum of a feature and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("constant", torch.ones(1, 3, 1, 1))
        self.add = FloatFunctional()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.add.add(x, self.constant)
        return out


@pytest.fixture(autouse=True)
def _bayes() -> Iterator[None]:
    set_march("bayes")
    yield
    set_march("bayes")


def found(layer: nn.Module, march: str = "bayes", image: Tensor = IMAGE) -> list[Violation]:
    return list(violations(record_run(prepared(layer, image, march), (image,)), march))


def test_a_clean_model_gives_0_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_model(prepared(nn.Conv2d(3, 4, 3)), IMAGE) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("This model is supported! bayes: 3 layers ")
    assert printed.count("\n") == 1


def test_a_violation_gives_1_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_model(prepared(nn.Conv2d(3, 4, 3, dilation=2, stride=2)), IMAGE) == 1
    head, _, row, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["layer", "rule", "value", "limit", "remedy"]
    assert row.split("  ")[0] == "layer (conv2d)"
    for part in ("stride = 2", "1, if dilation at least 2", "give this layer another stride"):
        assert part in row
    assert last == "This model is not supported on bayes: 1 of the rules above are violated."


def test_a_converted_model_is_checked_as_a_prepared_one_is() -> None:
    model = prepared(nn.Conv2d(3, 4, 3, dilation=2, stride=2))
    before = list(violations(record_run(model, (IMAGE,)), "bayes"))
    assert before == list(violations(record_run(convert_fx(model), (IMAGE,)), "bayes"))
    assert len(before) == 1


def test_another_march_can_be_asked_for() -> None:
    model = prepared(nn.Conv2d(3, 4, 9))
    assert check_model(model, IMAGE, march="bayes-e") == 0
    assert check_model(model, IMAGE, march="bernoulli2") == 1


@pytest.mark.parametrize(
    ("layer", "march", "values"),
    [
        (nn.Conv2d(3, 4, 7), "bernoulli2", []),
        (nn.Conv2d(3, 4, (7, 8)), "bernoulli2", ["kernel_size = 8"]),
        (nn.Conv2d(3, 4, 3, dilation=4), "bernoulli2", []),
        (nn.Conv2d(3, 4, 3, dilation=3), "bernoulli2", ["dilation = 3"]),
        (nn.Conv2d(3, 4, 3, stride=2), "bernoulli2", []),
        (nn.Conv2d(3, 4, 3, stride=2, dilation=2), "bernoulli2", ["stride = 2"]),
        (nn.AvgPool2d(7), "bernoulli2", []),
        (nn.AvgPool2d(8), "bernoulli2", ["kernel_size = 8"]),
        (nn.ConvTranspose2d(3, 4, 3, stride=3, padding=1), "bayes", []),
        (nn.ConvTranspose2d(3, 4, 3, stride=3, padding=2), "bayes", ["padding = 2"]),
        (nn.ConvTranspose2d(3, 4, 2, stride=3), "bayes", ["kernel_size = 2"]),
        (nn.ConvTranspose2d(3, 4, 3, stride=2, padding=2), "bernoulli2", ["padding = 2"]),
    ],
)
def test_attributes(layer: nn.Module, march: str, values: list[str]) -> None:
    assert [violation.value for violation in found(layer, march)] == values


@pytest.mark.parametrize(("channels", "broken"), [(8192, 0), (8193, 1)])
def test_sizes_of_tensors(channels: int, broken: int) -> None:
    image = torch.zeros(1, channels, 1, 1)
    values = [violation.value for violation in found(nn.Conv2d(channels, 1, 1), "bayes", image)]
    assert values == [f"C of input = {channels}", f"C of weight = {channels}"] * broken


@pytest.mark.parametrize(("inside", "broken"), [(True, 1), (False, 0)])
def test_a_condition_on_where_the_output_goes(inside: bool, broken: int) -> None:
    head = nn.Conv2d(3, 8193, 1)
    image = torch.zeros(1, 3, 1, 1)
    layers = nn.Sequential(head, nn.MaxPool2d(1)) if inside else head
    rules = [violation for violation in found(layers, "bayes", image) if violation.layer.endswith("(conv2d)")]
    assert [violation.value for violation in rules] == ["C of output = 8193"] * broken


def test_a_product_of_sizes() -> None:
    (violation,) = found(nn.Conv2d(2048, 1, 5), "bernoulli2", torch.zeros(1, 2048, 5, 5))
    assert (violation.value, violation.limit) == ("C*H*W of weight = 51200", "at most 32768")


def test_all_elements_the_same() -> None:
    image = torch.zeros(1, 2, 6, 6, 6)
    assert found(nn.Conv3d(2, 2, 1, stride=2), "bayes", image) == []
    (violation,) = found(nn.Conv3d(2, 2, 1, stride=(1, 2, 2)), "bayes", image)
    assert (violation.value, violation.limit) == ("stride = 1, stride = 2", "the same in all dimensions")


def test_dimensions_named_by_an_argument() -> None:
    assert found(Swap(1, -1)) == []
    (violation,) = found(Swap(2, -4))
    assert (violation.value, violation.limit) == ("dim1 = N", "not N")


def test_the_number_of_dimensions_of_a_march() -> None:
    (violation,) = [v for v in found(nn.Flatten(), "bernoulli2") if "flatten" in v.layer]
    assert violation.value == "dimensions of output = 2"


def test_one_operand_may_be_broadcast() -> None:
    assert found(Add(0)) == []


def test_two_operands_may_not_be_broadcast() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add = FloatFunctional()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.add.add(x[..., :1], x[:, :1])
            return out

    (violation,) = found(Both())
    assert violation.value == "operand 0 along W and operand 1 along C"


def test_a_constant_operand() -> None:
    values = [violation.value for violation in found(AddConstant(), "bernoulli2")]
    assert "constant operands = 1" in values


def test_the_model_is_left_as_it_was() -> None:
    model = prepare_qat_fx(OneLayer(nn.Conv2d(3, 4, 3)), {"": hq.get_default_qconfig()}).eval()
    set_fake_quantize(model, FakeQuantState.CALIBRATION)
    before = copy.deepcopy(model.state_dict())
    check_model(model, IMAGE)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_without_statistics_is_told_but_is_supported(capsys: pytest.CaptureFixture[str]) -> None:
    model = prepare_qat_fx(OneLayer(nn.Conv2d(3, 4, 3)), {"": hq.get_default_qconfig()}).eval()
    assert check_model(model, IMAGE) == 0
    assert "layer (conv2d): scale is 1, as before any calibration" in capsys.readouterr().out
    check_model(model, IMAGE, check_quanti_param=False)
    assert "scale is 1" not in capsys.readouterr().out


def test_operands_of_very_different_scales_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = QuantStub(scale=1.0), QuantStub(scale=1 / 256)
            self.add = FloatFunctional()

        def forward(self, x: Tensor) -> Any:
            return self.add.add(self.one(x), self.other(x))

    model = prepare_qat_fx(Sum(), {"": hq.get_default_qconfig()}).eval()
    check_model(model, IMAGE)
    assert "add (add): scales of its inputs range from 0.00390625 to 1" in capsys.readouterr().out


def test_a_float_model_is_refused() -> None:
    with pytest.raises(TypeError, match="has no quantized layer"):
        check_model(OneLayer(nn.Conv2d(3, 4, 3)), IMAGE)


@pytest.mark.filterwarnings("ignore")
def test_a_trace_is_refused_with_the_remedy() -> None:
    traced = torch.jit.trace(convert_fx(prepared(nn.Conv2d(3, 4, 3))), IMAGE)
    with pytest.raises(TypeError, match="Pass the model that was traced"):
        check_model(traced, IMAGE)


@pytest.mark.parametrize(("argument", "value"), [("march", "byes"), ("input_source", "piramid")])
def test_unknown_words_are_corrected(argument: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{value}.*did you mean"):
        check_model(prepared(nn.ReLU()), IMAGE, **{argument: value})


class Method(nn.Module):
    """A method of a functional module."""

    def __init__(self, method: str, *numbers: float) -> None:
        super().__init__()
        self.functional, self.method, self.numbers = FloatFunctional(), method, numbers

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = getattr(self.functional, self.method)(x, *self.numbers)
        return out


@pytest.mark.filterwarnings("ignore:FloatFunctional:FutureWarning")
@pytest.mark.parametrize(
    ("method", "numbers", "op"),
    [("ceil", (), "ceil"), ("floor", (), "floor"), ("exp", (), "exp"), ("mul", (0.5,), "mul_scalar")],
)
def test_methods_of_functional_modules_are_checked(method: str, numbers: tuple[float, ...], op: str) -> None:
    run = record_run(prepared(Method(method, *numbers)), (IMAGE,))
    assert [call.op for call in run.calls if "functional" in call.name] == [op]


@pytest.mark.filterwarnings("ignore:FloatFunctional:FutureWarning")
def test_a_method_that_a_march_has_not_is_found() -> None:
    (found,) = violations(record_run(prepared(Method("ceil")), (IMAGE,)), "bernoulli")
    assert found.layer == "layer.functional (ceil)"
