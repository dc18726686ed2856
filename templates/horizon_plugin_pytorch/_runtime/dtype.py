# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/dtype.py
"""Quantized dtypes as values: a name that knows its width, range and storage.

In: facts from the generated `dtype` module. Out: `QuantDType`, which is a `str` so that documented scripts may pass and
compare names, and the lookups that accept every documented spelling of a dtype.
"""

from collections.abc import Mapping
from typing import Self

import torch

from .user_input import did_you_mean


class QuantDType(str):
    """A quantized dtype; compares, hashes and prints as its name; read-only."""

    __slots__ = ("_bits", "_max", "_min", "_storage")
    _bits: int
    _min: int
    _max: int
    _storage: torch.dtype

    def __new__(cls, name: str, *, bits: int, min: int, max: int, storage: torch.dtype) -> Self:
        """See the class."""
        self = super().__new__(cls, name)
        for slot, value in (("_bits", bits), ("_min", min), ("_max", max), ("_storage", storage)):
            object.__setattr__(self, slot, value)
        return self

    @property
    def bits(self) -> int:
        """Width in bits."""
        return self._bits

    @property
    def min(self) -> int:
        """The smallest integer."""
        return self._min

    @property
    def max(self) -> int:
        """The largest integer."""
        return self._max

    @property
    def signed(self) -> bool:
        """Whether negative integers exist."""
        return self._min < 0

    @property
    def storage(self) -> torch.dtype:
        """The torch dtype that integers are stored in."""
        return self._storage

    @property
    def fraction_bits(self) -> int:
        """`bits - 1`, the width of the magnitude."""
        return self._bits - 1

    def with_range(self, minimum: int, maximum: int) -> "QuantDType":
        """The same dtype with a narrower range of integers."""
        return type(self)(str(self), bits=self._bits, min=minimum, max=maximum, storage=self._storage)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self} is read-only: cannot set {name}")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (str(self), self._bits, self._min, self._max, self._storage)


def _rebuild(name: str, bits: int, minimum: int, maximum: int, storage: torch.dtype) -> QuantDType:
    return QuantDType(name, bits=bits, min=minimum, max=maximum, storage=storage)


class QuantInfo:
    """Range and storage of a quantized dtype, as `qinfo` returns them.

    Attributes:
        min: smallest integer.
        max: largest integer.
    """

    def __init__(self, dtype: QuantDType) -> None:
        self.dtype = dtype
        self.min: int = dtype.min
        self.max: int = dtype.max
        self._storage_type: torch.dtype = dtype.storage

    def __repr__(self) -> str:
        return f"qinfo({self.dtype}, min={self.min}, max={self.max})"


def find_dtype(
    dtype: object, dtypes: Mapping[str, QuantDType], aliases: Mapping[torch.dtype, QuantDType]
) -> QuantDType:
    """The quantized dtype that an object, a name ("qint8", "torch.qint8") or a torch dtype stands for.

    Raises:
        ValueError: an unknown name, or a torch dtype that is no quantized dtype.
        TypeError: something else altogether.
    """
    if isinstance(dtype, QuantDType):
        return dtype
    known = f"known: {', '.join(dtypes)}"
    if isinstance(dtype, str):
        name = dtype.removeprefix("torch.")
        if name not in dtypes:
            raise ValueError(f"unknown quantized dtype {dtype!r}; {known}{did_you_mean(name, dtypes)}")
        return dtypes[name]
    if isinstance(dtype, torch.dtype):
        if dtype not in aliases:
            raise ValueError(f"{dtype} is no quantized dtype; {known}")
        return aliases[dtype]
    raise TypeError(f"a quantized dtype is given as an object, a name or a torch dtype, not {dtype!r}; {known}")
