# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/tail.py
"""The cheapest exact way through a kernel's formula: in int32 where that is proved, in pieces that stay in the cache.

In: a kernel, its derived integers, and what its operands can be. Out: `Tail`, a function of the operands. A kernel computes
in the type of its parameters, so the same code is the definition (int64) and the narrow form (int32); where its operations
can be written down, the narrow form is a `Program` of fewer operations in place.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .dtype import QuantDType
from .exact import as_integers, proved_region
from .in_place import Program
from .interval import Reach, run_on_intervals
from .native_loop import Loop, Read, compiled
from .native_tail import NativeKernel
from .span import Met, met_on_spans

_Ends = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Chain:
    """A kernel with derived integers, and further kernels of its result alone."""

    kernels: tuple[Callable[..., Tensor], ...]

    def __call__(self, *operands: Any, **dtypes: QuantDType) -> Tensor:
        """As the first one is called: operands, derived integers, dtypes by keyword."""
        first, *others = self.kernels
        out = first(*operands, **dtypes)
        for kernel in others:
            out = kernel(out)
        return out


@dataclass(frozen=True)
class _Written:
    """The operations of a kernel with its integers, written down when they are first asked for."""

    kernel: Chain
    params: Any
    operands: tuple[_Ends, ...]
    dtypes: Mapping[str, QuantDType]

    @functools.cached_property
    def program(self) -> Program | None:
        """None where an operation has no rule."""
        with torch.inference_mode(False):  # it outlives the caller's mode
            known = run_on_intervals(self.kernel, self.params, self.operands, **self.dtypes)
            if known is None:
                return None
            operands, expression = known
            return Program.of(operands, expression, _storage(self.dtypes))


@dataclass(frozen=True, slots=True)
class Tail:
    """A kernel with its integers, in the narrowest proved width.

    Attributes:
        kernel: integers -> integers, of the march.
        params: the derived integers, int64: the definition's.
        narrow: the same as int32 [1] or [channels]; None where int32 is not proved to hold what is computed.
        written: the operations in int32; None where int32 is not proved.
        dtypes: the dtype arguments of the kernel; one without gives int32.
        proof: such as "int32: -1073676289 .. 1073709056 < 2**31".
        native: the same, compiled; None where that is not wanted or int32 is not proved.
    """

    kernel: Chain
    params: Any
    narrow: Any
    written: "_Written | None"
    dtypes: Mapping[str, QuantDType]
    proof: str
    native: NativeKernel | None = None

    @classmethod
    def prove(
        cls,
        kernel: Chain,
        params: Any,
        operands: tuple[_Ends, ...],
        dtypes: Mapping[str, QuantDType],
    ) -> "Tail":
        """Choose the width.

        Args:
            kernel: of the march.
            params: its derived integers; each has one element, or one for each channel.
            operands: the smallest and the largest integer of each operand, broadcastable against the parameters.
            dtypes: dtype arguments of the kernel; "output" is the result's, which is int32 where there is none.
        """
        met = _met(kernel, params, operands, dtypes)
        if met is None:
            return cls(kernel, params, None, None, dtypes, "int64: no interval is known")
        if not met.fits_int32:
            return cls(kernel, params, None, None, dtypes, f"int64: {met.low} .. {met.high} is beyond 2**31")
        narrow = type(params)(*(_narrowed(p) for p in params))
        proof = f"int32: {met.low} .. {met.high} < 2**31"
        return cls(kernel, params, narrow, _Written(kernel, params, operands, dtypes), dtypes, proof)

    @property
    def program(self) -> Program | None:
        """The operations in int32, written down when they are first asked for; None where they are not known."""
        return None if self.written is None else self.written.program

    def defined(self, *operands: Tensor) -> Tensor:
        """By the definition: int64, in one go."""
        return self.kernel(*(as_integers(x, torch.int64) for x in operands), self.params, **self.dtypes)

    def __call__(self, *operands: Tensor, axis: int) -> Tensor:
        """The kernel's result; its elements lie as those of the first operand do when the channels come last.

        Args:
            operands: tensors of one shape; integers, also as floats.
            axis: the dimension that parameters run along, counted from the end (-1 is the last).
        """
        first, *others = operands
        if self.narrow is None or first.device.type != "cpu" or any(x.shape != first.shape for x in others):
            return self.defined(*operands)
        with proved_region("cpu"):
            loop = self.loop(tuple([x.dtype for x in operands]), axis, first.dim())
            if loop is not None:
                results = loop.empty(first.shape, axis)
                loop.fill(results, operands, axis)
                return loop.finished(results)
            rows = [x.movedim(axis, -1).to(torch.int32) for x in operands]
        return self.kernel(*rows, self.narrow, **self.dtypes).movedim(-1, axis)

    def loop(self, kinds: tuple[torch.dtype, ...], axis: int, dims: int) -> NativeKernel | Program | None:
        """What computes in int32 piece by piece, for operands of these types with so many dimensions."""
        if self.native is not None and self.native.takes(kinds, axis, dims):
            return self.native
        return self.program

    def compiled(self, header: Path, storages: tuple[torch.dtype, ...]) -> "Tail":
        """The same with a compiled loop, built now.

        Args:
            header: the C functions of the march.
            storages: the types of the operands.
        """
        if self.narrow is None:
            return self
        params = tuple(param.to(torch.int32).contiguous() for param in self.narrow)
        ends = tuple(end for name in sorted(self.dtypes) for end in (self.dtypes[name].min, self.dtypes[name].max))
        names = tuple(kernel.__name__ for kernel in self.kernel.kernels)
        reads = (
            *(Read(kind, True) for kind in storages),
            *(Read(torch.int32, param.numel() > 1) for param in params),
        )
        result = _storage(self.dtypes)
        twins = result == torch.int8
        loop = Loop(header, names, reads, 0, len(ends), result, 32, twins)
        if compiled(loop) is None:
            return self
        return replace(self, native=NativeKernel(loop, params, ends), proof=f"compiled {self.proof}")


def _met(
    kernel: Chain, params: Any, operands: tuple[_Ends, ...], dtypes: Mapping[str, QuantDType]
) -> Met | Reach | None:
    """What a kernel meets: of all channels as one, and where int32 does not hold that, of each by itself."""
    met = met_on_spans(kernel, params, operands, **dtypes)
    if met is not None and met.fits_int32:
        return met
    known = run_on_intervals(kernel, params, operands, **dtypes)
    return None if known is None else known[1].reach


def _storage(dtypes: Mapping[str, QuantDType]) -> torch.dtype:
    """The type of a kernel's result."""
    return dtypes["output"].storage if "output" in dtypes else torch.int32


def whole_range(dtype: QuantDType) -> _Ends:
    """The smallest and the largest integer of a dtype."""
    return torch.tensor([dtype.min]), torch.tensor([dtype.max])


def _narrowed(param: Tensor) -> Tensor:
    flat = param.reshape(-1)
    return flat if flat.dtype == torch.bool else flat.to(torch.int32)
