# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/color_module.py
"""Colour conversion as a module, before the QuantStub."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from .host import HostModule


class ColorConversion(HostModule):
    """The conversion function of an image, chosen by the order of its channels.

    Args:
        channel_reversal: whether the image has its channels in the other order.
    """

    _IN_ORDER: ClassVar[Any]
    _REVERSED: ClassVar[Any]

    def __init__(self, channel_reversal: bool = False) -> None:
        super().__init__()
        self.channel_reversal = channel_reversal

    def forward(self, input: Tensor) -> Tensor:
        """[N, 3, H, W] of 0 .. 255 to the other space, in the dtype of the image, float32 for integers."""
        convert = self._REVERSED if self.channel_reversal else self._IN_ORDER
        converted: Tensor = convert(input)
        return converted.to(input.dtype if input.is_floating_point() else torch.float32)

    def extra_repr(self) -> str:
        """The order of the channels."""
        return f"channel_reversal={self.channel_reversal}"
