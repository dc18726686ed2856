# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/qtensor.py
"""QTensor: a tensor that knows its scale.

In: integers (in a converted model), or floats on the integer grid (in calibration and QAT), with a scale and a
quantized dtype. Out: a `torch.Tensor` whose torch functions are driven by tables (`dispatch`), so that an operation
that would lose the scale is an error and not a wrong number.

Making one and taking its integers are on the path of every quantized layer, so both only move references.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import Tensor

from ..dtype import get_horizon_quant_dtype
from ..kernels import load
from .dispatch import Implementation, allow_float_operations, dispatch, register, set_dispatcher
from .dtype import QuantDType
from .errors import ArgumentError
from .march import require_march
from .recording import is_tracing

Q = TypeVar("Q", bound="QTensor")

_PLAIN = frozenset({Tensor, torch.nn.Parameter})


class QTensor(Tensor):
    """A tensor with a scale.

    Args:
        data: integers, or floats on the grid; any shape.
        scale: float32, one element, or one for each channel.
        dtype: the quantized dtype: object, name or torch dtype.
        per_channel_axis: the dimension that `scale` runs along; -1: one scale for all.

    Attributes:
        scale: the very object given.
        qtype: the quantized dtype.
        per_channel_axis: as given.

    Raises:
        ArgumentError: several scales without an axis, or not one for each channel.
    """

    _data: Tensor
    scale: Tensor
    qtype: QuantDType
    per_channel_axis: int
    _exact: bool = False
    """Whether float values are those of the march's integers, so that functions of them are to be so too."""
    __hash__: ClassVar[Callable[[Tensor], int]] = Tensor.__hash__

    def __new__(
        cls,
        data: Tensor,
        scale: Tensor,
        dtype: QuantDType | str | torch.dtype,
        per_channel_axis: int = -1,
    ) -> Self:
        """See the class."""
        if isinstance(data, QTensor):
            data = data._data
        if scale is not None and (per_channel_axis >= 0 or scale.numel() > 1) and not is_tracing():
            _check_channels(data, scale, per_channel_axis)
        self = data.as_subclass(cls) if type(data) in _PLAIN else _stand_in(cls, data)
        self._data = data
        self.scale = scale
        self.qtype = dtype if type(dtype) is QuantDType else get_horizon_quant_dtype(dtype)
        self.per_channel_axis = per_channel_axis
        return self

    # What it is

    @property
    def dtype(self) -> QuantDType:  # type: ignore[override]
        """The quantized dtype, not the storage's."""
        return self.qtype

    @property
    def zero_point(self) -> Tensor | None:
        """Zeros, int64, of the scale's shape; None when there is no scale."""
        return None if self.scale is None else torch.zeros_like(self.scale, dtype=torch.int64, requires_grad=False)

    @property
    def is_quantized(self) -> bool:  # type: ignore[override]
        """Whether the data are integers."""
        return not self._data.dtype.is_floating_point

    @property
    def shape(self) -> torch.Size:  # type: ignore[override]
        """The sizes."""
        return self._data.shape

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where the data are."""
        return self._data.device

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """The number of dimensions."""
        return self._data.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self._data.dim()

    # Scale

    def q_scale(self) -> Tensor:  # type: ignore[override]
        """The scale: the very object given."""
        return self.scale

    def q_zero_point(self) -> Tensor | None:  # type: ignore[override]
        """Zeros, int64, of the scale's shape."""
        return self.zero_point

    def q_per_channel_scales(self) -> Tensor:
        """The scale: the very object given."""
        return self.scale

    def q_per_channel_zero_points(self) -> Tensor | None:  # type: ignore[override]
        """Zeros, int64, of the scale's shape."""
        return self.zero_point

    def q_per_channel_axis(self) -> int:
        """The dimension that the scale runs along; -1: one scale for all."""
        return self.per_channel_axis

    def qscheme(self) -> torch.qscheme:
        """Symmetric, per tensor or per channel."""
        one = self.scale is None or self.scale.numel() == 1
        return torch.per_tensor_symmetric if one else torch.per_channel_symmetric

    # Values

    def int_repr(self) -> Tensor:
        """The integers: the data, or floats quantized by the rounding of the current march."""
        if self.is_quantized:
            return self._data
        kernels = load(require_march("QTensor.int_repr of float data"))
        integers: Tensor = kernels.quantize_activation(self._data.detach(), self._broadcast_scale(), output=self.qtype)
        return integers.to(self.qtype.storage)

    def dequantize(self) -> Tensor:
        """The float32 values as a plain tensor; float data as they are."""
        if not self.is_quantized:
            return self._data
        kernels = load(require_march("QTensor.dequantize"))
        values: Tensor = kernels.dequantize(self._data, self._broadcast_scale())
        return values

    def as_subclass(self, cls: type[Any]) -> Any:
        """The data without scale."""
        return self._data if cls is Tensor else self._data.as_subclass(cls)

    def _broadcast_scale(self) -> Tensor:
        return broadcast_scale(self.scale, self._data.dim(), self.per_channel_axis)

    # torch's protocols

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a torch function as the tables say; see `dispatch`."""
        return dispatch(QTensor, func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What torch's own C++ code does with one, it does with the data."""
        pairs = (kwargs or {}).items()
        return func(*(_raw(value) for value in args), **{key: _raw(value) for key, value in pairs})

    @staticmethod
    def register_func_impl(func: Callable[..., Any]) -> Callable[[Implementation], Implementation]:
        """Decorate what runs instead of `func` when an argument is a QTensor; it gets the arguments as they are."""
        return register(func)

    @staticmethod
    def patch_torch_func(func: Callable[..., Any], impl: Implementation) -> None:
        """Run `impl` instead of `func` when an argument is a QTensor."""
        register(func)(impl)

    @staticmethod
    def set_dispatcher(implementations: Mapping[Callable[..., Any], Implementation]) -> None:
        """Run other functions when an argument is a QTensor: function -> what runs instead of it."""
        set_dispatcher(implementations)

    @staticmethod
    def allow_float_operation(allowed: bool) -> None:
        """Whether a function that has no integer form runs on the dequantized values instead of being an error."""
        allow_float_operations(allowed)

    def __deepcopy__(self, memo: dict[int, Any]) -> "QTensor":
        from copy import deepcopy

        if id(self) not in memo:
            data, scale = deepcopy(self._data, memo), deepcopy(self.scale, memo)
            memo[id(self)] = QTensor(data, scale, self.qtype, self.per_channel_axis)
        twin: QTensor = memo[id(self)]
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return QTensor, (self._data, self.scale, self.qtype, self.per_channel_axis)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return (
            f"QTensor(\n  data = {self._data},\n  scale = {self.scale},\n  zero_point = {self.zero_point},\n"
            f"  dtype = {self.qtype},\n  per_channel_axis = {self.per_channel_axis},\n"
            f"  is_quantized = {self.is_quantized}\n)"
        )

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


