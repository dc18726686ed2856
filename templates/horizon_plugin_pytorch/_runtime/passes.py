# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/passes.py
"""Passes over memory in C: fake quantization, its gradient, observation and search.

In: a march, whose C text says how quotients are rounded and what scale a range has. Out: functions of a library that is built
when the first of them is needed; None where there is no compiler. They are written in passes.h, histogram.h and
range_search.h; what they do with tensors is the business of `one_pass`.
"""

import ctypes
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..kernels import load
from .native_build import library

_HEAD = "#include <math.h>\n#include <stdint.h>"
_TEXTS = ("passes.h", "histogram.h", "range_search.h")

_POINTER, _COUNT, _FLOAT, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int
_TYPES = {
    "integers": (*[_POINTER] * 2, _COUNT, _COUNT, _POINTER, _INT, _FLOAT, _FLOAT, _INT),
    "magnitudes": (*[_POINTER] * 2, _COUNT, _COUNT, _INT),
    "squared_errors": (*[_POINTER] * 2, _COUNT, _COUNT, _POINTER, _COUNT, _POINTER, _INT, _FLOAT, _FLOAT, _INT),
    "fake_quantize": (*[_POINTER] * 3, _COUNT, _COUNT, _POINTER, _COUNT, _INT, *[_FLOAT] * 4, _INT),
    "pass_inside": (*[_POINTER] * 3, _COUNT, _INT),
    "clear_outside": (*[_POINTER] * 2, _COUNT, _INT),
    "extremes": (*[_POINTER] * 3, _COUNT, _COUNT, _INT),
    "observe": (_POINTER, _COUNT, _COUNT, _POINTER, _POINTER, _FLOAT, _FLOAT, _INT),
    "observe_and_clamp": (_POINTER, _COUNT, _POINTER, _FLOAT, _FLOAT, _INT),
    "observe_and_fake_quantize": (*[_POINTER] * 3, _COUNT, _COUNT, _POINTER, _POINTER, _INT, _FLOAT, _FLOAT, _INT),
    "search": (_POINTER, _COUNT, _POINTER, _POINTER, _FLOAT, _FLOAT, _INT),
}
_TELL = frozenset({"observe", "observe_and_clamp", "observe_and_fake_quantize", "search"})
"""Functions that return whether they did it."""


class Average(ctypes.Structure):
    """`struct average`: float32 memory of the smallest and largest value and the scale; the weight of a batch; integers."""

    _fields_ = (
        *((name, _POINTER) for name in ("lowest", "highest", "scale")),
        ("constant", _FLOAT),
        ("replaces", _INT),
        *((name, _COUNT) for name in ("bits", "fraction_bits", "low", "high")),
    )


class Search(ctypes.Structure):
    """`struct search`: float32 memory of fractions, how many; how many elements are not counted; bins in a widest step."""

    _fields_ = (
        ("fractions", _POINTER),
        *((name, _COUNT) for name in ("fraction_count", "counted_from", "bins_a_step")),
    )


class _Switch(threading.local):
    off = False


_SWITCH = _Switch()


@contextmanager
def torch_operations_only() -> Iterator[None]:
    """Compute without compiled code, as where there is no compiler: what it is tested against."""
    before, _SWITCH.off = _SWITCH.off, True
    try:
        yield
    finally:
        _SWITCH.off = before


def compiled_code_is_off() -> bool:
    """Whether this is inside of `torch_operations_only`."""
    return _SWITCH.off


@functools.cache
def _source(march: str) -> str:
    folder = Path(__file__).parent
    return "\n".join([_HEAD, load(march).FLOATS_C, *((folder / name).read_text(encoding="utf-8") for name in _TEXTS)])


@functools.cache
def _built(march: str, name: str) -> Callable[..., Any] | None:
    built = library(_source(march))
    if built is None:
        return None
    function: Any = getattr(built, name)
    function.argtypes, function.restype = _TYPES[name], _INT if name in _TELL else None
    return function  # type: ignore[no-any-return]


def compiled_pass(march: str, name: str) -> Callable[..., Any] | None:
    """A function of the library of a march; None where it cannot be built or is switched off."""
    return None if _SWITCH.off else _built(march, name)
