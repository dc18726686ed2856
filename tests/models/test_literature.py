"""Models of the literature: float, calibration, a QAT step, integers; on other marches the operator that is missing."""

from dataclasses import dataclass

import pytest
import torch
from literature import (
    DeepLab,
    EfficientNetBlock,
    KeywordSpotter,
    Quantized,
    ShuffleNetBlock,
    SuperResolution,
    VisionTransformer,
)

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    convert_fx,
    default_calib_8bit_fake_quant_qconfig,
    default_qat_8bit_fake_quant_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

COSINE = 0.97  # of int8 models with random weights; a broken layer is far below


@dataclass(frozen=True)
class Case:
    """A model, the shape of its input, and what it lacks on the marches that do not support it."""

    model: type[Quantized]
    shape: tuple[int, ...]
    refused: dict[str, str]


BAYES_ONLY = ("bernoulli", "bernoulli2")
CASES = {
    "DeepLab": Case(DeepLab, (2, 3, 16, 16), {}),
    "ViT": Case(VisionTransformer, (2, 3, 16, 16), dict.fromkeys(BAYES_ONLY, "norm1|attention|linear|transpose")),
    "EfficientNet": Case(EfficientNetBlock, (2, 4, 8, 8), {}),
    "ShuffleNetV2": Case(ShuffleNetBlock, (2, 8, 8, 8), {}),
    "keyword spotter": Case(KeywordSpotter, (4, 4, 10), dict.fromkeys(BAYES_ONLY, "cell")),
    "super resolution": Case(SuperResolution, (2, 1, 8, 8), {}),
}
CELLS = [(name, march) for name in CASES for march in ("bernoulli", "bernoulli2", "bayes", "bayes-e")]


def trained(case: Case, march: str, x: torch.Tensor) -> tuple[torch.nn.Module, Quantized]:
    """The QAT model after calibration and one step, and the float model."""
    horizon.march.set_march(march)
    model = case.model().eval()
    calibration = prepare_qat_fx(model, {"": default_calib_8bit_fake_quant_qconfig}).eval()
    set_fake_quantize(calibration, FakeQuantState.CALIBRATION)
    calibration(x)
    qat = prepare_qat_fx(model, {"": default_qat_8bit_fake_quant_qconfig})
    qat.load_state_dict(calibration.state_dict())
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT)
    optimizer = torch.optim.SGD(qat.parameters(), lr=1e-4)
    qat(x).square().mean().backward()
    optimizer.step()
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION)
    return qat, model


@pytest.mark.parametrize(("name", "march"), CELLS)
def test_model(name: str, march: str) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    x = torch.randn(case.shape)
    if march in case.refused:
        with pytest.raises(NotImplementedError, match=rf"(?s)({case.refused[march]}).*{march}"):
            trained(case, march, x)
        return
    qat, model = trained(case, march, x)
    with torch.no_grad():
        integers, simulated, expected = convert_fx(qat)(x), qat(x), model(x)
    assert torch.nn.functional.cosine_similarity(integers.flatten(), simulated.flatten(), dim=0) > COSINE
    assert torch.nn.functional.cosine_similarity(integers.flatten(), expected.flatten(), dim=0) > COSINE