def broadcast_scale(scale: Tensor, dims: int, axis: int) -> Tensor:
    """A scale in the shape that broadcasts against a tensor of `dims` dimensions.

    Args:
        scale: one element, or one for each channel.
        dims: dimensions of the tensor.
        axis: the dimension that the scale runs along; -1: one scale for all.
    """
    if axis < 0:
        return scale.reshape(()) if dims == 0 else scale
    return scale.reshape(-1, *([1] * (dims - 1 - axis)))


def _stand_in(cls: type[Q], data: Tensor) -> Q:
    """An object of class `cls` over data that are a stand-in themselves (of an exporter)."""
    made: Q = Tensor._make_wrapper_subclass(
        cls, data.shape, strides=data.stride(), dtype=data.dtype, device=data.device
    )
    return made


def _raw(value: Any) -> Any:
    if isinstance(value, QTensor):
        return value._data
    return type(value)(_raw(item) for item in value) if type(value) in (list, tuple) else value


def _check_channels(data: Tensor, scale: Tensor, axis: int) -> None:
    count = scale.numel()
    if axis < 0:
        raise ArgumentError(f"QTensor: {count} scales need per_channel_axis: the dimension that they run along")
    if axis >= data.dim() or data.shape[axis] != count:
        raise ArgumentError(
            f"QTensor: per_channel_axis {axis} of a tensor {list(data.shape)} needs as many scales as it has channels, "
            f"not {count}"
        )
