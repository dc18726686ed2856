"""Linear layers, grouped and transposed convolutions in one pass: the integers of the definition."""

import shutil
from typing import Any

import pytest
import torch
from test_kernel_plans import converted
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime import one_pass_conv
from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.quantization import QuantStub, by_definition

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
IMAGES = torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
TRANSPOSED = [
    nn.ConvTranspose2d(8, 5, 2, 2),
    nn.ConvTranspose2d(8, 20, 4, 2, 1),
    nn.ConvTranspose2d(8, 5, 3, 2, 1, output_padding=1),
    nn.ConvTranspose2d(8, 5, (3, 5), (1, 3), (1, 0), output_padding=(0, 1)),
    nn.ConvTranspose2d(8, 5, 3, 3, 0, output_padding=1),
    nn.ConvTranspose2d(8, 5, 3, 1, 2),
    nn.ConvTranspose2d(8, 5, 2, 3, 0),
]


def fast(*layers: nn.Module, x: Tensor = IMAGES, march: str = "bayes", dtype: str = "qint8") -> Any:
    torch.manual_seed(0)
    return converted(nn.Sequential(QuantStub(), *layers), march, x, dtype, fast_mode=True)


def check(model: Any, x: Tensor = IMAGES) -> str:
    """That the bits are those of the definition; the plan of the last layer."""
    with by_definition():
        expected = model(3 * x).int_repr()
    assert expected.unique().numel() > 5
    assert torch.equal(model(3 * x).int_repr(), expected)
    return "; ".join(model.kernel_plan().layers[-1].proofs)


@pytest.mark.parametrize("layer", TRANSPOSED, ids=str)
def test_transposed_convolutions(layer: nn.Module) -> None:
    assert "one pass" in check(fast(layer))


def test_a_transposed_convolution_with_relu_on_another_march() -> None:
    assert "one pass" in check(fast(nn.ConvTranspose2d(8, 5, 3, 2, 1), nn.ReLU(), march="bernoulli2"))


@pytest.mark.parametrize(
    "layer", [nn.ConvTranspose2d(8, 4, 2, 2, groups=2), nn.ConvTranspose2d(8, 4, 3, dilation=2)], ids=str
)
def test_other_transposed_convolutions_have_another_way(layer: nn.Module) -> None:
    assert "one pass" not in check(fast(layer))


@pytest.mark.parametrize("groups", [2, 4])
def test_grouped_convolutions(groups: int) -> None:
    assert "one pass" in check(fast(nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=groups)))


@pytest.mark.parametrize(("channels", "way"), [(64, "one pass, dense"), (80, "int8")])
def test_groups_without_matrix_tiles(channels: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fastest = one_pass_conv._fastest
    monkeypatch.setattr(
        one_pass_conv, "_fastest", lambda text, kinds: fastest(text, [k for k in kinds if k != "tiles"])
    )
    x = IMAGES.repeat(1, channels // 8, 1, 1)
    assert check(fast(nn.Conv2d(channels, 8, 1, groups=4), x=x), x).startswith(way)


def test_convolutions_of_many_groups_have_another_way() -> None:
    x = torch.cat([IMAGES] * 4, 1)
    assert "one pass" not in check(fast(nn.Conv2d(32, 32, 3, groups=16), x=x), x)


@pytest.mark.parametrize("shape", [(7, 8), (2, 5, 8), (1, 8), (2, 3, 4, 8)])
def test_linear_layers(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    assert "one pass" in check(fast(nn.Linear(8, 37), nn.ReLU(), x=x), x)


def test_rows_that_do_not_lie_one_after_another() -> None:
    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(2).transpose(1, 2)

    assert "one pass" in check(fast(Turned(), nn.Linear(8, 24)))


def test_results_of_16_bits() -> None:
    model = fast(nn.Conv2d(8, 20, 3))
    conv: Any = next(m for m in model.modules() if type(m).__name__ == "Conv2d")
    conv.dtype, conv.scale = qint16, conv.scale / 200
    conv._forget()
    x = next(model.children())(IMAGES)
    with by_definition():
        expected = conv(x).int_repr()
    assert x.dtype == qint8
    assert expected.abs().max() > 1000
    assert torch.equal(conv(x).int_repr(), expected)
    assert conv(x).int_repr().dtype == torch.int16
    assert "one pass" in "; ".join(conv.proofs)
