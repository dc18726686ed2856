# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/power.py
"""Powers with a constant exponent in module form: a square is a product, every other power a table.

In: the exponent, when the module is made or when it is first called. Out: a float module whose only child, a product or a
table, is swapped by prepare and convert.
"""

import functools
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .lut_float import TableModule
from .table_options import CURVATURE, TableOptions, Tabulated

_SQUARE = 2


class PowerFunction(nn.Module):
    """x to a constant power.

    `_OP` is the operator's id, `_TABLE` the class of tables, `_PRODUCT` the class of products.

    Args:
        exponent: a number; None: that of the first call.

    Raises:
        TypeError: an exponent that is no number.
        ValueError: a call with another exponent; a model needs a module for each.
    """

    _OP: ClassVar[str]
    _TABLE: ClassVar[type[TableModule]]
    _PRODUCT: ClassVar[type[nn.Module]]

    def __init__(self, exponent: float | None = None) -> None:
        super().__init__()
        self.exponent: float | None = None
        if exponent is not None:
            self._set_exponent(exponent)

    def _set_exponent(self, exponent: float) -> None:
        if isinstance(exponent, Tensor | bool) or not isinstance(exponent, int | float):
            raise TypeError(f"{type(self).__name__}: the exponent must be a number, not a {type(exponent).__name__}")
        self.exponent = exponent
        if exponent == _SQUARE:
            self.mul: Any = self._PRODUCT()
        else:
            function = functools.partial(torch.pow, exponent=exponent)
            self.pow: Any = self._TABLE.of(Tabulated(self._OP, function, _options(exponent)))

    def forward(self, x: Tensor, exponent: float | None = None) -> Tensor:
        """The power of every element."""
        if self.exponent is None and exponent is not None:
            self._set_exponent(exponent)
        if self.exponent is None or exponent not in (None, self.exponent):
            raise ValueError(f"{type(self).__name__}: made for the exponent {self.exponent}, called with {exponent}")
        out: Tensor = self.mul.mul(x, x) if self.exponent == _SQUARE else self.pow(x)
        return out


def _options(exponent: float) -> TableOptions:
    """An even power is tabulated on both sides of 0, an odd one and a root on one; a falling power keeps away from 0."""
    even = float(exponent).is_integer() and int(exponent) % 2 == 0
    return TableOptions(is_centrosymmetric=not even, auto_divide_strategy=CURVATURE)
