# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/kept_weights.py
"""What a fake quantizer made of a weight, as long as nothing changes: evaluation quantizes each weight once, not once a batch.

In: a fake quantizer and its weight, where nothing is trained. Out: its values; those of before, in the same memory, where the
weight, the quantizer's buffers and its settings are as they were. Torch counts writes to a tensor, but not those through
`.data`, so a sample of the weight is compared, too. A write through `.data` that misses the sample is seen after the next
`train()`, `eval()` or `set_fake_quantize`, which forget everything. Nothing is kept in the module, so no state or copy has it.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .passes import compiled_code_is_off
from .recording import is_recorded
from .straight_through import is_marked

_Marks = tuple[object, ...]
_SAMPLES = 32


@dataclass(frozen=True, slots=True)
class _Kept:
    """Values, and what shows whether they still hold; `sources` keep their addresses from being given to others."""

    marks: _Marks
    sources: tuple[Tensor, ...]
    values: Tensor
    version: int


_KEPT: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()


def kept_values(fake_quant: Any, weight: Tensor) -> Tensor:
    """`fake_quant.values(weight)`, from before where that is the same."""
    trained = weight.requires_grad and torch.is_grad_enabled()
    if trained or not weight.is_cpu or weight.is_inference() or is_recorded() or is_marked():
        values: Tensor = fake_quant.values(weight)
        return values
    marks, known = _marks(fake_quant, weight), _KEPT.get(fake_quant)
    if known is not None and known.marks == marks and known.values._version == known.version:
        return known.values
    with torch.inference_mode(False), torch.no_grad():  # they outlive the caller's mode
        values = fake_quant.values(weight)
    if marks == _marks(fake_quant, weight):  # nothing was observed, or nothing that moved the range
        _KEPT[fake_quant] = _Kept(marks, (weight.detach(), *_held(fake_quant)), values, values._version)
    return values


def forget(fake_quant: nn.Module) -> None:
    """Keep nothing of a fake quantizer."""
    _KEPT.pop(fake_quant, None)


def _marks(fake_quant: Any, weight: Tensor) -> _Marks:
    """What the values depend on: memory, how often it was written to, a sample of the weight, settings."""
    observer = fake_quant._modules["activation_post_process"]
    scale, quantizes, observes, lowest, highest = _held(fake_quant)
    settings = fake_quant.march, fake_quant.rounded_as, fake_quant.saturate, fake_quant.training, fake_quant.frozen
    grid = observer.quant_min, observer.quant_max, observer.ch_axis, observer.averaging_constant
    memory = id(scale), id(quantizes), id(observes), id(lowest), id(highest), weight.data_ptr()
    writes = scale._version, quantizes._version, observes._version, lowest._version, highest._version, weight._version
    return settings, grid, memory, writes, compiled_code_is_off(), _sample(weight)


def _held(fake_quant: Any) -> tuple[Tensor, ...]:
    own, ranges = fake_quant._buffers, fake_quant._modules["activation_post_process"]._buffers
    switches = own["fake_quant_enabled"], own["observer_enabled"]
    return own["scale"], *switches, ranges["min_val"], ranges["max_val"]


def _sample(weight: Tensor) -> list[float]:
    if not weight.is_contiguous():
        return [weight.sum().item()]
    count = min(weight.numel(), _SAMPLES)
    values: list[float] = weight.as_strided((count,), (weight.numel() // max(count, 1),)).tolist()
    return values
