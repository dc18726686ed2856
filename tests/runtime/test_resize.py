"""Resizing and warping: converted modules against loops over Python integers, and what is refused.

The loops are written from the rules (numerics 8): floored steps, weights of 8 bits, replicated borders.
"""

from typing import Any

import pytest
import torch
from golden_support import current_march, f32
from torch import nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.nn import qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor

QCONFIG = horizon.qconfig.default_qat_8bit_fake_quant_qconfig
BITS = {"bernoulli": 8, "bernoulli2": 8, "bayes": 16}


def _taps(size_in: int, size_out: int, bits: int) -> list[tuple[int, int, int]]:
    """(first, second, weight) of every output element."""
    step = size_in * 2**bits // size_out
    offset = (step - 2**bits) // 2
    taps = []
    for i in range(size_out):
        p, fraction = divmod(offset + i * step, 2**bits)
        ends = [min(max(q, 0), size_in - 1) for q in (p, p + 1)]
        taps.append((ends[0], ends[1], fraction * 256 // 2**bits))
    return taps


def _slow(image: list[list[int]], size: tuple[int, int], march: str) -> list[list[int]]:
    rows, columns = _taps(len(image), size[0], BITS[march]), _taps(len(image[0]), size[1], BITS[march])
    out = []
    for r0, r1, fy in rows:
        line = []
        for c0, c1, fx in columns:
            top, bottom = (image[r][c0] * (256 - fx) + image[r][c1] * fx for r in (r0, r1))
            if march == "bayes":
                line.append((top * (256 - fy) + bottom * fy + 2**15) // 2**16)
            else:
                line.append((top // 256 * (256 - fy) + bottom // 256 * fy) // 256)
        out.append(line)
    return out


def _converted(march: str, float_module: Any) -> Any:
    float_module.qconfig = QCONFIG
    with current_march(march):
        qat_class = getattr(qat, type(float_module).__name__)
        return getattr(quantized, type(float_module).__name__).from_float(qat_class.from_float(float_module))


@pytest.mark.parametrize("march", BITS)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (13, 4), (40, 300)])
def test_bilinear_is_what_the_loops_give(march: str, size: tuple[int, int]) -> None:
    image = torch.randint(-128, 128, (1, 1, 5, 7), generator=torch.Generator().manual_seed(1), dtype=torch.int8)
    module = _converted(march, nn.Upsample(size=size, mode="bilinear"))
    out = module(QTensor(image, f32(0.5), qint8))
    assert out.int_repr()[0, 0].tolist() == _slow(image[0, 0].tolist(), size, march)
    assert out.q_scale() == 0.5


@pytest.mark.parametrize("march", BITS)
@pytest.mark.parametrize("ends", [(-128, -128), (127, 127), (-128, 127)])
def test_extremes_stay_in_the_dtype(march: str, ends: tuple[int, int]) -> None:
    image = torch.tensor([[ends]], dtype=torch.int8).reshape(1, 1, 1, 2)
    out = _converted(march, nn.Upsample(size=(3, 9), mode="bilinear"))(QTensor(image, f32(1.0), qint8)).int_repr()
    assert (int(out.min()), int(out.max())) == (min(ends), max(ends))


@pytest.mark.parametrize("align_corners", [True, False])
def test_one_pass_is_within_half_a_step_of_torch(align_corners: bool) -> None:
    x = torch.randint(-100, 101, (2, 3, 8, 6), generator=torch.Generator().manual_seed(2), dtype=torch.int8)
    module = _converted("bayes", horizon.nn.Interpolate((16, 11), mode="bilinear", align_corners=align_corners))
    expected = nn.functional.interpolate(x.float(), (16, 11), mode="bilinear", align_corners=align_corners)
    assert (module(QTensor(x, f32(1.0), qint8)).int_repr() - expected).abs().max() <= 0.5 + 2 * 200 / 256


@pytest.mark.parametrize("march", BITS)
def test_nearest_by_a_whole_factor_repeats(march: str) -> None:
    x = torch.arange(-60, 60, dtype=torch.int8).reshape(1, 1, 1, 120)
    out = _converted(march, nn.UpsamplingNearest2d(scale_factor=3))(QTensor(x, f32(1.0), qint8)).int_repr()
    assert torch.equal(out, x.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_another_nearest_factor_is_refused_where_the_march_repeats() -> None:
    module = _converted("bernoulli2", nn.Upsample(size=(3, 4)))
    with pytest.raises(NotImplementedError, match="whole factors only, not 2x2 to 3x4"):
        module(QTensor(torch.zeros(1, 1, 2, 2, dtype=torch.int8), f32(1.0), qint8))


@pytest.mark.parametrize(
    ("march", "module", "error", "match"),
    [
        ("bayes", nn.Upsample(scale_factor=2, mode="bicubic"), ValueError, "mode='bicubic'"),
        ("bayes", nn.Upsample(scale_factor=1.5), ValueError, "recompute_scale_factor=True"),
        ("bernoulli2", nn.Upsample(size=4, mode="bilinear", align_corners=True), NotImplementedError, "align_corners"),
        ("bernoulli2", nn.UpsamplingBilinear2d(size=4), NotImplementedError, "mode='bilinear'"),
    ],
)
def test_what_has_no_integer_form_is_refused(march: str, module: Any, error: type[Exception], match: str) -> None:
    module.qconfig = QCONFIG
    with current_march(march), pytest.raises(error, match=match):
        getattr(qat, type(module).__name__).from_float(module)
