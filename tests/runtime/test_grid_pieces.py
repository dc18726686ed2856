"""Fake quantization by torch operations a piece at a time: values, masks and gradients of whole tensors."""

import math

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime import scratch
from horizon_plugin_pytorch._runtime.grid_pieces import gradient_in_pieces, values_in_pieces
from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import intrinsic, qat
from horizon_plugin_pytorch.qconfig import default_qat_8bit_fake_quant_qconfig

ENDS = [(-math.inf, math.inf), (0.0, math.inf), (0.0, 6.0)]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "PIECE", 16)


def _features(*shape: int) -> Tensor:
    """Some on ends of ranges, some that are no numbers."""
    torch.manual_seed(1)
    x = torch.randn(shape) * 8
    x.view(-1)[:9] = torch.tensor([0.0, 6.0, 12.7, 12.75, -12.8, -12.9, math.nan, math.inf, -math.inf])
    return x


def _rounding(v: Tensor) -> Tensor:
    return torch.floor(v + 0.5)


def _defined(x: Tensor, scale: Tensor, ends: tuple[float, float]) -> tuple[Tensor, Tensor]:
    rounded = _rounding(x.clamp(*ends) / scale)
    inside = (rounded >= -128) & (rounded <= 127)
    if ends != ENDS[0]:
        inside &= (x > ends[0]) & (x < ends[1])
    return rounded.clamp(-128, 127) * scale, inside


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_one_scale(ends: tuple[float, float], overwrite: bool, format: torch.memory_format) -> None:
    x = _features(2, 3, 5, 7).contiguous(memory_format=format)
    expected, mask = _defined(x, torch.tensor([0.1]), ends)
    given = torch.tensor([0.1]), -1, (-128, 127), _rounding
    found, inside = values_in_pieces(x, *given, mask=True, overwrite=overwrite, ends=ends)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(inside.bool(), mask)
    assert (found is x) is overwrite
    assert found.stride() == inside.stride() == x.stride()


@pytest.mark.parametrize("shape", [(40, 3, 2), (3, 40), (5, 2, 2, 1), (1, 100)], ids=str)
def test_a_scale_for_each_row(shape: tuple[int, ...]) -> None:
    x = _features(*shape)
    scale = torch.rand(shape[0]) * 0.1 + 0.01
    expected, mask = _defined(x, scale.reshape(-1, *[1] * (x.dim() - 1)), ENDS[0])
    found, inside = values_in_pieces(x, scale, 0, (-128, 127), _rounding, mask=True, overwrite=False)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(inside.bool(), mask)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_gradient_stops_at_the_mask_whatever_it_is(in_place: bool) -> None:
    gradient, inside = _features(4, 20), torch.randint(0, 2, (4, 20), dtype=torch.uint8)
    expected = torch.where(inside.bool(), gradient, 0.0)
    found = gradient_in_pieces(gradient, inside, in_place=in_place)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert (found is gradient) is in_place


def test_what_has_gaps_is_left_to_whole_tensors() -> None:
    x = torch.randn(40, 6)[:, :3]
    given = torch.tensor([0.1]), -1, (-128, 127), _rounding
    assert values_in_pieces(x, *given, mask=False, overwrite=False) is None


def _trained(kind: type[nn.Module], activation: nn.Module) -> list[Tensor]:
    set_march("bayes")
    torch.manual_seed(2)
    fused = kind(nn.Conv2d(3, 4, 3), activation)
    fused.qconfig = default_qat_8bit_fake_quant_qconfig
    layer = getattr(qat, kind.__name__).from_float(fused).train()
    x = torch.randn(2, 3, 9, 9, requires_grad=True)
    found = []
    for _ in range(2):
        out = layer(x).dequantize()
        out.square().sum().backward()
        found += [out, x.grad.clone(), layer.weight.grad.clone(), layer.activation_post_process.scale.clone()]
    return found


@pytest.mark.parametrize(
    ("kind", "activation"), [(intrinsic.ConvReLU2d, nn.ReLU()), (intrinsic.ConvReLU62d, nn.ReLU6())]
)
def test_a_layer_with_an_activation_is_trained_as_compiled(kind: type[nn.Module], activation: nn.Module) -> None:
    compiled = _trained(kind, activation)
    with torch_operations_only():
        found = _trained(kind, activation)
    assert all(torch.equal(a, b) for a, b in zip(found, compiled, strict=True))
