"""Resizing as compiled loops: the integers of the march's kernels, for every factor, layout and number of threads."""

import shutil
from typing import Any

import pytest
import torch
from test_kernel_plans import converted
from torch import Tensor, nn

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime.resize import _Plan
from horizon_plugin_pytorch.quantization import QuantStub, by_definition

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
IMAGES = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))


class Resized(nn.Module):
    def __init__(self, **how: Any) -> None:
        super().__init__()
        self.quant, self.how = QuantStub(), how

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.quant(x), **self.how)


def check(march: str, monkeypatch: pytest.MonkeyPatch, x: Tensor = IMAGES, **how: Any) -> str:
    """That the compiled loop alone computes, and gives the bits of the definition; its plan."""
    model = converted(Resized(**how), march, x, fast_mode=True)
    with by_definition():
        expected = model(2 * x).int_repr()
    monkeypatch.setattr(_Plan, "integers", None)
    assert expected.unique().numel() > 5
    assert torch.equal(model(2 * x).int_repr(), expected)
    return str(model.kernel_plan())


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("factor", [2, 3])
def test_nearest(march: str, factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "elements are copied" in check(march, monkeypatch, scale_factor=factor, mode="nearest")


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("size", [(12, 14), (13, 5), (1, 1), (6, 7), (3, 40)])
def test_bilinear(march: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "blended in int32" in check(march, monkeypatch, size=size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("channels", [1, 3, 33])
def test_layouts_and_threads(mode: str, threads: int, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, channels, 6, 7).contiguous(memory_format=torch.channels_last)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        check("bayes", monkeypatch, x, scale_factor=2, mode=mode)
    finally:
        torch.set_num_threads(before)
