# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/stubs.py
"""Stubs: modules that mark where float32 becomes integers and where integers become float32 again."""

from typing import Any

import torch
from torch import Tensor, nn

from .fake_quantize import FakeQuantize
from .observers import FixedScaleObserver
from .qat_module import QATModule
from .qconfig import QConfig
from .qtensor import QTensor
from .support import require_cell


class QuantStub(nn.Module):
    """Marks an input of the quantized region; in a float model it returns its input.

    Args:
        scale: None to observe it, or the fixed scale of the input (1/128 for images normalized to (-1, 1)).
        zero_point: Always 0; dtypes are symmetric.
        qconfig: The qconfig of this stub alone.

    Raises:
        ValueError: a scale that is not positive, or a zero point other than 0.
    """

    def __init__(self, scale: float | None = None, zero_point: int = 0, qconfig: QConfig | None = None) -> None:
        super().__init__()
        if scale is not None and not float(scale) > 0:
            msg = f"QuantStub: scale must be positive, not {scale}"
            raise ValueError(msg)
        if zero_point != 0:
            msg = f"QuantStub: zero_point must be 0 (dtypes are symmetric), not {zero_point}"
            raise ValueError(msg)
        self.scale = None if scale is None else float(scale)
        self.zero_point = zero_point
        if qconfig is not None:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        """Return the input."""
        return x

    def extra_repr(self) -> str:
        """The fixed scale, if any."""
        return "" if self.scale is None else f"scale={self.scale}"


class QATQuantStub(QATModule):
    """Fake-quantizes its input, with the observed or with a fixed scale."""

    def _set_up(self) -> None:
        if self.qconfig.activation is None:
            msg = "QuantStub: its qconfig must have an activation quantizer"
            raise ValueError(msg)
        fake_quant = self._activation_fake_quant()
        assert isinstance(fake_quant, FakeQuantize)
        fixed = getattr(self, "scale", None)
        if fixed is not None:
            fake_quant = FakeQuantize(observer=FixedScaleObserver, scale=fixed, dtype=fake_quant.dtype)
        require_cell(self._OP, self.march, "float32", str(fake_quant.dtype), type(self).__name__)
        self.activation_post_process = fake_quant

    def forward(self, x: Tensor) -> Tensor:
        """float32 in, QTensor out; a QTensor passes, and the stub takes over its scale."""
        if not isinstance(x, QTensor):
            return self._finish(x)
        self._follow(x)
        return x

    def _follow(self, x: QTensor) -> None:
        """Between two parts of a model the stub gets the scale of the first, so that the second can be deployed alone."""
        fake_quant: Any = self.activation_post_process
        if not fake_quant._is_fixed and x.dtype == fake_quant.dtype and x.per_channel_axis < 0:
            with torch.no_grad():
                fake_quant.scale.copy_(x.q_scale())


class QATDeQuantStub(QATModule):
    """Returns the float32 values of a QTensor."""

    def _set_up(self) -> None:
        """Nothing to observe."""

    def forward(self, x: Any) -> Any:
        """QTensor in, float32 out; a float tensor passes."""
        return x.dequantize() if isinstance(x, QTensor) else x
