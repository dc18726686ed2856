# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/constant.py
"""Parameters that are operands: fake-quantized while they are trained, integers once they are converted.

In: a parameter of a composite. Out: a QTensor of it. The range is that of the parameter itself, which is known exactly,
so the observer takes the last one it saw.
"""

from typing import Any, Self

from torch import Tensor, nn

from .dtype import QuantDType
from .fake_quantize import FakeQuantize
from .observers import MinMaxObserver
from .qtensor import QTensor
from .quantized_module import Scaled


class QATConstant(nn.Module):
    """Fake-quantizes a parameter.

    Args:
        dtype: of its integers.
    """

    def __init__(self, dtype: str) -> None:
        super().__init__()
        self.activation_post_process = FakeQuantize(observer=MinMaxObserver, averaging_constant=1.0, dtype=dtype)

    def forward(self, parameter: Tensor) -> QTensor:
        """A QTensor with float data on the grid."""
        constant: QTensor = self.activation_post_process(parameter)
        return constant


class Constant(nn.Module):
    """The integers of a parameter.

    Buffers:
        data: integers, in the storage of the dtype.
        scale: float32 [1].
    """

    data: Tensor
    scale: Tensor
    dtype: QuantDType

    @classmethod
    def from_float(cls, mod: QATConstant, parameter: Tensor) -> Self:
        """Quantize the parameter by the scale that the QAT form has."""
        made = cls()
        fake_quant = mod.activation_post_process
        made.dtype = fake_quant.dtype
        made.register_buffer("scale", fake_quant.scale.detach().clone())
        value = QTensor(parameter.detach(), made.scale, made.dtype)
        made.register_buffer("data", value.int_repr().clone())
        return made.eval()

    def forward(self, parameter: Any) -> QTensor:
        """The integers as a QTensor."""
        return QTensor(self.data, self.scale, self.dtype)

    def bind(self, *inputs: Scaled | None) -> Scaled:
        """What is known of the constant: all."""
        return Scaled(self.scale, self.dtype)
