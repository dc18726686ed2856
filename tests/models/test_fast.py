"""Models of the literature in fast mode: the integers of the definition, from kernels that are compiled."""

import shutil
from typing import Any

import pytest
import torch
from literature import EfficientNetBlock, Quantized, VisionTransformer
from torch import Tensor

from horizon_plugin_pytorch._runtime import compiled_kernels
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    by_definition,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
IMAGES = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def fast(make: type[Quantized], x: Tensor) -> Any:
    set_march("bayes")
    prepared = prepare_qat_fx(make().eval(), {"": get_default_qconfig()}).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    prepared(x)
    set_fake_quantize(prepared.eval(), FakeQuantState.VALIDATION)
    return convert_fx(prepared, fast_mode=True)


def check(model: Any, x: Tensor) -> None:
    with by_definition():
        expected = model(x)
    assert expected.unique().numel() > 5
    assert torch.equal(model(x), expected)


@needs_compiler
def test_squeeze_and_excitation() -> None:
    model = fast(EfficientNetBlock, IMAGES)
    check(model, 3 * IMAGES)
    plan = str(model.kernel_plan())
    assert "mul: compiled" in plan
    assert "256 entries" in plan


@needs_compiler
def test_attention() -> None:
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    model = fast(VisionTransformer, x)
    check(model, 2 * x)
    assert "segment_lookup: compiled" in str(model.kernel_plan())


def test_recorders_see_torch_operations() -> None:
    model = fast(EfficientNetBlock, IMAGES)
    traced = torch.jit.trace(model, IMAGES, check_trace=False)
    assert torch.equal(traced(2 * IMAGES), model(2 * IMAGES))


def test_without_a_compiler_torch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_kernels, "compiled", lambda _: None)
    monkeypatch.setattr(compiled_kernels.ByteTable, "of", lambda _: None)
    model = fast(EfficientNetBlock, IMAGES)
    check(model, IMAGES)
    assert "256 entries" not in str(model.kernel_plan())
    assert "mul: compiled" not in str(model.kernel_plan())
