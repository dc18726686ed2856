# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/scale_findings.py
"""Scales that look wrong: of layers that saw no data, of dead layers, of operands that do not fit together.

In: a recorded run. Out: one sentence a finding. None of them stops a model from running, so they are advice.
"""

from collections.abc import Iterator

from torch import Tensor

from .._tools import TOOLS
from .layer_calls import LayerCall, Run
from .qtensor import QTensor


def scale_findings(run: Run) -> Iterator[str]:
    """What is odd about the scales of each layer; a layer that is called several times is told once."""
    told: set[str] = set()
    for call in run.calls:
        for text in (*_own(call), *_operands(call)):
            if text not in told:
                told.add(text)
                yield text


def _own(call: LayerCall) -> Iterator[str]:
    kept = [_scale(x).tolist() for x in call.inputs if isinstance(x, QTensor)]
    for output in call.outputs:
        if not isinstance(output, QTensor) or _scale(output).tolist() in kept:
            continue
        scale, where = _scale(output), f"{call.name} ({call.op})"
        if bool((scale == 1).all()):
            yield f"{where}: scale is 1, as before any calibration: run calibration or QAT, unless 1 is intended"
        elif bool((scale <= TOOLS.limits.tiny_scale).any()):
            yield f"{where}: scale is {scale.min().item():g}, so its output was 0 throughout calibration: check its data"


def _operands(call: LayerCall) -> Iterator[str]:
    scales = [_scale(x).max().item() for x in call.inputs if isinstance(x, QTensor)]
    if len(scales) > 1 and min(scales) > 0 and max(scales) / min(scales) >= TOOLS.limits.scales_apart:
        yield (
            f"{call.name} ({call.op}): scales of its inputs range from {min(scales):g} to {max(scales):g}, so the small "
            f"one is swallowed: bring them to similar ranges"
        )


def _scale(x: QTensor) -> Tensor:
    return x.q_scale().flatten()
