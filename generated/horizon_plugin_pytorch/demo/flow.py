# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/flow.py
"""The documented flow for one march: prepare, calibrate, train quantized, convert; and how accurate each stage is.

In: a trained float model and mosaics. Out: every stage of the model and the share of pixels that it gets right.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from .. import quantization
from .._runtime.graph_module import QuantizedGraphModule
from ..march import set_march
from ..quantization import (
    FakeQuantState,
    convert_fx,
    default_calib_8bit_fake_quant_qconfig,
    default_qat_8bit_fake_quant_qconfig,
    default_qat_8bit_weight_32bit_out_fake_quant_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from .data import Batch, Mosaics, normalize
from .model import OUTPUT, Net

SIZE = 32
"""Height and width of the mosaics for training and validation."""

FLOAT_RATE = 6e-3
QAT_RATE = 2e-4


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is done: numbers of batches, and of mosaics in a batch."""

    training: int = 150
    calibration: int = 8
    qat: int = 10
    batch: int = 32
    validation: int = 128


@dataclass(frozen=True, slots=True)
class Stages:
    """One march's models, and the share of pixels that each gets right."""

    march: str
    calibrated: fx.GraphModule
    qat: fx.GraphModule
    quantized: QuantizedGraphModule
    accuracy: dict[str, float]


def train_float(data: Mosaics, budget: Budget) -> Net:
    """Train the network in float32; returned in eval mode."""
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=FLOAT_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, FLOAT_RATE, total_steps=budget.training)
    for _ in range(budget.training):
        _step(model, optimizer, data.batch(budget.batch, SIZE))
        schedule.step()
    return model.eval()


def calibrate(model: nn.Module, batches: Iterable[Batch]) -> fx.GraphModule:
    """Prepare for calibration, let the observers see some batches, correct biases; returned ready for validation."""
    prepared = prepare_qat_fx(model, _rules(default_calib_8bit_fake_quant_qconfig))
    return quantization.calibrate(prepared, (normalize(batch.images) for batch in batches))


def train_quantized(model: nn.Module, calibrated: nn.Module, batches: Iterable[Batch]) -> fx.GraphModule:
    """Prepare for QAT, start from the calibrated scales, make a step for each batch; returned ready for validation."""
    qat = prepare_qat_fx(model, _rules(default_qat_8bit_fake_quant_qconfig))
    qat.load_state_dict(calibrated.state_dict())
    qat.train()
    set_fake_quantize(qat, FakeQuantState.QAT)
    optimizer = torch.optim.AdamW(qat.parameters(), lr=QAT_RATE)
    for batch in batches:
        _step(qat, optimizer, batch)
    qat.eval()
    set_fake_quantize(qat, FakeQuantState.VALIDATION)
    return qat


def run_march(model: nn.Module, march: str, training: list[Batch], validation: Batch, budget: Budget) -> Stages:
    """All stages for one march.

    Raises:
        NotImplementedError: the march does not support an operator of the network.
    """
    set_march(march)
    calibrated = calibrate(model, training[: budget.calibration])
    qat = train_quantized(model, calibrated, training[: budget.qat])
    quantized = convert_fx(qat)
    stages = {"calibrated": calibrated, "QAT": qat, "integers": quantized}
    accuracy = {name: share_right(stage, validation) for name, stage in stages.items()}
    return Stages(march, calibrated, qat, quantized, accuracy)


def share_right(model: nn.Module, batch: Batch) -> float:
    """The share of pixels whose photo the model names."""
    return float((predict(model, normalize(batch.images)) == batch.labels).to(torch.float32).mean())


def predict(model: nn.Module, inputs: Tensor) -> Tensor:
    """The photo that the model names for each pixel, int64 [N, H, W]; `inputs` [N, 3, H, W] is what the model takes."""
    with torch.no_grad():
        labels: Tensor = model(inputs).argmax(1)
    return labels


def _rules(preset: object) -> dict[str, object]:
    return {"": preset, "module_name": {OUTPUT: default_qat_8bit_weight_32bit_out_fake_quant_qconfig}}


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(nn.functional.cross_entropy(model(normalize(batch.images)), batch.labels))
    optimizer.step()
