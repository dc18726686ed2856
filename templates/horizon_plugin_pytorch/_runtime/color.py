# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/color.py
"""Colour conversion as mechanism: matrices come from the generated tables, rounding from the generated kernels.

In: images [N, 3, H, W]. Out: int32 images of the other space (forward), or quantized images (inverse), where a 3x3 matrix,
a normalization and a quantization are one requantized integer product.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..dtype import qint8
from ..kernels import common, load
from .march import require_march
from .qtensor import QTensor
from .support import require_cell
from .weights import per_channel

Row = tuple[float, float, float]
CHANNELS = 3


class ColorArgumentError(ValueError, AssertionError):
    """A swing that does not exist, or a mean or std of the wrong length."""


@dataclass(frozen=True, slots=True)
class Swing:
    """One range convention: rows of the forward matrix in 1/256 and of the inverse one, offsets, quantization scales."""

    forward: tuple[tuple[int, int, int], ...]
    forward_offset: tuple[int, int, int]
    inverse: tuple[Row, Row, Row]
    inverse_scale: Row
    inverse_offset: float


class InverseParameters(NamedTuple):
    """Integers of an inverse conversion."""

    weight: Tensor
    """int8 [3, 3], rows are output channels."""
    integers: Any
    """What the march's kernel derives: bias, multiplier, shifts, one an output channel."""
    scale: Tensor
    """float32 [1], the output's scale."""


def find_swing(swings: Mapping[str, Swing], name: str) -> Swing:
    """The swing of that name.

    Raises:
        ColorArgumentError: there is none; it is a ValueError and an AssertionError.
    """
    if name not in swings:
        msg = f"swing must be one of {', '.join(map(repr, swings))}, not {name!r}"
        raise ColorArgumentError(msg)
    return swings[name]


def forward(image: Tensor, swing: Swing, *, rows: Sequence[int], reverse: bool, centered: bool) -> Tensor:
    """Some rows of the forward matrix.

    Args:
        image: [N, 3, H, W], 0..255, any dtype; channels in the space's order, or reversed.
        swing: The matrix and its offsets.
        rows: Which output channels.
        reverse: Whether the channels come in reverse order.
        centered: Whether 128 is subtracted.

    Returns:
        int32 [N, len(rows), H, W].

    Raises:
        ColorArgumentError: the image has not three channels.
    """
    if image.dim() < CHANNELS or image.shape[1] != CHANNELS:
        msg = f"expected an image [N, 3, H, W], got {list(image.shape)}"
        raise ColorArgumentError(msg)
    x0, x1, x2 = (image.flip(1) if reverse else image).to(torch.float32).unbind(1)
    planes = []
    for row in rows:
        w0, w1, w2 = swing.forward[row]
        plane = common.color_forward(x0, x1, x2, w0=w0, w1=w1, w2=w2, offset=swing.forward_offset[row])
        planes.append(common.color_center(plane) if centered else plane)
    return torch.stack(planes, 1).to(torch.int32)


def inverse(
    image: QTensor,
    swing: Swing,
    *,
    reverse: bool,
    mean: Sequence[float] | Tensor,
    std: Sequence[float] | Tensor,
    q_scale: float | Tensor,
    op: str,
) -> QTensor:
    """The inverse conversion with normalization and quantization, in integers.

    Args:
        image: int8 QTensor [N, 3, H, W], whose integers are the centered values.
        swing: The matrix, its offset and its quantization scales.
        reverse: Whether output channels are wanted in reverse order.
        mean: One or three values, in the order of the output channels.
        std: One or three values, in the order of the output channels.
        q_scale: Scale of the output.
        op: The operator in the support matrix.

    Returns:
        int8 QTensor [N, 3, H, W] of scale `q_scale`.

    Raises:
        NotImplementedError: the march does not convert colours, or the input is not int8.
        ColorArgumentError: mean or std has neither one nor three values.
    """
    march = require_march(op)
    if not isinstance(image, QTensor) or not image.is_quantized:
        msg = f"{op} works on the integers of a converted model; insert it after the quant stub, after conversion"
        raise TypeError(msg)
    require_cell(op, march, str(image.dtype), "qint8", op)
    p = inverse_parameters(march, swing, reverse, _triple(mean, "mean"), _triple(std, "std"), float(q_scale))
    p = _on(image.device, p)
    x = image.int_repr().to(torch.int32)
    weight = p.weight.to(torch.int32)
    acc = sum(x[:, i : i + 1] * per_channel(weight[:, i], 2) for i in range(CHANNELS))
    return QTensor(load(march).weighted(acc, p.integers, output=qint8), p.scale, qint8)


@lru_cache(maxsize=64)
def inverse_parameters(
    march: str, swing: Swing, reverse: bool, mean: Row, std: Row, q_scale: float
) -> InverseParameters:
    """Derive the integers of an inverse conversion; mean and std in the order of the output channels."""
    kernels = load(march)
    order = slice(None, None, -1 if reverse else 1)
    deviation, scale = torch.tensor(std), torch.tensor([q_scale])
    weight = common.color_weight(torch.tensor(swing.inverse[order]), deviation[:, None])
    weight_scale = common.color_weight(torch.tensor(swing.inverse_scale[order]), deviation)
    bias = common.color_bias(torch.tensor(swing.inverse_offset), torch.tensor(mean), deviation)
    integers = kernels.derive_weighted(
        s_in=torch.ones(1),
        s_w=per_channel(weight_scale, 2),
        s_out=scale,
        b=per_channel(bias, 2),
        output=qint8,
    )
    return InverseParameters(kernels.quantize_weight(weight, weight_scale[:, None], output=qint8), integers, scale)


def _triple(values: Sequence[float] | Tensor, name: str) -> Row:
    """One or three values as three."""
    listed = torch.as_tensor(values, dtype=torch.float32).flatten().tolist()
    if len(listed) not in (1, CHANNELS):
        msg = f"{name} must have one or three values, not {len(listed)}"
        raise ColorArgumentError(msg)
    first, second, third = listed * CHANNELS if len(listed) == 1 else listed
    return first, second, third


def _on(device: torch.device, p: InverseParameters) -> InverseParameters:
    if p.scale.device == device:
        return p
    integers = type(p.integers)(*(t.to(device) for t in p.integers))
    return InverseParameters(p.weight.to(device), integers, p.scale.to(device))
