# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/exact.py
"""Exact integer sums of products, computed by float kernels, which are the fast ones.

In: integer tensors and a multiply-accumulate function on float tensors. Out: int32 or int64 sums, exact. They are,
because all values are integers, every product and every partial sum is at most max|x| * sum|w| in magnitude, and a
float type represents all integers up to that bound; then no addition rounds, in whatever order it happens. The bound is
computed from the weights themselves, once. Arithmetic that would break the argument (products in a narrower format,
transforms with fractional factors) is switched off for the duration of a call.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .dtype import QuantDType
from .recording import is_exporting, is_recorded

Multiply = Callable[[Tensor, Tensor], Tensor]

_SIGNIFICANT_BITS = ((torch.float32, 24), (torch.float64, 53))
_INT32_MAX = 2**31 - 1
_BLOCK = 1 << 16  # elements of an intermediate tensor
_BYTES_IN_FLOAT32 = 2  # integers of so many bytes are exact in float32


class _Proved(threading.local):
    devices: tuple[str, ...] = ()


_PROVED = _Proved()


class _Definition(threading.local):
    wanted = False


_DEFINITION = _Definition()


@contextmanager
def by_definition() -> Iterator[None]:
    """Compute as the rules are written, in int64 and float64, whatever a layer's plan is: what plans are tested against."""
    before, _DEFINITION.wanted = _DEFINITION.wanted, True
    try:
        yield
    finally:
        _DEFINITION.wanted = before


def may_choose(x: Tensor) -> bool:
    """Whether a plan may run: on plain tensors, not while a graph of torch operations is being recorded."""
    return type(x) is Tensor and not is_recorded() and not _DEFINITION.wanted


def in_proved_region() -> bool:
    """Whether this thread is inside of float arithmetic that was proved to be exact."""
    return bool(_PROVED.devices)


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A multiply-accumulate with a fixed integer weight; call it with an integer tensor.

    Attributes:
        multiply: (x, weight) -> sums, on float tensors; each element of the result belongs to one channel.
        weight: the integer weight in the float type of the proof.
        integer: the integer type of the result: int32 where the bound fits, else int64.
        proof: why it is exact, such as "float32: 128 * 92160 = 11796480 < 2**24".
    """

    multiply: Multiply
    weight: Tensor
    integer: torch.dtype
    proof: str

    @classmethod
    def prove(cls, multiply: Multiply, weight: Tensor, sums: Tensor, dtype: QuantDType) -> "Accumulator":
        """Choose the narrowest float type in which the sums are exact.

        Args:
            multiply: (x, weight) -> sums, on float tensors.
            weight: integers, in the layout that `multiply` takes.
            sums: of |weight|, int64 [out], over what one output element of a channel adds up.
            dtype: of the inputs; its range bounds them.

        Raises:
            ArithmeticError: no float type is wide enough.
        """
        proof = _prove(max(-dtype.min, dtype.max), int(sums.max()) if sums.numel() else 0)
        return cls(multiply, weight.detach().to(proof.kind), proof.integer, proof.text)

    def __call__(self, x: Tensor) -> Tensor:
        """Exact sums, int32 or int64, of an integer tensor."""
        return as_integers(self.floats(x), self.integer)

    def floats(self, x: Tensor) -> Tensor:
        """The same in the type of the proof."""
        kind = torch.float64 if _DEFINITION.wanted else self.weight.dtype
        with proved_region(x.device.type):
            return self.multiply(x.to(kind), self.weight.to(kind))


def as_integers(x: Tensor, kind: torch.dtype) -> Tensor:
    """Exact floats, or integers, as a type that holds them."""
    with proved_region(x.device.type):
        return x.to(kind)


def channel_sums(channels_first: Tensor) -> Tensor:
    """Sum of |weight|, int64 [out], of integers [out, everything that one output element adds up]."""
    rows = channels_first.flatten(1)
    count = rows.shape[1]
    kind = _type_of_sums(-torch.iinfo(rows.dtype).min * count)
    blocks = torch.split(rows, max(1, _BLOCK // max(1, count)))  # what is wider than the integers stays in the cache
    return torch.cat([block.to(kind).abs_().sum(1, dtype=kind) for block in blocks]).to(torch.int64)


def _type_of_sums(largest: int) -> torch.dtype:
    """The type that adds integers fastest without rounding up to the largest sum."""
    if largest < 1 << _SIGNIFICANT_BITS[0][1]:
        return torch.float32
    return torch.int32 if largest <= _INT32_MAX else torch.int64


def exact_sum(x: Tensor, dim: int | tuple[int, ...], keepdim: bool = False) -> Tensor:
    """The sum of integers over some dimensions, int64; integers are added as integers."""
    return x.sum(dim, keepdim=keepdim, dtype=torch.int64)


def exact_product(multiply: Multiply, x: Tensor, y: Tensor, count: int) -> Tensor:
    """Sums of `count` products of the integers of two tensors, computed by a float function.

    Args:
        multiply: (x, y) -> sums of products, on float tensors.
        x: integers; the range of their type bounds them.
        y: likewise.
        count: how many products are added up.

    Returns:
        int32 where the bound fits, else int64.

    Raises:
        ArithmeticError: no float type is wide enough.
    """
    proof = _prove(torch.iinfo(x.dtype).min * torch.iinfo(y.dtype).min, count)
    with proved_region(x.device.type):
        return multiply(x.to(proof.used), y.to(proof.used)).to(proof.integer)


def exact_window_sum(total: Callable[[Tensor], Tensor], x: Tensor, count: int, dtype: QuantDType) -> Tensor:
    """Sums of up to `count` integers each, computed by a float function.

    Args:
        total: a function that only adds.
        x: integers of `dtype`.
        count: the most integers that are added up.
        dtype: its range bounds the integers.

    Returns:
        int32 where the bound fits, else int64.

    Raises:
        ArithmeticError: no float type is wide enough.
    """
    proof = _prove(max(-dtype.min, dtype.max), count)
    with proved_region(x.device.type):
        return total(x.to(proof.used)).to(proof.integer)


def exact_float(select: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What `select`, a float function that only picks values, picks of integers; the integer type stays.

    int8 and int16 are exact in float32, int32 is in float64.
    """
    kind = torch.float32 if x.element_size() <= _BYTES_IN_FLOAT32 else torch.float64
    with proved_region(x.device.type):
        return select(x.to(kind)).to(x.dtype)


