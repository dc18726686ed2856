# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/one_pass_conv.py
"""Convolutions in one pass over memory: 8-bit products, sums in registers, the march's formula, one int8 store.

In: an int8 weight [out, in / groups, h, w], where the window moves, and the program of the layer's tail. Out: a function from
int8 features to int8 results, or to int32 accumulators. There are three loops: of each channel by itself (conv_depthwise.h);
of all channels by matrix tiles where the processor has them (conv_tiles.h), else in registers (conv_dense.h). The formula
behind the sums is the tail's program, so its rounding is stated nowhere else.
"""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .. import kernels
from .exact import channel_sums
from .in_place import Program
from .int8_sums import OFFSET, Window
from .interval import INT32
from .layout import IMAGE_DIMS
from .native_build import library, processor
from .program_c import LANES, TYPES, Finish, whole_lanes

_QUAD = 4
_LARGEST = 2 * OFFSET - 1
_MOST_RUNS = 64
_MOST_SHAPES = 64
ARGUMENTS = (ctypes.c_void_p, *[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 3, ctypes.c_int)
"""Of the compiled loops: the layer; images, height, width; features, what is added, results; threads."""


class _Layer(ctypes.Structure):
    """`struct layer` of conv_layer.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weight", "start", "params", "ends")),
        *((name, ctypes.c_int64) for name in ("channels_in", "channels_out", "high", "wide")),
        *((name, ctypes.c_int64 * 2) for name in ("stride", "padding", "dilation")),
    )


@dataclass(frozen=True, slots=True)
class OnePassConv:
    """A convolution of a layer; call it with int8 features, and what the layer adds. It packs its weight when first called.

    Attributes:
        run: the compiled loop.
        kind: which one.
        weight: int8 [out, in / groups, h, w].
        window: where the window moves.
        finish: the formula.
        result: the type of the results.
        proof: why it is exact.
    """

    run: Callable[..., int]
    kind: str
    weight: Tensor
    window: Window
    finish: Finish
    result: torch.dtype
    proof: str
    _packed: list[tuple[_Layer, tuple[Tensor, ...]]] = field(default_factory=list)
    _shapes: dict[torch.Size, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def prove(
        cls, weight: Tensor, window: Window, program: Program | None, added: int, kinds: tuple[str, ...] = ()
    ) -> "OnePassConv | None":
        """None where the shape is not for it, int32 does not hold the sums, or nothing can be compiled.

        Args:
            weight: int8 [out, in / groups, h, w].
            window: where it moves.
            program: from sums to results; None: not known.
            added: how many further operands it takes, all int8: none or one.
            kinds: the loops to choose from; none given: all that there are for such a window.
        """
        largest = OFFSET * weight[0].numel()
        if program is None or program.result not in TYPES or not possible(weight, window):
            return None
        if _LARGEST * largest > INT32.max:
            largest = int(channel_sums(weight).max())
        finish = Finish.of(program, 1 + added)
        kind, run = _fastest(finish.text, kinds or kinds_of(window)) if _LARGEST * largest <= INT32.max else ("", None)
        if run is None:
            return None
        proof = f"one pass, {kind}: {_LARGEST} * {largest} = {_LARGEST * largest} < 2**31"
        return cls(run, kind, weight, window, finish, program.result, proof)

    def __call__(self, x: Tensor, *others: Tensor, out: Tensor | None = None) -> Tensor | None:
        """Results [N, C, H, W], channels last; None for operands that lie or look otherwise than expected, or off the CPU.

        Args:
            x: int8 [N, C, H, W].
            others: what is added, int8 in the shape of the result.
            out: memory for the result, channels last.
        """
        if not all(y.is_cpu for y in (x, *others)):  # the weight may have been made here, or the model moved since
            return None
        shape = self._shapes.get(x.shape) or self._shape(x)
        if not shape or x.dtype != torch.int8 or any(y.shape != shape or y.dtype != torch.int8 for y in others):
            return None
        read = [y.contiguous(memory_format=torch.channels_last) for y in (x, *others)]
        if out is None:
            out = torch.empty(shape, dtype=self.result, memory_format=torch.channels_last)
        layer, _ = self._packed[0] if self._packed else self._pack()
        count, _, high, wide = x.shape
        where = (read[0].data_ptr(), read[1].data_ptr() if others else None, out.data_ptr())
        failed = self.run(ctypes.byref(layer), count, high, wide, *where, torch.get_num_threads())
        return None if failed else out

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        """Of the result; empty where there is none."""
        if x.dim() != IMAGE_DIMS or x.shape[1] != self.weight.shape[1] * self.window.groups:
            return ()
        w, size = self.window, self.weight.shape[2:]
        moved = (
            (x.shape[2 + i] + 2 * w.padding[i] - w.dilation[i] * (size[i] - 1) - 1) // w.stride[i] + 1 for i in range(2)
        )
        shape = (x.shape[0], len(self.weight), *moved)
        if min(shape) < 1:
            return ()
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[x.shape] = shape
        return shape

    def _pack(self) -> tuple[_Layer, tuple[Tensor, ...]]:
        """The layer's constants, and the tensors whose memory they are in."""
        weight, window = self.weight, self.window
        start = whole_lanes(-OFFSET * weight.flatten(1).sum(1, dtype=torch.int32))
        held = (_PACKED[self.kind](weight, window), start, *self.finish.constants(len(weight)))
        sizes = (weight.shape[1] * window.groups, len(weight), weight.shape[2], weight.shape[3])
        layer = _Layer(*(x.data_ptr() for x in held), *sizes)
        layer.stride, layer.padding, layer.dilation = window.stride, window.padding, window.dilation
        self._packed.append((layer, held))
        return self._packed[0]


def possible(weight: Tensor, window: Window) -> bool:
    """Whether there is a loop for a convolution: over all channels together, or over each by itself."""
    runs = weight.shape[2] * (1 if window.dilation[1] == 1 else weight.shape[3])
    if weight.device.type != "cpu" or weight.dtype != torch.int8 or runs > _MOST_RUNS:
        return False
    return window.groups == 1 or (window.groups == len(weight) and weight.shape[1] == 1)


def kinds_of(window: Window) -> tuple[str, ...]:
    """The loops for a convolution, the fastest first."""
    if window.groups > 1:
        return ("depthwise",)
    return ("tiles", "dense") if window.stride[0] % window.stride[1] == 0 else ("dense",)


def _fastest(finish: str, kinds: tuple[str, ...]) -> tuple[str, Callable[..., int] | None]:
    """The first of some loops that is to be had; None: none is."""
    return next(((kind, run) for kind in kinds if (run := _compiled(finish, kind)) is not None), ("", None))


@functools.cache
def _compiled(finish: str, kind: str) -> Callable[..., int] | None:
    """A loop with the formula of a tail; None where nothing can be compiled, or the processor lacks what it is made for."""
    if kind == "tiles" and "amx_int8" not in processor():
        return None
    built = library(source(finish, kind))
    if built is None or (kind == "tiles" and not built.has_tiles()):
        return None
    run: Any = built.run
    run.argtypes, run.restype = ARGUMENTS, ctypes.c_int
    return run  # type: ignore[no-any-return]


def source(finish: str, kind: str, portable: bool = False) -> str:
    """The C file: the formula of a tail and the loops; `portable`: in plain C for any processor."""
    names = ("conv_layer", *(() if kind == "depthwise" else ("conv_image",)), f"conv_{kind}")
    loops = (Path(__file__).with_name(f"{name}.h").read_text(encoding="utf-8") for name in names)
    elements = Path(str(kernels.__file__)).with_name("elements.h").read_text(encoding="utf-8")
    return "\n".join([*["#define PORTABLE"] * portable, elements, finish, *loops])


def _dense_weight(weight: Tensor, window: Window, quads: int = 1) -> Tensor:
    """[out / 16][runs][quads of a run, whole][16][4]."""
    out, _, high, wide = weight.shape
    runs = high if window.dilation[1] == 1 else high * wide
    rows = weight.permute(0, 2, 3, 1).reshape(out, runs, -1)
    rows = whole_lanes(functional.pad(rows, (0, -rows.shape[2] % (_QUAD * quads))))
    return rows.view(-1, LANES, runs, rows.shape[2] // _QUAD, _QUAD).permute(0, 2, 3, 1, 4).contiguous()


def _depthwise_weight(weight: Tensor, window: Window) -> Tensor:
    """[channels / 16][rows / 4][columns][16][4]."""
    _, _, high, wide = weight.shape
    taps = whole_lanes(functional.pad(weight[:, 0], (0, 0, 0, -high % _QUAD)))
    return taps.view(-1, LANES, taps.shape[1] // _QUAD, _QUAD, wide).permute(0, 2, 4, 1, 3).contiguous()


_PACKED: dict[str, Callable[[Tensor, Window], Tensor]] = {
    "tiles": functools.partial(_dense_weight, quads=LANES),
    "dense": _dense_weight,
    "depthwise": _depthwise_weight,
}
"""How weights lie for each loop."""
