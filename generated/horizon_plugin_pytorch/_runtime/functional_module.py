# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/functional_module.py
"""Bases of modules that are used by their methods: one instance is one call site.

In: the generated method bodies. Out: what the float and QAT forms share: a forward that says how to use them, the support
check of an operator, what counts as a number or a mask, and the dimensions that a reduction runs over.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from .exact_qat import exact_result
from .qat_module import QATModule, like, raw
from .qtensor import QTensor
from .recording import is_on
from .straight_through import fake_quantize_values
from .support import require_cell
from .uncompiled import uncompiled

_OLD_DEFAULT = (
    "a FloatFunctional was loaded from a checkpoint of an older version, in which mean keeps the reduced dimensions where "
    "keepdim is not given; it does so again. Pass keepdim to say which is meant."
)


def reduced_dims(x: Tensor, dim: int | Sequence[int] | None) -> tuple[int, ...]:
    """The dimensions that `dim` names, as non-negative indices; all of them for None."""
    count = x.dim()
    if dim is None:
        return tuple(range(count))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple(d % count for d in dims)


def is_number(value: object) -> bool:
    """Whether an operand is a python number."""
    return isinstance(value, (int, float))


def is_mask(x: Tensor) -> bool:
    """Whether an operand is bool, which selects and has no scale."""
    return not isinstance(x, QTensor) and x.dtype == torch.bool


def masked(x: Tensor, y: Tensor) -> Tensor:
    """The product of a feature map and a mask, in either order: scale and dtype are the feature map's."""
    kept, mask = (y, x) if is_mask(x) else (x, y)
    return like(kept, raw(kept) * mask)


def use_module(method: str, module: str) -> None:
    """Warn of a method whose module is to be used."""
    text = f"FloatFunctional.{method} is deprecated; use horizon_plugin_pytorch.nn.{module}()"
    warnings.warn(text, FutureWarning, stacklevel=3)


def refuse_without_module(method: str, module: str) -> NoReturn:
    """Raise NotImplementedError: a method that needs more than the quantizer of its output."""
    raise NotImplementedError(
        f"FloatFunctional.{method} needs quantizers of its own inside, which a traced model gets; in the flow without "
        f"tracing use horizon_plugin_pytorch.nn.{module}()"
    )


class FunctionalModule(nn.Module):
    """A module without a forward: call one of its methods.

    Attributes:
        keeps_reduced_dims: what a reduction does where keepdim is not given; True after an older checkpoint was loaded.
    """

    keeps_reduced_dims = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Methods are what calls are of other modules: what a kind of module does around a call, it does around these."""
        super().__init_subclass__(**kwargs)
        for name, method in tuple(vars(cls).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(cls, name, cls._as_called(method))

    @staticmethod
    def _as_called(method: Callable[..., Any]) -> Callable[..., Any]:
        """A method as callers get it."""
        return method

    def __rsub__(self, x: Any, y: Any) -> Any:  # type: ignore[misc]  # noqa: PLE0302 - a method as any other
        """`sub` with its operands swapped."""
        methods: Any = self
        return methods.sub(y, x)

    def _keeps_dims(self, keepdim: bool | None) -> bool:
        return self.keeps_reduced_dims if keepdim is None else keepdim

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any) -> None:
        """An older checkpoint brings the older default back."""
        if 0 < (local_metadata.get("version") or 0) < self._version:
            self.keeps_reduced_dims = True
            warnings.warn(f"{prefix.rstrip('.')}: {_OLD_DEFAULT}", UserWarning, stacklevel=2)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Raise RuntimeError: this module is used by its methods."""
        msg = f"{type(self).__name__} is not called; use one of its methods, one instance for each call site"
        raise RuntimeError(msg)


class QATFunctional(QATModule, FunctionalModule):
    """QAT form: which operator it is shows only when a method is called."""

    @staticmethod
    def _as_called(method: Callable[..., Any]) -> Callable[..., Any]:
        """In exact QAT, methods give the values of the quantized module's methods."""
        return uncompiled(_exactly(method))

    @classmethod
    def _require_support(cls, march: str, where: str) -> None:
        """Checked by each method."""

    def _values(self, op: str, *inputs: Tensor) -> list[Tensor]:
        """The values of the inputs of a method that computes `op`, once the march is known to support their dtypes."""
        self.__dict__["_computing"] = op
        for x in inputs:
            key = (op, str(x.dtype))
            if isinstance(x, QTensor) and key not in self._methods_admitted:
                require_cell(op, self.march, str(x.dtype), self._result_dtype(x), f"{type(self).__name__}.{op}")
                self._methods_admitted.add(key)
        return [x.dequantize() if isinstance(x, QTensor) else x for x in inputs]

    def _product_operands(self, op: str, *operands: Tensor) -> list[Tensor]:
        """The values of the operands of a matrix product, on the grids that the accumulator can hold."""
        n = operands[0].shape[-1]
        return [self._degraded(x, v, n) for x, v in zip(operands, self._values(op, *operands), strict=True)]

    def _degraded(self, x: Tensor, values: Tensor, n: int) -> Tensor:
        if not isinstance(x, QTensor) or not self._quantizes():
            return values
        scale = self.kernels.matmul_scale(x.q_scale(), input=x.dtype, n=n)
        return fake_quantize_values(values, scale, x.dtype, self.march)

    def _finish_scaled(self, out: Tensor, source: Tensor, number: float) -> Tensor:
        """Put `out`, which is `source` times `number`, on the grid that follows from the grid of `source`."""
        fake_quant: Any = self.activation_post_process
        if fake_quant is None or not isinstance(source, QTensor):
            return self._finish(out)
        factor = torch.tensor(float(number), device=out.device)
        fake_quant.set_qparams(self.kernels.scaled_scale(source.q_scale(), number=factor))
        if self._quantizes():
            out = fake_quantize_values(out, fake_quant.scale, fake_quant.dtype, self.march)
        return QTensor(out, fake_quant.scale, fake_quant.dtype)

    def _follow(self, out: Tensor) -> Tensor:
        """Note the scale of a result that has it from an operand."""
        fake_quant: Any = self.activation_post_process
        if fake_quant is not None and isinstance(out, QTensor) and out.q_scale().numel() == 1:
            fake_quant.set_qparams(out.q_scale())
        return out

    def _quantizes(self) -> bool:
        fake_quant: Any = self.activation_post_process
        return fake_quant is None or is_on(fake_quant.fake_quant_enabled)

    def _set_up(self) -> None:
        super()._set_up()
        self._methods_admitted: set[tuple[str, str]] = set()


def _exactly(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, with the values of its integers where they are wanted; not if another one, which has them, computed."""

    @functools.wraps(method)
    def run(self: QATFunctional, *args: Any, **kwargs: Any) -> Any:
        self.__dict__["_computing"] = None
        computed = method(self, *args, **kwargs)
        op, self.__dict__["_computing"] = self.__dict__["_computing"], None
        if op is None or self.exact is False:
            return computed
        return exact_result(self, op, method.__name__, computed, args, kwargs)

    return run
