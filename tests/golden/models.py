"""Float modules of every kind that is generated, with the definition of their integers, calibrated and converted.

In: a `Case`. Out: `converted(case, march)`, made by prepare and convert as a user makes it.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from golden_support import MARCHES, current_march
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import DTYPES
from horizon_plugin_pytorch.nn import quantized
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.qconfig import QConfig

from .definitions import (
    Converted,
    Definition,
    average,
    binary,
    concatenation,
    maximum,
    mean_over,
    rectified,
    weighted,
)
from .nested import conv_sums, linear_sums, norm_products, transposed_sums


@dataclass(frozen=True, slots=True)
class Case:
    """A float module with stubs, what its integers are, and where it is supported.

    Attributes:
        id: For reports.
        make: The float module; it is called with one QTensor an input.
        shapes: Shapes of the inputs.
        define: (converted model, integer inputs) -> the integers that must come out.
        marches: Where the march computes it.
        source: Dtype of the inputs.
        output: Dtype of the output; qint32 is an accumulator.
    """

    id: str
    make: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    define: Definition
    marches: tuple[str, ...] = MARCHES
    source: str = "qint8"
    output: str = "qint8"


class Stubbed(nn.Module):
    """Stubs before one module."""

    def __init__(self, op: nn.Module, inputs: int) -> None:
        super().__init__()
        self.quants = nn.ModuleList(QuantStub() for _ in range(inputs))
        self.op = op


class One(Stubbed):
    def forward(self, x: Tensor) -> Tensor:
        return self.op(self.quants[0](x))


class Two(Stubbed):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.op(self.quants[0](x), self.quants[1](y))


class Method(nn.Module):
    """One FloatFunctional method."""

    def __init__(self, name: str, **keywords: Any) -> None:
        super().__init__()
        self.functional = quantized.FloatFunctional()
        self.name, self.keywords = name, keywords

    def forward(self, *inputs: Tensor) -> Tensor:
        call = getattr(self.functional, self.name)
        return call(list(inputs), **self.keywords) if self.name == "cat" else call(*inputs, **self.keywords)


class Sum(nn.Module):
    """A weighted layer, an addend, and perhaps an activation: fused into one module."""

    def __init__(self, layer: nn.Module, *, relu: bool = False) -> None:
        super().__init__()
        self.layer, self.functional = layer, quantized.FloatFunctional()
        self.relu = nn.ReLU() if relu else None

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out = self.functional.add(*self.operands(self.layer(x), y))
        return out if self.relu is None else self.relu(out)

    def operands(self, out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return out, y


class SwappedSum(Sum):
    """The same with the addend first."""

    def operands(self, out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return y, out


def qconfig(dtype: str) -> QConfig:
    """Min-max quantizers; an accumulator has none for the output."""
    full = get_default_qconfig(activation_qkwargs={"dtype": "qint8" if dtype == "qint32" else dtype})
    return QConfig(activation=None, weight=full.weight) if dtype == "qint32" else full


@functools.cache
def converted(case: Case, march: str) -> Converted:
    """The case's model, calibrated and converted."""
    torch.manual_seed(len(case.id))
    op = case.make()
    model = (One if len(case.shapes) == 1 else Two)(op, len(case.shapes)).eval()
    with current_march(march), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        rules = {"": qconfig(case.output), "module_name": {"quants": qconfig(case.source)}}
        prepared = prepare_qat_fx(model, rules).eval()
        set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
        prepared(*(torch.randn(shape) * (index + 1) for index, shape in enumerate(case.shapes)))
        prepared.eval()
        set_fake_quantize(prepared, FakeQuantState.VALIDATION)
        integer = convert_fx(prepared)
    modules = [
        m
        for m in integer.modules()
        if type(m).__module__.startswith(quantized.__name__) and not isinstance(m, quantized.Quantize)
    ]
    stubs = [m.scale.item() for m in integer.modules() if isinstance(m, quantized.Quantize)]
    assert len(modules) == 1, [type(m).__name__ for m in modules]
    output = DTYPES[case.output]
    return Converted(integer, modules[0], op, stubs, march, DTYPES[case.source], output)


