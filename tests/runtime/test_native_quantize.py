"""Compiled quantization: the integers of the march's kernel, for every float and every layout."""

import shutil

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime.native_quantize import quantized
from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.kernels import load

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
SCALE = torch.tensor([0.03125])
NUMBERS = [0.0, -0.0, 1e-45, 3e38, -3e38, float("inf"), float("-inf"), float("nan"), 2.0**24 * SCALE.item()]


def values(*shape: int) -> Tensor:
    """Many ties, halves of a step from them, saturated ones, and what is no number."""
    x = torch.randint(-600, 600, shape) * (SCALE / 2) + torch.randint(-1, 2, shape) * 1e-8
    x.view(-1)[: len(NUMBERS)] = torch.tensor(NUMBERS)[: x.numel()]
    return x


def check(x: Tensor, march: str = "bayes", dtype: object = qint8) -> Tensor:
    made = quantized(x, SCALE, dtype, march)
    assert made is not None
    assert torch.equal(made, load(march).quantize_activation(x, SCALE, output=dtype))
    return made


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("dtype", [qint8, qint16], ids=str)
def test_integers_are_the_kernel_s(march: str, dtype: object) -> None:
    check(values(4, 3, 20, 30), march, dtype)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 1, 7), (1, 16, 30, 40), (2, 17, 5, 5), (3, 1, 600), (700,), ()])
def test_every_shape(shape: tuple[int, ...]) -> None:
    check(values(*shape))


def test_images_of_few_channels_come_out_channels_last() -> None:
    for x in (values(2, 3, 9, 8), values(2, 3, 9, 8).contiguous(memory_format=torch.channels_last)):
        assert check(x).is_contiguous(memory_format=torch.channels_last)


def test_what_it_is_not_for_is_left_to_torch() -> None:
    x = values(2, 3, 4, 4)
    assert quantized(x.double(), SCALE, qint8, "bayes") is None
    assert quantized(x[:, :, ::2], SCALE, qint8, "bayes") is None
    assert quantized(x, SCALE.expand(3), qint8, "bayes") is None
    assert quantized(x[:0], SCALE, qint8, "bayes") is None
