# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/lut_float.py
"""Float modules of functions that are computed by tables.

In: a function of one variable and how it is tabulated. Out: `TableModule`, which computes the function itself and carries
the settings to QAT and conversion, and `UnaryFunction`, the base of generated modules that hold one as their only child.

In a composite operator a table is such a child. It gets a qconfig of its own, so its output has the dtype that the
composite wants, and it is swapped as every module is::

    self.exp = SegmentLUT(torch.exp, input_range=(-12, 0), gradients=(0, None), auto_divide_strategy="curvature")
    self.exp.qconfig = qconfig_of_int16_outputs
    self.reciprocal = Reciprocal().reciprocal  # with the settings of the operator's spec
"""

import functools
from dataclasses import replace
from typing import ClassVar, Self

from torch import Tensor, nn

from .table_options import Function, TableOptions, Tabulated


class TableModule(nn.Module):
    """A function of one variable that is computed by a table.

    Attributes:
        simulated_func: the function, float to float, element by element.
        options: how it is tabulated.
    """

    _OP: str
    simulated_func: Function
    options: TableOptions

    @classmethod
    def of(cls, tabulated: Tabulated) -> Self:
        """The module of an operator, with the settings of its spec."""
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        module._OP = tabulated.op
        module.simulated_func, module.options = tabulated.function, tabulated.options
        return module

    def forward(self, x: Tensor) -> Tensor:
        """The function."""
        return self.simulated_func(x)

    def extra_repr(self) -> str:
        """What is computed."""
        return getattr(self.simulated_func, "__name__", type(self.simulated_func).__name__)


class UnaryFunction(nn.Module):
    """A function in module form, so that its output can be quantized; its only child is the table.

    `_CHILD` is the child's name, `_TABULATED` what it computes, `_TABLE` its class.
    """

    _CHILD: ClassVar[str]
    _TABULATED: ClassVar[Tabulated]
    _TABLE: ClassVar[type[TableModule]]

    def __init__(self, **settings: float) -> None:
        """Settings of the function, where it has some."""
        super().__init__()
        tabulated = self._TABULATED
        if settings:
            tabulated = replace(tabulated, function=functools.partial(tabulated.function, **settings))
        self.add_module(self._CHILD, self._TABLE.of(tabulated))

    @property
    def table(self) -> nn.Module:
        """The child, float, QAT or quantized."""
        child = self._modules[self._CHILD]
        assert child is not None
        return child

    def forward(self, x: Tensor) -> Tensor:
        """The function."""
        out: Tensor = self.table(x)
        return out