BAYES = ("bayes", "bayes-e")
IMAGE, PAIR = ((1, 4, 5, 4),), ((1, 4, 5, 4), (1, 4, 5, 4))


def convolution(**keywords: Any) -> Callable[[], nn.Module]:
    """A convolution of 4 channels to 6."""
    return lambda: nn.Conv2d(4, 6, **{"kernel_size": 3, **keywords})


def followed(layer: Callable[[], nn.Module], *modules: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """A layer and what is fused or folded into it."""
    return lambda: nn.Sequential(layer(), *(module() for module in modules))


def norm(channels: int = 6) -> nn.Module:
    """A normalization with statistics that are not trivial."""
    module = nn.BatchNorm2d(channels)
    with torch.no_grad():
        module.running_mean.uniform_(-1, 1)
        module.running_var.uniform_(0.5, 2)
        module.weight.uniform_(-1.5, 1.5)
        module.bias.uniform_(-1, 1)
    return module


def heavy() -> nn.Module:
    """A linear layer of equal weights, whose sum of large int16 features passes 32 bits."""
    module = nn.Linear(1024, 2)
    with torch.no_grad():
        module.weight.fill_(0.01)
    return module


CASES = (
    Case("conv2d", convolution(padding=1), IMAGE, weighted(conv_sums)),
    Case(
        "conv2d strided, dilated, rectangular",
        convolution(kernel_size=(2, 1), stride=2, dilation=(2, 1), padding=(1, 0), bias=False),
        IMAGE,
        weighted(conv_sums),
    ),
    Case("conv2d in groups", convolution(groups=2), IMAGE, weighted(conv_sums)),
    Case("conv2d accumulator", convolution(), IMAGE, weighted(conv_sums), output="qint32"),
    Case("conv2d int8 to int16", convolution(), IMAGE, weighted(conv_sums), BAYES, output="qint16"),
    Case("conv2d int16", convolution(), IMAGE, weighted(conv_sums), BAYES, source="qint16", output="qint16"),
    Case("conv2d int16 to int8", convolution(), IMAGE, weighted(conv_sums), BAYES, source="qint16"),
    Case(
        "conv2d int16 accumulator", convolution(), IMAGE, weighted(conv_sums), BAYES, source="qint16", output="qint32"
    ),
    Case("conv2d relu", followed(convolution(), nn.ReLU), IMAGE, weighted(conv_sums, relu=True)),
    Case("conv2d relu6", followed(convolution(), nn.ReLU6), IMAGE, weighted(conv_sums, relu=True)),
    Case("conv2d norm", followed(convolution(bias=False), norm), IMAGE, weighted(conv_sums)),
    Case("conv2d norm relu", followed(convolution(), norm, nn.ReLU), IMAGE, weighted(conv_sums, relu=True)),
    Case("conv2d add", lambda: Sum(nn.Conv2d(4, 4, 3, padding=1)), PAIR, weighted(conv_sums)),
    Case("conv2d add, addend first", lambda: SwappedSum(nn.Conv2d(4, 4, 3, padding=1)), PAIR, weighted(conv_sums)),
    Case("conv2d add relu", lambda: Sum(nn.Conv2d(4, 4, 1), relu=True), PAIR, weighted(conv_sums, relu=True)),
    Case("conv2d add accumulator", lambda: Sum(nn.Conv2d(4, 4, 1)), PAIR, weighted(conv_sums), output="qint32"),
    Case(
        "conv2d of many channels", lambda: nn.Conv2d(96, 2, 3), ((1, 96, 3, 3),), weighted(conv_sums), output="qint32"
    ),
    Case(
        "conv3d", lambda: nn.Conv3d(2, 3, (2, 1, 2), padding=(1, 0, 0)), ((1, 2, 3, 3, 4),), weighted(conv_sums), BAYES
    ),
    Case(
        "conv_transpose2d",
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2),
        ((1, 4, 3, 2),),
        weighted(transposed_sums),
    ),
    Case("linear", lambda: nn.Linear(9, 5), ((3, 9),), weighted(linear_sums, -1), BAYES),
    Case(
        "linear of many dimensions",
        lambda: nn.Linear(6, 4, bias=False),
        ((2, 3, 6),),
        weighted(linear_sums, -1),
        BAYES,
        output="qint16",
    ),
    Case("linear accumulator", lambda: nn.Linear(9, 5), ((3, 9),), weighted(linear_sums, -1), BAYES, output="qint32"),
    Case(
        "linear int16 relu",
        followed(lambda: nn.Linear(9, 5), nn.ReLU),
        ((3, 9),),
        weighted(linear_sums, -1, relu=True),
        BAYES,
        source="qint16",
        output="qint16",
    ),
    Case(
        "linear int16 whose sum wraps",
        heavy,
        ((1, 1024),),
        weighted(linear_sums, -1),
        BAYES,
        source="qint16",
        output="qint32",
    ),
    Case(
        "linear int16 whose sum wraps and is requantized",
        heavy,
        ((1, 1024),),
        weighted(linear_sums, -1),
        BAYES,
        source="qint16",
        output="qint16",
    ),
    Case("batch_norm2d", lambda: norm(4), IMAGE, weighted(norm_products)),
    Case(
        "batch_norm2d int16", lambda: norm(4), IMAGE, weighted(norm_products), BAYES, source="qint16", output="qint16"
    ),
    Case("add", lambda: Method("add"), PAIR, binary("add")),
    Case("sub", lambda: Method("sub"), PAIR, binary("sub")),
    Case("mul", lambda: Method("mul"), ((1, 4, 5, 4), (1, 4, 1, 1)), binary("mul")),
    Case("add int16", lambda: Method("add"), PAIR, binary("add"), MARCHES[1:], source="qint16", output="qint16"),
    Case("sub int16", lambda: Method("sub"), PAIR, binary("sub"), BAYES, source="qint16", output="qint16"),
    Case("mul int16 to int8", lambda: Method("mul"), PAIR, binary("mul"), BAYES, source="qint16"),
    Case("cat", lambda: Method("cat", dim=1), ((1, 4, 3, 4), (1, 2, 3, 4)), concatenation),
    Case(
        "cat int16",
        lambda: Method("cat", dim=1),
        ((1, 4, 3, 4), (1, 2, 3, 4)),
        concatenation,
        MARCHES[1:],
        source="qint16",
        output="qint16",
    ),
    Case("mean over channels", lambda: Method("mean", dim=1, keepdim=True), IMAGE, mean_over((1,))),
    Case("mean over an area", lambda: Method("mean", dim=(2, 3), keepdim=True), IMAGE, mean_over((2, 3))),
    Case(
        "mean int16",
        lambda: Method("mean", dim=(2, 3), keepdim=True),
        IMAGE,
        mean_over((2, 3)),
        BAYES,
        source="qint16",
        output="qint16",
    ),
    Case("avg_pool2d", lambda: nn.AvgPool2d((3, 2), 2, 1), IMAGE, average),
    Case("avg_pool2d int16", lambda: nn.AvgPool2d(2), IMAGE, average, BAYES, source="qint16", output="qint16"),
    Case("avg_pool2d int16 to int8", lambda: nn.AvgPool2d((5, 4)), IMAGE, average, BAYES, source="qint16"),
    Case("max_pool2d", lambda: nn.MaxPool2d(3, 2, 1), IMAGE, maximum),
    Case("relu", nn.ReLU, IMAGE, rectified),
)
