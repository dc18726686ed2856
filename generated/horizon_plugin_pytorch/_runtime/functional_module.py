# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/functional_module.py
"""Bases of modules that are used by their methods: one instance is one call site.

In: the generated method bodies. Out: what all of them share: a forward that says how to use them, the support check of
an operator, and the dimensions that a reduction runs over.
"""

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, ClassVar

from torch import Tensor, nn

from .exact_qat import exact_result
from .qat_module import QATModule, raw
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule, Scaled
from .support import dtype_name, require_cell

_OPERANDS = 2


def reduced_dims(x: Tensor, dim: int | Sequence[int] | None) -> tuple[int, ...]:
    """The dimensions that `dim` names, as non-negative indices; all of them for None."""
    count = x.dim()
    if dim is None:
        return tuple(range(count))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple(d % count for d in dims)


class FunctionalModule(nn.Module):
    """A module without a forward: call one of its methods."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Raise RuntimeError: this module is used by its methods."""
        msg = f"{type(self).__name__} is not called; use one of its methods, one instance for each call site"
        raise RuntimeError(msg)


class QATFunctional(QATModule, FunctionalModule):
    """QAT form: which operator it is shows only when a method is called."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """In exact QAT, methods give the values of the quantized module's methods."""
        super().__init_subclass__(**kwargs)
        for name, method in tuple(vars(cls).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _exactly(method))

    @classmethod
    def _require_support(cls, march: str, where: str) -> None:
        """Checked by each method."""

    def _values(self, op: str, *inputs: Tensor) -> list[Tensor]:
        """The values of the inputs of a method, once the march is known to support their dtypes."""
        for x in inputs:
            key = (op, str(x.dtype))
            if isinstance(x, QTensor) and key not in self._methods_admitted:
                require_cell(op, self.march, str(x.dtype), self._result_dtype(x), f"{type(self).__name__}.{op}")
                self._methods_admitted.add(key)
        return [raw(x) for x in inputs]

    def _set_up(self) -> None:
        super()._set_up()
        self._methods_admitted: set[tuple[str, str]] = set()


def _exactly(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, whose values are those of its integers when its module is exact."""

    @functools.wraps(method)
    def run(self: QATFunctional, *args: Any, **kwargs: Any) -> Any:
        computed = method(self, *args, **kwargs)
        return exact_result(self, method.__name__, computed, args, kwargs) if self.exact else computed

    return run


class QuantizedFunctional(QuantizedModule, FunctionalModule):
    """Integer form: the support cell is that of the method."""

    _OP = ""
    _TOGETHER: ClassVar[frozenset[str]] = frozenset()  # methods of two operands
    _EACH: ClassVar[frozenset[str]] = frozenset()

    def bind_method(self, method: str, *inputs: Scaled | None) -> Scaled | None:
        """Derive the integers of a method whose input scales are known: of all inputs together, or of each alone."""
        known = [x for x in inputs if x is not None]
        if len(known) == len(inputs) == _OPERANDS and method in self._TOGETHER:
            self.bound(getattr(self, f"_derive_{method}"), *known)
        for x in known if method in self._EACH else ():
            self.bound(getattr(self, f"_derive_{method}"), x)
        return self.bind()

    def _check(self, *inputs: Input) -> None:
        """Checked by each method."""

    def _require(self, op: str, *inputs: QTensor) -> None:
        checked: set[tuple[str, ...]] = self.__dict__.setdefault("_checked", set())
        key = (op, *(str(x.dtype) for x in inputs))
        if key not in checked:
            for x in inputs:
                require_cell(op, self.march, str(x.dtype), dtype_name(self.dtype), type(self).__name__)
            checked.add(key)
