# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/deploy.py
"""Deployment on images as the BPU's pyramid delivers them: a model that was trained on RGB is fed centered YUV444.

In: a converted model that takes RGB, and photos. Out: the same model with a colour conversion in integers behind its
QuantStub, and how far its results are from those of the RGB-fed model.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from .._runtime.graph_module import QuantizedGraphModule
from .._support import SUPPORT
from ..dtype import qint8
from ..functional import centered_yuv2rgb, rgb2centered_yuv
from ..qtensor import QTensor
from .data import MEAN, STD, Batch, denormalize, normalize
from .flow import predict
from .layers import cosine, record
from .model import STUB

SWING = "full"
"""What the BPU's image pyramid delivers; the functions' default is another."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """YUV-fed against RGB-fed integers of one model.

    Attributes:
        accuracy: share of pixels that the YUV-fed model gets right.
        same: share of pixels for which both name the same photo.
        input_steps: mean difference of what the first layer is given, in steps of its scale.
        feature_steps: mean difference of what the last layer is given, in steps of its scale.
        similarity: cosine of the logits.
    """

    accuracy: float
    same: float
    input_steps: float
    feature_steps: float
    similarity: float


def refusal(march: str) -> str | None:
    """Why a march cannot convert colours inside a model; None when it can."""
    cell = SUPPORT[centered_yuv2rgb.__name__, march][str(qint8)]
    return cell if isinstance(cell, str) else None


def to_yuv(images: Tensor) -> Tensor:
    """RGB of 0..255 [N, 3, H, W] as centered YUV444 of full swing, -128..127; float32, whole numbers."""
    return rgb2centered_yuv(images, swing=SWING).to(torch.float32)


def stub_scale(quantized: fx.GraphModule) -> Tensor:
    """The scale of the QuantStub of a converted model: the buffer itself."""
    scale = quantized.get_submodule(STUB).scale
    assert isinstance(scale, Tensor)
    return scale


def with_conversion(quantized: QuantizedGraphModule) -> QuantizedGraphModule:
    """A copy of a converted model with the colour conversion behind its QuantStub, whose scale becomes 1."""
    deployed = copy.deepcopy(quantized)
    settings: dict[str, Any] = {"swing": SWING, "mean": MEAN, "std": STD, "q_scale": float(stub_scale(quantized))}
    for node in deployed.graph.nodes:
        if node.target == STUB:
            with deployed.graph.inserting_after(node):
                converted = deployed.graph.call_function(centered_yuv2rgb, (node,), settings)
            node.replace_all_uses_with(converted)
            converted.args = (node,)
    stub_scale(deployed).fill_(1.0)
    deployed.recompile()
    assert isinstance(deployed, QuantizedGraphModule)
    return deployed


def agreement(quantized: QuantizedGraphModule, deployed: QuantizedGraphModule, batch: Batch) -> Agreement:
    """Compare the model on RGB with the deployed one on YUV; the mosaics are the same."""
    rgb, yuv = normalize(batch.images), to_yuv(batch.images)
    named = predict(deployed, yuv)
    expected, given = record(quantized, rgb), record(deployed, yuv)
    *_, features, _, logits = expected  # the last layer and what turns its integers into float32
    with torch.no_grad():
        first = _converted(batch.images, stub_scale(quantized))
    return Agreement(
        accuracy=_share(named, batch.labels),
        same=_share(named, predict(quantized, rgb)),
        input_steps=_steps(expected[STUB].value, first),
        feature_steps=_steps(expected[features].value, given[features].value),
        similarity=cosine(expected[logits].values, given[logits].values),
    )


def round_trip(quantized: QuantizedGraphModule, photo: Tensor) -> Tensor:
    """A photo [3, H, W] to YUV, back to RGB by the integers of the march, and denormalized to 0..255."""
    with torch.no_grad():
        rgb = _converted(photo[None], stub_scale(quantized)).dequantize()
    return denormalize(rgb)[0]


def _converted(images: Tensor, scale: Tensor) -> QTensor:
    """What the layer behind the conversion is given: quantized, normalized RGB."""
    yuv = QTensor(to_yuv(images).to(torch.int8), torch.ones(1), qint8)
    return centered_yuv2rgb(yuv, swing=SWING, mean=MEAN, std=STD, q_scale=scale)


def _steps(expected: Tensor, given: Tensor) -> float:
    assert isinstance(expected, QTensor)
    assert isinstance(given, QTensor)
    difference = expected.int_repr().to(torch.float64) - given.int_repr().to(torch.float64)
    return float(difference.abs().mean())


def _share(x: Tensor, y: Tensor) -> float:
    return float((x == y).to(torch.float32).mean())