@dataclass(frozen=True, slots=True)
class _Proof:
    kind: torch.dtype
    integer: torch.dtype
    text: str

    @property
    def used(self) -> torch.dtype:
        """The type to compute in: by definition the widest."""
        return torch.float64 if _DEFINITION.wanted else self.kind


def _prove(largest: int, sum_of_weights: int) -> _Proof:
    """The narrowest float type that holds every integer up to `largest * sum_of_weights`."""
    bound = largest * sum_of_weights
    shown = f"{largest} * {sum_of_weights} = {bound}"
    for kind, bits in _SIGNIFICANT_BITS:
        if bound < 1 << bits:
            integer = torch.int32 if bound <= _INT32_MAX else torch.int64
            return _Proof(kind, integer, f"{str(kind).removeprefix('torch.')}: {shown} < 2**{bits}")
    raise ArithmeticError(f"sums of products up to {shown} are exact in no float type")


@contextmanager
def proved_region(device: str) -> Iterator[None]:
    """Mark float arithmetic as proved, and switch off whatever is not plain IEEE arithmetic on this device.

    A recorded graph holds operations only, so there nothing is switched; what is not plain must be off when it runs.
    """
    if device in _PROVED.devices or is_exporting():
        yield
        return
    outside = _PROVED.devices
    with ExitStack() as stack:
        _plain_arithmetic(stack, device)
        _PROVED.devices = (*outside, device)
        try:
            yield
        finally:
            _PROVED.devices = outside


def is_plain_arithmetic() -> bool:
    """Whether the CPU's float32 arithmetic is plain as torch is set."""
    plain = torch.get_float32_matmul_precision() == "highest"
    return plain and bool(torch.backends.mkldnn.enabled) and not _narrower_parts()


def _plain_arithmetic(stack: ExitStack, device: str) -> None:
    """Only what is not as it must be is changed, for changing costs more than the smallest products."""
    if torch.get_float32_matmul_precision() != "highest":
        stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision("highest")
    if device == "cpu":
        _plain_cpu(stack)
    else:
        # Its fastest algorithms transform with fractions, and its products may be narrower.
        stack.enter_context(torch.backends.cudnn.flags(enabled=False, allow_tf32=False))


def _plain_cpu(stack: ExitStack) -> None:
    if not torch.backends.mkldnn.enabled:
        stack.enter_context(torch.backends.nnpack.flags(enabled=False))  # transforms with fractions
    for part in _narrower_parts():
        stack.callback(setattr, part, "fp32_precision", part.fp32_precision)
        part.fp32_precision = "ieee"


def _narrower_parts() -> list[Any]:
    """Parts of oneDNN whose float32 products are to be narrower than float32."""
    parts: list[Any] = [getattr(torch.backends.mkldnn, name, None) for name in ("conv", "matmul")]
    return [part for part in parts if getattr(part, "fp32_precision", "ieee") not in {"ieee", "none"}]
