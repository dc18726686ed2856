# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/tensor_call.py
"""One call of a torch function with QTensors among its arguments, and grids that values are brought to.

In: what `__torch_function__` got, and the rule of the tables. Out: the call on raw data, results with their scale again,
numbers and tensors as integers (or as floats on the grid) of a scale.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..kernels import load
from .channel_axis import follow_channels
from .dtype import QuantDType
from .march import require_march
from .tables import TensorRule

if TYPE_CHECKING:
    from .qtensor import QTensor

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments, of which at least one is of class `cls`."""

    cls: type["QTensor"]
    rule: TensorRule
    func: Function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def source(self) -> "QTensor":
        """The first QTensor among the arguments: the one whose scale the result keeps."""
        return next(iter(self.tensors))

    @property
    def tensors(self) -> "tuple[QTensor, ...]":
        """Every QTensor among the arguments, also in lists."""
        found = tuple(_found(self.cls, (*self.args, *self.kwargs.values())))
        if not found:
            raise TypeError(f"{self.func} was given no QTensor")
        return found

    @property
    def kernels(self) -> ModuleType:
        """The kernels of the current march."""
        return load(require_march(f"{self.func} on a QTensor"))

    @property
    def kernel(self) -> Function:
        """The kernel of the rule."""
        kernel: Function = getattr(self.kernels, self.rule.kernel)
        return kernel

    def run(self, **changed: Any) -> Any:
        """The function on raw data, with some keyword arguments changed."""
        args = [self.raw(value) for value in self.args]
        return self.func(*args, **{key: self.raw(value) for key, value in self.kwargs.items()}, **changed)

    def run_on(self, probe: Tensor, source: "QTensor") -> Any:
        """The function on raw data, with `probe` in the place of `source`."""
        args = [probe if value is source else self.raw(value) for value in self.args]
        kwargs = {key: probe if value is source else self.raw(value) for key, value in self.kwargs.items()}
        return self.func(*args, **kwargs)

    def raw(self, value: Any) -> Any:
        """The data of a QTensor, also in lists."""
        if isinstance(value, self.cls):
            return value._data
        return type(value)(self.raw(item) for item in value) if type(value) in (list, tuple) else value

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def keep(self, result: Tensor, rerun: Callable[[Tensor], Tensor] | None = None) -> "QTensor":
        """`result` with dtype and scale of the source; a scale for each channel follows where `rerun` moves them."""
        source = self.source
        if result.dtype != source._data.dtype:
            raise NotImplementedError(
                f"a QTensor of {source.dtype} cannot become {result.dtype}: take .dequantize() or .int_repr() first"
            )
        scale, axis = source.scale, source.per_channel_axis
        if axis >= 0 and rerun is not None:
            scale, axis = follow_channels(source._data.shape, scale, axis, rerun)
        if scale is not None and scale.device != result.device:
            scale = scale.to(result.device)
        return self.cls(result, scale, source.qtype, axis)

    def one_scale(self) -> "QTensor":
        """The source, which must have one scale."""
        source = self.source
        if source.per_channel_axis >= 0:
            raise NotImplementedError(
                f"a QTensor with one scale for each channel of dimension {source.per_channel_axis} has no integer form of "
                f"{self.func}: take .dequantize() first"
            )
        return source

    def grid(self) -> "Grid":
        """The grid of the source."""
        source = self.one_scale()
        return Grid(source.scale, source.qtype, source.is_quantized)

    def on(self, grid: "Grid", value: Any) -> Tensor:
        """A number, a tensor or a QTensor on a grid: its integers, or floats that stand for them."""
        if isinstance(value, self.cls):
            return self._requantized(grid, value)
        device = value.device if isinstance(value, Tensor) else grid.scale.device
        values = torch.as_tensor(value, dtype=torch.float32, device=device)
        integers: Tensor = self.kernel(values, grid.scale.reshape(()), output=grid.dtype)
        return integers if grid.is_integer else self.kernels.dequantize(integers, grid.scale.reshape(()))

    def _requantized(self, grid: "Grid", x: "QTensor") -> Tensor:
        if not grid.is_integer:
            from .straight_through import fake_quantize_values

            march = require_march(f"{self.func} on a QTensor")
            return fake_quantize_values(x.dequantize(), grid.scale, grid.dtype, march)
        kernels = self.kernels
        p = kernels.derive_requantize(s_in=x.scale, s_out=grid.scale, input=x.qtype, output=grid.dtype)
        integers: Tensor = kernels.requantize(x.int_repr(), p, output=grid.dtype)
        return integers


@dataclass(frozen=True, slots=True)
class Grid:
    """A scale and a dtype, as integers or as floats that stand for them."""

    scale: Tensor
    dtype: QuantDType
    is_integer: bool

    def limited(self, values: Tensor) -> Tensor:
        """Floats on the grid, saturated where they left the dtype's range."""
        scale = self.scale.detach().reshape(())
        return torch.clamp(values, self.dtype.min * scale, self.dtype.max * scale)


def _found(cls: type["QTensor"], values: Any) -> "list[QTensor]":
    found: list[QTensor] = []
    for value in values:
        if isinstance(value, cls):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(_found(cls, value))
    return found
