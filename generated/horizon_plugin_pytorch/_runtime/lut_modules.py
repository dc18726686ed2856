# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/lut_modules.py
"""QAT and quantized forms of functions that are computed by tables.

In: a float module of the function. Out: a QAT module that computes the float function and fake-quantizes the result, and a
quantized module that makes its table from the scales of input and output when they are known, and looks integers up.
"""

import functools
import warnings
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from .qat_module import QATModule
from .qconfig import QConfig
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule, Scaled
from .segment_table import Table, make_table
from .support import require_operator
from .table_options import Function, TableOptions, Tabulated

_STORED_TABLES = ("single_table", "table", "beta", "left_shift", "right_shift", "max")


class _WithoutStoredTables(nn.Module):
    """Loads checkpoints of times when tables were buffers: they are made anew from the scales."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        stored = [name for name in _STORED_TABLES if state_dict.pop(prefix + name, None) is not None]
        if stored:
            warnings.warn(
                f"{prefix.rstrip('.')}: the tables {', '.join(stored)} of the checkpoint are not used; "
                f"tables are made from the scales",
                UserWarning,
                stacklevel=2,
            )
        super()._load_from_state_dict(state_dict, prefix, *args)


class QATTable(_WithoutStoredTables, QATModule):
    """The float function, then the fake quantizer of the output.

    Attributes:
        simulated_func: the function.
        options: how it is tabulated.
    """

    simulated_func: Function
    options: TableOptions

    @classmethod
    def _require_support(cls, march: str, where: str) -> None:
        """Checked when the operator is known."""

    def _set_up(self) -> None:
        require_operator(self._OP, self.march, type(self).__name__)
        super()._set_up()

    def forward(self, x: Tensor) -> Tensor:
        """The function of the values, on the integer grid of the output."""
        values = self._away_from_zero(x, self._admit(x))
        return self._finish(self.simulated_func(self._inside(values)))

    def _inside(self, values: Tensor) -> Tensor:
        """Values; those beyond the tabulated range where the function is NaN are taken to its end, as the table does."""
        if self.options.input_range is None:
            return values
        end = torch.clamp(values, *self.options.input_range)
        with torch.no_grad():
            undefined = torch.isnan(self.simulated_func(values)) & (end != values)
        return torch.where(undefined, end, values)

    def _away_from_zero(self, x: Tensor, values: Tensor) -> Tensor:
        """Values whose magnitude is at least what the table begins with."""
        if not isinstance(x, QTensor):
            return values
        steps = self.options.least(x.dtype)
        if steps is None:
            return values
        least: Tensor = self.kernels.dequantize(torch.as_tensor(steps), x.scale.detach())
        return torch.where(values < 0, torch.minimum(values, -least), torch.maximum(values, least))

    def extra_repr(self) -> str:
        """What is computed."""
        return getattr(self.simulated_func, "__name__", type(self.simulated_func).__name__)


class QATUnary(QATTable):
    """A module of torch.nn that is a function of one variable.

    On a march with segment tables it becomes the QAT form of the module of such tables. `_TABULATED` is the function,
    `_ARGUMENTS` the attributes that it takes beside x, `_SEGMENT` the QAT class of segment tables.
    """

    _TABULATED: ClassVar[Tabulated]
    _ARGUMENTS: ClassVar[tuple[str, ...]] = ()
    _SEGMENT: ClassVar[type[QATTable]]

    @classmethod
    def _build(cls, mod: nn.Module, qconfig: QConfig, march: str) -> Self:
        built: Any = super()._build(mod, qconfig, march)
        if not hasattr(built.kernels, "segment_lookup"):
            return built  # type: ignore[no-any-return]
        float_class: Any = cls._SEGMENT._FLOAT_MODULES[0]
        table = float_class.of(Tabulated(cls._OP, built.simulated_func, built.options))
        table.__dict__.update({name: value for name, value in mod.__dict__.items() if not name.startswith("_")})
        segment: Any = cls._SEGMENT._build(table, qconfig, march)
        return segment  # type: ignore[no-any-return]

    def _set_up(self) -> None:
        arguments = {name: getattr(self, name) for name in self._ARGUMENTS}
        function = self._TABULATED.function
        self.simulated_func = functools.partial(function, **arguments) if arguments else function
        self.options = self._TABULATED.options
        super()._set_up()


class QuantizedTable(_WithoutStoredTables, QuantizedModule):
    """Integers looked up in a table that was made from the scales."""

    simulated_func: Function
    options: TableOptions

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Make the table."""
        if inputs[0] is not None:
            self.bound(self._derive, inputs[0])
        return super().bind()

    def _derive(self, x: Input) -> Table:
        assert self.scale is not None, "an output without quantizer is refused before"
        assert self.dtype is not None
        try:
            table = make_table(
                self.kernels, self.simulated_func, self.options, x.q_scale(), self.scale, x.dtype, self.dtype
            )
        except ValueError as error:
            raise ValueError(f"{self._OP} ({type(self).__name__}): {error}") from error
        return table.to(self.scale.device)

    def forward(self, x: QTensor) -> QTensor:
        """Integers in, integers out."""
        table: Table = self.bound(self._derive, x)
        return self._result(table.look_up(self.compute, x.int_repr()))
