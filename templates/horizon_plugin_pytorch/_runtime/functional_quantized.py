# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/functional_quantized.py
"""Base of the integer forms of modules that are used by their methods.

In: the generated method bodies. Out: what all of them share: the support check of a method, binding to known scales,
operands brought to the output's scale, operands and scales of matrix products.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..dtype import DTYPES
from .exact import exact_sum, may_choose
from .functional_module import FunctionalModule, is_number, masked
from .interval import run_on_intervals
from .layout import IMAGE_DIMS
from .native_products import NativeProduct
from .native_sums import summed
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule, Scaled
from .segment_table import Table, make_table
from .support import ACCUMULATOR, dtype_name, require_cell
from .table_options import Tabulated
from .tail import Chain, whole_range
from .uncompiled import uncompiled

_OPERANDS = 2


class QuantizedFunctional(QuantizedModule, FunctionalModule):
    """Integer form: the support cell is that of the method."""

    _OP = ""
    _TOGETHER: ClassVar[frozenset[str]] = frozenset()  # methods of two operands
    _EACH: ClassVar[frozenset[str]] = frozenset()  # methods whose operands are requantized one by one
    _SINGLE: ClassVar[frozenset[str]] = frozenset()  # methods of one operand
    _UNLIKE: ClassVar[frozenset[str]] = frozenset()  # methods whose result has not the module's scale

    @staticmethod
    def _as_called(method: Callable[..., Any]) -> Callable[..., Any]:
        """The compiler does not look into a method."""
        return uncompiled(method)

    def bind_method(self, method: str, inputs: list[Scaled | None], args: tuple[object, ...]) -> Scaled | None:
        """Derive the integers of a method whose input scales are known: of all inputs together, or of each alone.

        Args:
            method: its name.
            inputs: what is known of the tensors among the arguments.
            args: the arguments, of which the numbers count.

        Returns:
            What is known of the output.
        """
        known = [x for x in inputs if x is not None]
        if method in self._TOGETHER and len(known) < len(inputs):
            return None  # one of them may be a mask
        if method in self._TOGETHER and len(known) == _OPERANDS:
            self.bound(getattr(self, f"_derive_{method}"), *known)
        elif len(known) == 1 and any(is_number(arg) for arg in args) and method in self._TOGETHER | self._UNLIKE:
            return self._probed(method, known[0], args)
        elif method in self._SINGLE and known:
            self.bound(getattr(self, f"_derive_{method}"), *known)
        for x in known if method in self._EACH else ():
            self.bound(self._derive_aligned, x)
        return self.bind()

    def _probed(self, method: str, x: Scaled, args: tuple[object, ...]) -> Scaled:
        """What a method of one tensor and a number gives, found with a tensor of no elements."""
        empty = QTensor(torch.empty(0, dtype=x.dtype.storage, device=x.scale.device), x.scale, x.dtype)
        result = getattr(self, method)(*(arg if is_number(arg) else empty for arg in args))
        return Scaled(result.q_scale(), result.dtype)

    def _check(self, *inputs: Input) -> None:
        """Checked by each method."""

    def _require(self, op: str, *inputs: QTensor) -> None:
        for x in inputs:
            if not isinstance(x, QTensor):
                raise TypeError(
                    f"{type(self).__name__}: an operand of {op} is no QTensor but a {type(x).__name__}; give a constant its "
                    f"scale by a QuantStub"
                )
        checked: set[tuple[str, ...]] = self.__dict__.setdefault("_checked", set())
        key = (op, *(str(x.dtype) for x in inputs))
        if key not in checked:
            for x in inputs:
                require_cell(op, self.march, str(x.dtype), dtype_name(self.dtype), type(self).__name__)
            checked.add(key)

    def _masked(self, x: Any, y: Any) -> QTensor:
        """The product with a mask."""
        kept = masked(x, y)
        assert isinstance(kept, QTensor)
        return kept

    def _of_two(self, derive: Any, x: Input, y: Input) -> Any:
        """The integers of a kernel of two operands."""
        return derive(
            s_x=x.q_scale(), s_y=y.q_scale(), s_out=self.scale, input=x.dtype, other=y.dtype, output=self.dtype
        )

    def _elementwise(self, name: str, p: Any, x: QTensor, y: QTensor, **dtypes: Any) -> QTensor:
        """The result of a kernel of two operands, the cheapest exact way."""
        first, second = x.int_repr(), y.int_repr()
        if self.compiles or not (may_choose(first) and may_choose(second)):
            return self._result(getattr(self.compute, name)(first, second, p, **dtypes))
        last = first.dim() == IMAGE_DIMS and first.is_contiguous(memory_format=torch.channels_last)
        storages = (first.dtype, second.dtype)
        tail = self.tail(
            Chain((getattr(self.kernels, name),)),
            p,
            lambda: (whole_range(x.dtype), whole_range(y.dtype)),
            storages,
            **dtypes,
        )
        return self._result(tail(first, second, axis=1 - IMAGE_DIMS if last else -1))

    def _summed(self, x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
        """The exact sum over some dimensions, int64."""
        return (summed if self.compiles else exact_sum)(x, dims, keepdim)

    def _tabulated(self, tabulated: Tabulated, x: Input) -> Table:
        """The table of a function, from the scale of its input to that of the output."""
        assert self.scale is not None, "an output without quantizer is refused before"
        assert self.dtype is not None
        scales = (x.q_scale(), self.scale, x.dtype, self.dtype)
        return make_table(self.kernels, tabulated.function, tabulated.options, *scales).to(self.scale.device)

    def _derive_aligned(self, x: Input) -> Any:
        return self.kernels.derive_requantize(s_in=x.q_scale(), s_out=self.scale, input=x.dtype, output=self.dtype)

    def _aligned(self, op: str, *inputs: QTensor) -> list[Tensor]:
        """The integers of the operands at the output's scale."""
        self._require(op, *inputs)
        params = [self.bound(self._derive_aligned, x) for x in inputs]
        requantize = self.compute.requantize
        return [requantize(x.int_repr(), p, output=self.dtype) for x, p in zip(inputs, params, strict=True)]

    def _degraded(self, x: Any, n: int) -> Tensor:
        """The integers of an operand of a matrix product, at the scale that the accumulator can hold."""
        integers: Tensor = self.compute.requantize(
            x.int_repr(), self.bound(self._derive_degraded, x, n), output=x.dtype
        )
        return integers

    def _derive_degraded(self, x: Input, n: int) -> Any:
        s_out = self.kernels.matmul_scale(x.q_scale(), input=x.dtype, n=n)
        return self.kernels.derive_requantize(s_in=x.q_scale(), s_out=s_out, input=x.dtype, output=x.dtype)

    def _reach(self, x: Input, n: int) -> int:
        """The largest magnitude of a degraded operand."""
        p = self._derive_degraded(x, n)
        known = run_on_intervals(self.kernels.requantize, p, (whole_range(x.dtype),), output=x.dtype)
        return -x.dtype.min if known is None else max(-int(known[1].low), int(known[1].high))

    def _native_product(
        self, kernel: str, derive: Callable[..., Any], x: Input, y: Input, n: int
    ) -> NativeProduct | None:
        """A matrix product with a kernel of its sums, compiled."""
        if not self.compiles or self.dtype is None:
            return None
        operands = ((x.dtype, self._reach(x, n)), (y.dtype, self._reach(y, n)))
        return NativeProduct.prove((self.kernels, kernel), derive(x, y, n), self.dtype, operands)

    def _product_scale(self, x: Input, y: Input, n: int) -> Tensor:
        scale: Tensor = self.kernels.product_scale(x.q_scale(), s_y=y.q_scale(), input=x.dtype, other=y.dtype, n=n)
        return scale

    def _accumulated(self, acc: Tensor, scale: Tensor) -> QTensor:
        """A sum that is a model output."""
        return QTensor(self.compute.accumulator(acc), scale, DTYPES[ACCUMULATOR])

    def _scaled(self, integers: Tensor, source: QTensor, number: float) -> QTensor:
        """Integers at the scale of `source` times `number`."""
        assert self.dtype is not None
        return QTensor(integers, self.bound(self._scaled_scale, source, number), self.dtype)

    def _scaled_scale(self, x: Input, number: float) -> Tensor:
        scale: Tensor = self.kernels.scaled_scale(
            x.q_scale(), number=torch.tensor(float(number), device=x.scale.device)
        )
        return scale
