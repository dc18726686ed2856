# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/channel_slope.py
"""QAT and quantized forms of two lines that meet at 0 and whose left slope is learned, one slope or one a channel.

In: the float module. Out: a QAT module with the same parameter, and a quantized one: with one slope it is a table, with
several the kernel multiplies negative integers by int16 slopes of one scale.
"""

import functools
from typing import Any, ClassVar

from torch import Tensor, nn

from .lut_modules import QuantizedTable
from .qat_module import QATModule
from .qtensor import QTensor
from .quantized_module import Input
from .table_options import Function, TableOptions, Tabulated

_CHANNEL_DIMENSION = 1


class QATSlope(QATModule):
    """The float function with the parameter of the float module, then the fake quantizer of the output."""

    _TABULATED: ClassVar[Tabulated]
    weight: nn.Parameter

    def forward(self, input: Tensor) -> Tensor:
        """Both lines, on the integer grid of the output."""
        function: Any = self._TABULATED.function
        return self._finish(function(self._admit(input), self.weight))


class QuantizedSlope(QuantizedTable):
    """Integers in, integers out.

    Buffers:
        weight: float32 slopes, one or one a channel.
    """

    weight: Tensor
    options: TableOptions

    def _set_up(self, mod: Any) -> None:
        self.register_buffer("weight", mod.weight.detach().clone())
        self.options = mod._TABULATED.options
        self._function: Any = mod._TABULATED.function

    @property
    def simulated_func(self) -> Function:  # type: ignore[override]  # of the slope that the module has now
        """The function with its slope."""
        return functools.partial(self._function, weight=self.weight.cpu())

    def _derive(self, x: Input) -> Any:
        if self.weight.numel() == 1:
            return super()._derive(x)
        assert self.dtype is not None, "an output without quantizer is refused before"
        s_w = self.kernels.slope_scale(self.weight.abs().max())
        slopes = {"s_w": s_w, "w": self.weight}
        return self.kernels.derive_channel_slope(
            s_in=x.q_scale(), s_out=self.scale, **slopes, input=x.dtype, output=self.dtype
        )

    def forward(self, input: QTensor) -> QTensor:
        """Integers in, integers out."""
        if self.weight.numel() == 1:
            return super().forward(input)
        p = self.bound(self._derive, input)
        integers = input.int_repr().movedim(_CHANNEL_DIMENSION, -1)
        found: Tensor = self.compute.channel_slope(integers, p, output=self.dtype)
        return self._result(found.movedim(-1, _CHANNEL_DIMENSION))
