"""Affine grids: the float module is torch's function, integers are those of a loop over Python integers."""

import math
from typing import Any

import pytest
import torch
from golden_support import current_march, f32
from torch import nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.nn import qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor

QCONFIG = horizon.qconfig.default_qat_8bit_fake_quant_qconfig
SCALE = f32(2 / 32767)


def _float(align_corners: bool = True) -> Any:
    module: Any = horizon.nn.BaseGridGenerator((3, 4), align_corners)
    module.qconfig = QCONFIG
    return module


def _converted(align_corners: bool) -> Any:
    with current_march("bayes"):
        return quantized.BaseGridGenerator.from_float(qat.BaseGridGenerator.from_float(_float(align_corners)))


@pytest.mark.parametrize("align_corners", [True, False])
def test_the_float_module_is_the_function(align_corners: bool) -> None:
    theta = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(1))
    expected = nn.functional.affine_grid(theta, [2, 1, 3, 4], align_corners)
    assert torch.equal(_float(align_corners)(theta), expected)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("dtype", "scale", "steps"), [(qint8, 1 / 128, 3), (qint16, 1 / 32768, 6)])
def test_integers_are_near_the_function(align_corners: bool, dtype: Any, scale: float, steps: int) -> None:
    limits = (-100, 100) if dtype is qint8 else (-20000, 20000)
    integers = torch.randint(*limits, (2, 2, 3), generator=torch.Generator().manual_seed(2)).to(dtype.storage)
    out = _converted(align_corners)(QTensor(integers, f32(scale), dtype))
    expected = nn.functional.affine_grid(integers * scale, [2, 1, 3, 4], align_corners)
    assert out.q_scale().item() == SCALE.item()
    assert out.dtype is qint16
    assert ((out.int_repr() - expected / SCALE).abs() <= steps).all()


def _requantized(total: int, ratio: float) -> int:
    """A sum in steps that are `ratio` times as large (numerics 3): 15 bits of the ratio, 16 of the sum."""
    mantissa, exponent = math.frexp(ratio)
    shift = 15 - exponent
    before = max(shift - 14, 0)
    kept = max(-32768, min(total >> before, 32767))
    product, after = kept * math.floor(mantissa * 2**15 + 0.5), shift - before
    return max(-32768, min((product + 2 ** (after - 1)) >> after, 32767))


def test_integers_are_those_of_the_loops() -> None:
    """Places -1, -1/3, 1/3, 1 of 16 bits are degraded by the root of 3 / 2, then multiplied (numerics 6.5, 9)."""
    theta = [[64, 3, -7], [-128, 127, 32]]
    x = QTensor(torch.tensor([theta], dtype=torch.int8), f32(1 / 128), qint8)
    root = float(f32(1.5) ** 0.5)
    columns, rows, one = ([_requantized(v, 1 / root) for v in line] for line in (
        (-32767, -10922, 10922, 32767), (-32767, 0, 32767), (32767,)
    ))  # fmt: skip
    expected = [
        [[_requantized(a * x + b * y + c * one[0], root / 128 / 2) for a, b, c in theta] for x in columns] for y in rows
    ]
    assert _converted(True)(x).int_repr()[0].tolist() == expected


def test_what_reaches_beyond_two_saturates() -> None:
    theta = torch.full((1, 2, 3), 127, dtype=torch.int8)
    out = _converted(True)(QTensor(theta, f32(1.0), qint8)).int_repr()
    assert (int(out.min()), int(out.max())) == (-32768, 32767)


def test_the_function_of_a_qtensor_is_the_module() -> None:
    theta = QTensor(torch.tensor([[[64, 3, 0], [0, 64, 32]]], dtype=torch.int8), f32(1 / 128), qint8)
    with current_march("bayes"):
        out = nn.functional.affine_grid(theta, [1, 5, 3, 4], align_corners=True)
    assert torch.equal(out.int_repr(), _converted(True)(theta).int_repr())


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_other_marches_refuse(march: str) -> None:
    with current_march(march), pytest.raises(NotImplementedError, match="outside of the model"):
        qat.BaseGridGenerator.from_float(_float())


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"size must be \(h, w\)"):
        horizon.nn.BaseGridGenerator((3, 4, 5))
