"""The documented flow for a model with any inputs and outputs: float, calibration, a QAT step, integers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    convert_fx,
    default_calib_8bit_fake_quant_qconfig,
    default_calib_8bit_weight_32bit_out_fake_quant_qconfig,
    default_qat_8bit_fake_quant_qconfig,
    default_qat_8bit_weight_32bit_out_fake_quant_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

Batch = tuple[Any, ...]


def prepared(model: nn.Module, march: str, wide: tuple[str, ...], *, calibrate: bool) -> nn.Module:
    """The model with the calibration or the QAT presets; the layers named in `wide` give int32."""
    set_march(march)
    usual, last = (
        (default_calib_8bit_fake_quant_qconfig, default_calib_8bit_weight_32bit_out_fake_quant_qconfig)
        if calibrate
        else (default_qat_8bit_fake_quant_qconfig, default_qat_8bit_weight_32bit_out_fake_quant_qconfig)
    )
    return prepare_qat_fx(model, {"": usual, "module_name": dict.fromkeys(wide, last)})


def deployed(
    model: nn.Module, march: str, batches: list[Batch], wide: tuple[str, ...], loss: Callable[[Any], Tensor]
) -> tuple[nn.Module, nn.Module]:
    """(the QAT model after a step a batch, the converted model), both for inference."""
    calibration = prepared(model, march, wide, calibrate=True).eval()
    set_fake_quantize(calibration, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        for batch in batches:
            calibration(*batch)
    qat = prepared(model, march, wide, calibrate=False)
    qat.load_state_dict(calibration.state_dict())
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT)
    optimizer = torch.optim.SGD(qat.parameters(), lr=1e-3)
    before = {name: p.detach().clone() for name, p in qat.named_parameters()}
    for batch in batches:
        optimizer.zero_grad()
        loss(qat(*batch)).backward()
        optimizer.step()
    assert any(not torch.equal(p, before[name]) for name, p in qat.named_parameters())
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION)
    return qat, convert_fx(qat)


def squares(found: Any) -> Tensor:
    """A loss over a tensor, or over lists of tensors."""
    tensors = [found] if isinstance(found, Tensor) else [x for part in found for x in part]
    return torch.stack([x.square().mean() for x in tensors]).sum()


def cosine(a: Tensor, b: Tensor) -> float:
    """Cosine similarity of all elements."""
    return float(torch.nn.functional.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0))


def computes_in_integers(converted: nn.Module) -> bool:
    """Whether no layer with a float weight is left."""
    weights = [m.weight for m in converted.modules() if isinstance(getattr(m, "weight", None), Tensor)]
    return bool(weights) and all(not weight.is_floating_point() for weight in weights)
