"""Correlation of feature maps against loops over plain integers, written from numerics 6.8."""

import math
from typing import Any

import pytest
import torch
from golden_support import current_march, f32

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.nn import qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor

QCONFIG = horizon.qconfig.default_qat_8bit_fake_quant_qconfig
S_X, S_Y, S_OUT = 0.25, 0.5, 0.125


def _converted(march: str, observed: float, **settings: int) -> Any:
    with current_march(march):
        module: Any = horizon.nn.Correlation(**settings)
        module.qconfig = QCONFIG
        simulated = qat.Correlation.from_float(module)
    simulated.activation_post_process.set_qparams(torch.tensor(S_OUT))
    if simulated.inter_post_process is not None:
        simulated.inter_post_process.set_qparams(torch.tensor(observed))
    return quantized.Correlation.from_float(simulated)


def _requantized(total: int, ratio: float) -> int:
    """numerics 3: 15 bits of the ratio, both shifts of an int32 that becomes int8."""
    mantissa, exponent = math.frexp(ratio)
    multiplier, shift = math.floor(mantissa * 32768 + 0.5), 15 - exponent
    pre = min(max(shift - 22, 0), 17)
    narrow = max(-32768, min(32767, total >> pre))
    post = shift - pre
    return max(-128, min(127, (narrow * multiplier + (1 << post >> 1)) >> post))


def _slow(x: list[Any], y: list[Any], n: int, **given: int) -> list[Any]:
    """Maps [C][H][W] as lists; n: shift of the channel sums."""
    k, limit, s1, s2, pad = (
        given.get(name, usual)
        for name, usual in (
            ("kernel_size", 1),
            ("max_displacement", 1),
            ("stride1", 1),
            ("stride2", 1),
            ("pad_size", 0),
        )
    )
    channels, height, width = len(x), len(x[0]), len(x[0][0])

    def at(maps: list[Any], c: int, i: int, j: int) -> int:
        i, j = i - pad, j - pad
        return maps[c][i][j] if 0 <= i < height and 0 <= j < width else 0

    def inter(i: int, j: int, di: int, dj: int) -> int:
        total = sum(at(x, c, i, j) * at(y, c, i + di, j + dj) for c in range(channels))
        return total if k == 1 else max(-32768, min(32767, total >> n))

    n = n if k > 1 else 0
    ratio = float(f32(S_X * S_Y * 2**n) / (channels * k * k) / S_OUT)
    border, radius = (k - 1) // 2 + limit, limit // s2
    rows, columns = (math.ceil((size + 2 * pad - 2 * border) / s1) for size in (height, width))
    return [
        [
            [
                _requantized(
                    sum(
                        inter(i * s1 + limit + a, j * s1 + limit + b, dy * s2, dx * s2)
                        for a in range(k)
                        for b in range(k)
                    ),
                    ratio,
                )
                for j in range(columns)
            ]
            for i in range(rows)
        ]
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
    ]


def _run(module: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    return module(QTensor(x, torch.tensor(S_X), qint8), QTensor(y, torch.tensor(S_Y), qint8)).int_repr()


SETTINGS: list[dict[str, int]] = [
    {},
    {"max_displacement": 2, "stride1": 2, "stride2": 2, "pad_size": 2},
    {"max_displacement": 3, "stride2": 2, "pad_size": 3},
    {"kernel_size": 3},
    {"kernel_size": 3, "max_displacement": 2, "stride1": 2, "stride2": 2, "pad_size": 3},
]


@pytest.mark.parametrize("march", ["bayes", "bayes-e"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_integers_are_what_the_loops_give(march: str, settings: dict[str, int]) -> None:
    generator = torch.Generator().manual_seed(2)
    x, y = (torch.randint(-9, 10, (1, 3, 6, 5), generator=generator, dtype=torch.int8) for _ in range(2))
    out = _run(_converted(march, S_X * S_Y * 4, **settings), x, y)
    assert out[0].tolist() == _slow(x[0].tolist(), y[0].tolist(), 2, **settings)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("value", [-128, 127])
def test_extremes_saturate_as_the_loops_do(kernel_size: int, value: int) -> None:
    x, y = torch.full((1, 8, 5, 5), -128, dtype=torch.int8), torch.full((1, 8, 5, 5), value, dtype=torch.int8)
    out = _run(_converted("bayes", S_X * S_Y, kernel_size=kernel_size), x, y)
    assert out[0].tolist() == _slow(x[0].tolist(), y[0].tolist(), 0, kernel_size=kernel_size)


def test_channel_sums_are_held_in_16_bits() -> None:
    x = torch.full((1, 4, 5, 5), 127, dtype=torch.int8)
    module = _converted("bayes", S_X * S_Y, kernel_size=3)
    module.scale = torch.tensor(16.0)
    assert _run(module, x, x).unique().tolist() == [64]  # 9 * 32767 / 36 / 128, not 127 * 127 / 128 = 126


def test_ties_go_up() -> None:
    x = torch.tensor([1, -1, 3, -3], dtype=torch.int8).reshape(1, 1, 1, 4)
    module = _converted("bayes", 1.0, max_displacement=0)
    module.scale = torch.tensor(0.25)
    assert _run(module, x, torch.ones_like(x)).flatten().tolist() == [1, 0, 2, -1]


def test_float_value_is_the_mean_product() -> None:
    x = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    out = horizon.nn.Correlation(kernel_size=3, max_displacement=1, pad_size=2)(x, x)
    padded = torch.nn.functional.pad(x, [1] * 4)
    expected = torch.nn.functional.avg_pool2d((padded * padded).mean(1), 3, 1)
    assert out.shape == (2, 9, 5, 6)
    torch.testing.assert_close(out[:, 4], expected)


@pytest.mark.parametrize("argument", [{"kernel_size": 2}, {"is_multiply": False}, {"stride1": 0}, {"pad_size": -1}])
def test_bad_arguments_are_named(argument: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(argument))):
        horizon.nn.Correlation(**argument)


def test_maps_without_room_for_a_patch_are_refused() -> None:
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="pad_size"):
        horizon.nn.Correlation(max_displacement=2)(x, x)


@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2"])
def test_other_marches_refuse(march: str) -> None:
    with pytest.raises(NotImplementedError, match=march):
        _converted(march, 1.0)
