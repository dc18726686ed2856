"""Deformed convolutions: the float module is a convolution of moved taps, integers are those of a loop.

The loop is written from the rules (numerics 4.5, 8): places in 256ths, weights of 8 bits, zeros outside, exact sums.
"""

from typing import Any

import pytest
import torch
from golden_support import current_march, f32
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.nn import qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, prepare_qat_fx

FULL = horizon.qconfig.default_qat_8bit_fake_quant_qconfig
SUMS = horizon.quantization.QConfig(activation=None, weight=FULL.weight)


def _random(*shape: int, low: int = -128, high: int = 128) -> Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(sum(shape)))


def _values(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _converted(module: Any, qconfig: Any) -> Any:
    module.qconfig = qconfig
    name = type(module).__name__
    with current_march("bayes"):
        made = getattr(quantized, name).from_float(getattr(qat, name).from_float(module))
    made.weight.copy_(_random(*made.weight.shape))
    return made


def _slow(x: list[Any], offset: list[Any], weight: list[Any], stride: int, padding: int, groups: int) -> list[Any]:
    """Sums of products of one image with square taps; offsets are in eighths, and have groups where the weight has one."""
    size, (height, width) = len(weight[0][0]), (len(x[0]), len(x[0][0]))
    share, outs = len(x) // groups, len(offset[0])

    def element(c: int, row: int, column: int) -> int:
        return x[c][row][column] if 0 <= row < height and 0 <= column < width else 0

    def read(c: int, y: int, x_: int) -> int:
        (row, fy), (column, fx) = divmod(y, 256), divmod(x_, 256)
        across = [element(c, r, column) * (256 - fx) + element(c, r, column + 1) * fx for r in (row, row + 1)]
        return (across[0] * (256 - fy) + across[1] * fy + 2**15) // 2**16

    def total(o: int, i: int, j: int) -> int:
        acc = 0
        for c in range(len(weight[0])):
            for ky in range(size):
                for kx in range(size):
                    pair = 2 * (c // share * size * size + ky * size + kx)
                    y = (i * stride - padding + ky) * 256 + offset[pair][i][j] * 32
                    x_ = (j * stride - padding + kx) * 256 + offset[pair + 1][i][j] * 32
                    acc += read(c, y, x_) * weight[o][c][ky][kx]
        return acc

    return [[[total(o, i, j) for j in range(len(offset[0][0]))] for i in range(outs)] for o in range(len(weight))]


@pytest.mark.parametrize("dtype", [qint8, qint16])
@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 1, 1), (2, 0, 2), (1, 2, 4)])
def test_sums_are_those_of_the_loops(dtype: Any, stride: int, padding: int, groups: int) -> None:
    module = _converted(horizon.nn.DeformConv2d(4, 3, 2, stride, padding, bias=False), SUMS)
    x, out = _random(1, 4, 6, 5), [(n + 2 * padding - 2) // stride + 1 for n in (6, 5)]
    offset = _random(1, 8 * groups, *out, low=-40, high=41)
    result = module(QTensor(x.to(torch.int8), f32(0.5), qint8), QTensor(offset.to(dtype.storage), f32(1 / 8), dtype))
    expected = _slow(x[0].tolist(), offset[0].tolist(), module.weight.tolist(), stride, padding, groups)
    assert result.int_repr()[0].tolist() == expected


@pytest.mark.parametrize("groups", [1, 2])
def test_without_offsets_integers_are_those_of_a_convolution(groups: int) -> None:
    arguments = (4, 6, 3, 2, 1, 1, groups)
    module, plain = (_converted(made(*arguments), FULL) for made in (horizon.nn.DeformConv2d, nn.Conv2d))
    plain.bias.copy_(module.bias)
    x = QTensor(_random(2, 4, 7, 9).to(torch.int8), f32(1 / 64), qint8)
    offset = QTensor(torch.zeros(2, 18, 4, 5, dtype=torch.int8), f32(0.25), qint8)
    for made in (module, plain):
        made.weight_scale.fill_(1 / 64)
        made.scale.fill_(1.0)
    assert plain(x).int_repr().unique().numel() > 20
    assert torch.equal(module(x, offset).int_repr(), plain(x).int_repr())


@pytest.mark.parametrize("arguments", [(4, 6, 3), (4, 6, (1, 3), 2, (0, 1)), (4, 6, 3, 1, 2, 2, 2, False)])
def test_without_offsets_the_float_module_is_a_convolution(arguments: tuple[Any, ...]) -> None:
    module, x = horizon.nn.DeformConv2d(*arguments), _values(2, 4, 8, 9)
    expected = nn.functional.conv2d(
        x, module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups
    )
    taps = module.kernel_size[0] * module.kernel_size[1]
    offset = torch.zeros(2, 2 * taps, *expected.shape[2:])
    torch.testing.assert_close(module(x, offset), expected)


def test_whole_offsets_move_the_image() -> None:
    module, x = horizon.nn.DeformConv2d(3, 2, 3), _values(1, 3, 8, 8)
    offset = torch.tensor([1.0, -2.0]).repeat(9).reshape(1, 18, 1, 1).expand(1, 18, 6, 6)
    moved = nn.functional.pad(x, (2, -2, -1, 1))
    torch.testing.assert_close(module(x, offset), nn.functional.conv2d(moved, module.weight, module.bias))


def test_half_an_element_is_the_mean_of_neighbours() -> None:
    module, x = horizon.nn.DeformConv2d(1, 1, 1, bias=False), torch.tensor([[[[2.0, 4.0]]]])
    offset = torch.tensor([0.0, 0.5]).reshape(1, 2, 1, 1).expand(1, 2, 1, 2)
    torch.testing.assert_close(module(x, offset), torch.tensor([[[[3.0, 2.0]]]]) * module.weight)


def test_a_mask_weighs_the_taps_of_its_group() -> None:
    module, x = horizon.nn.DeformConv2d(2, 2, 1, bias=False), _values(1, 2, 3, 3)
    mask = torch.tensor([0.5, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 3)
    expected = nn.functional.conv2d(x * torch.tensor([0.5, 0.0]).reshape(1, 2, 1, 1), module.weight)
    torch.testing.assert_close(module(x, torch.zeros(1, 4, 3, 3), mask), expected)


def test_gradients_reach_map_offsets_and_weight() -> None:
    module = horizon.nn.DeformConv2d(2, 3, 2).double()
    x, offset = _values(1, 2, 4, 4).double(), (_values(1, 8, 3, 3) * 0.3).double()
    x.requires_grad_()
    offset.requires_grad_()
    assert torch.autograd.gradcheck(module, (x, offset))


class _Model(nn.Module):
    def __init__(self, deformed: nn.Module) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.offsets = nn.Conv2d(3, 18, 3, padding=1)
        self.deformed = deformed

    def forward(self, x: Tensor) -> Tensor:
        x = self.quant(x)
        result: Tensor = self.deformed(x, self.offsets(x))
        return result


def _foreign() -> nn.Module:
    """A class that is called what the one of torchvision is, which need not be installed."""
    made = horizon.nn.DeformConv2d(3, 4, 3, padding=1)
    foreign = type("DeformConv2d", (nn.Module,), {"__module__": "torchvision.ops.deform_conv"})()
    foreign.__dict__.update(made.__dict__)
    return foreign


@pytest.mark.parametrize("make", [lambda: horizon.nn.DeformConv2d(3, 4, 3, padding=1), _foreign])
def test_a_model_is_prepared_and_converted(make: Any) -> None:
    with current_march("bayes"):
        prepared = prepare_qat_fx(_Model(make()), {"": FULL})
        out = prepared(_values(2, 3, 6, 6))
        out.as_subclass(Tensor).sum().backward()
        converted = convert_fx(prepared.eval())
    assert prepared.offsets.weight.grad.abs().sum() > 0
    assert type(converted.deformed) is quantized.DeformConv2d


@pytest.mark.parametrize(
    ("offset", "mask", "match"),
    [
        (QTensor(torch.zeros(1, 2, 2, 2, dtype=torch.int8), f32(1.0), qint8), torch.ones(1, 1, 2, 2), "a mask has no"),
        (torch.zeros(1, 2, 2, 2), None, "8 or 16 bits, not torch.float32"),
    ],
)
def test_what_has_no_integer_form_is_refused(offset: Tensor, mask: Tensor | None, match: str) -> None:
    module = _converted(horizon.nn.DeformConv2d(1, 1, 1), FULL)
    x = QTensor(torch.zeros(1, 1, 2, 2, dtype=torch.int8), f32(1.0), qint8)
    with pytest.raises(NotImplementedError, match=match):
        module(x, offset, mask)


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_other_marches_refuse(march: str) -> None:
    module: Any = horizon.nn.DeformConv2d(1, 1, 1)
    module.qconfig = FULL
    with current_march(march), pytest.raises(NotImplementedError, match="learned places"):
        qat.DeformConv2d.from_float(module)


@pytest.mark.parametrize(
    ("x", "offset"), [((1, 3, 4, 4), (1, 2, 4, 4)), ((1, 2, 4, 4), (1, 2, 4, 3)), ((1, 2, 4, 4), (1, 6, 4, 4))]
)
def test_sizes_are_checked(x: tuple[int, ...], offset: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="DeformConv2d"):
        horizon.nn.DeformConv2d(2, 2, 1)(torch.zeros(x), torch.zeros(offset))


def test_groups_must_divide_channels() -> None:
    with pytest.raises(ValueError, match="2 groups do not divide"):
        horizon.nn.DeformConv2d(3, 2, 1, groups=2)
