# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/calibrate.py
"""`calibrate`: show a prepared model the data that its scales are observed from.

In: a model for calibration and batches. Out: the same model, its observers full, ready for validation.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import nn

from .check_model import as_inputs
from .fake_quant_state import FakeQuantState, set_fake_quantize
from .progress import progress

M = TypeVar("M", bound=nn.Module)


def calibrate(model: M, batches: Iterable[Any], validate: bool = True) -> M:
    """Run every batch in the state CALIBRATION, with a progress bar on a terminal.

    Args:
        model: what `prepare_qat_fx` returned; it is put into eval mode.
        batches: each a tensor, or a tuple or list of the arguments of forward.
        validate: leave the model in the state VALIDATION.

    Returns:
        The model itself.
    """
    model.eval()
    set_fake_quantize(model, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        for batch in progress(batches, "calibration"):
            model(*as_inputs(batch))
    if validate:
        set_fake_quantize(model, FakeQuantState.VALIDATION)
    return model
