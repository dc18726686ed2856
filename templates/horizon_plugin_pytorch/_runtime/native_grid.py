# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_grid.py
"""Feature maps read at the rows and columns of a grid, in one compiled pass.

In: int8 maps and where they are read: nearest elements, or neighbours with weights. Out: int8 maps that lie in memory as they
did. Blending is the march's own, in 32 bits where intervals prove for all weights that these hold it.
"""

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .exact import may_choose
from .interval import run_on_intervals
from .native_build import library
from .native_loop import functions_of, header_of
from .sampling import Taps

_BYTE = torch.tensor([-128]), torch.tensor([127])
_KERNELS = ("blend_across", "blend_down")


class _Taps(ctypes.Structure):
    """`taps` of grid.h."""

    _fields_ = (("count", ctypes.c_int64), *((name, ctypes.c_void_p) for name in ("first", "second", "weight")))


class _Grid(ctypes.Structure):
    """`grid` of grid.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "high", "wide", "channels")),
        ("rows", _Taps),
        ("columns", _Taps),
    )


@dataclass(frozen=True, slots=True)
class NativeGrid:
    """A grid for maps of one size; call it with int8 maps [N, C, H, W] on the CPU.

    Attributes:
        library: the compiled loops.
        blends: whether neighbours are blended; else elements are copied.
        rows: int32 [3, rows]: first elements, second ones, weights; one row of the first alone where nothing is blended.
        columns: the same.
        proof: why it is exact.
    """

    library: Any
    blends: bool
    rows: Tensor
    columns: Tensor
    proof: str

    @classmethod
    def nearest(cls, kernels: ModuleType, rows: Tensor, columns: Tensor) -> "NativeGrid | None":
        """Of elements at some indices; None where nothing can be compiled."""
        built = _compiled(kernels, 32)
        places = [index.to(torch.int32)[None] for index in (rows, columns)]
        return None if built is None else cls(built, False, places[0], places[1], "one pass: elements are copied")

    @classmethod
    def blended(cls, kernels: ModuleType, rows: Taps, columns: Taps) -> "NativeGrid | None":
        """Of neighbours; None where nothing can be compiled."""
        across, down = (getattr(kernels, name) for name in _KERNELS)
        weights = [(taps.weight.amin().reshape(1), taps.weight.amax().reshape(1)) for taps in (rows, columns)]
        first = run_on_intervals(lambda *x: across(*x[:-1]), None, (_BYTE, _BYTE, weights[1]))
        reach = None if first is None else (first[1].low, first[1].high)
        second = None if reach is None else run_on_intervals(lambda *x: down(*x[:-1]), None, (reach, reach, weights[0]))
        proved = second is not None and first[1].reach.fits_int32 and second[1].reach.fits_int32
        bits = 32 if proved else 64
        built = _compiled(kernels, bits)
        taps = [torch.stack([*t.both, t.weight]).to(torch.int32) for t in (rows, columns)]
        return None if built is None else cls(built, True, taps[0], taps[1], f"one pass, blended in int{bits}")

    def __call__(self, x: Tensor) -> Tensor | None:
        """int8 [N, C, rows, columns]; None of maps of another kind, or off the CPU."""
        if x.dtype != torch.int8 or not x.is_cpu or not may_choose(x) or not x.numel():
            return None
        images, channels, high, wide = x.shape
        last = x.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        x = x.contiguous(memory_format=layout)
        size = (images, channels, self.rows.shape[1], self.columns.shape[1])
        y = torch.empty(size, dtype=torch.int8, memory_format=layout)
        around = (images, high, wide, channels) if last else (images * channels, high, wide, 1)
        grid = _Grid(*around, _taps(self.rows), _taps(self.columns))
        run = self.library.blend if self.blends else self.library.pick
        failed = run(ctypes.byref(grid), x.data_ptr(), y.data_ptr(), torch.get_num_threads())
        return None if failed else y


def _taps(held: Tensor) -> _Taps:
    return _Taps(held.shape[1], *(row.data_ptr() for row in held))


def _compiled(kernels: ModuleType, bits: int) -> Any:
    """The library; None where a march has no such functions, or nothing can be compiled."""
    header = header_of(kernels)
    return _built(header, bits) if set(_KERNELS) <= set(functions_of(header)) else None


@functools.cache
def _built(header: Path, bits: int) -> Any:
    parts = (header.with_name("elements.h"), Path(__file__).with_name("grid.h"))
    elements, loops = (path.read_text(encoding="utf-8") for path in parts)
    functions = (functions_of(header)[name].text for name in _KERNELS)
    built: Any = library("\n".join((f"#define WORD_BITS {bits}", elements, *functions, loops)))
    if built is None:
        return None
    for run, result in ((built.pick, None), (built.blend, ctypes.c_int)):
        run.argtypes, run.restype = (*[ctypes.c_void_p] * 3, ctypes.c_int), result
    return built
