# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/one_pass_forms.py
"""Layers that are one-pass convolutions in another form: rows of features, groups of channels, transposed convolutions.

In: int8 weights [out, in / groups, ...], how the layer moves them, and the program of its tail. Out: a function from int8
features to the layer's integers. The sums and the formula behind them are those of `OnePassConv`; here is only how features and
results lie.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .in_place import Program
from .int8_sums import Window
from .one_pass_conv import OnePassConv, kinds_of

_POINT = Window((1, 1), (0, 0), (1, 1), 1)
_MOST_GROUPS = 8
"""Groups whose products with zeros cost less than a pass over the sums."""
_MOST_CHANNELS = 64
"""Channels of which that is so where products are not those of matrix tiles."""


@dataclass(frozen=True, slots=True)
class OnePassRows:
    """A layer of which each row of features gives a row of results: the pixels of an image one pixel high.

    Attributes:
        conv: the convolution with a window of one pixel.
    """

    conv: OnePassConv

    @classmethod
    def prove(cls, weight: Tensor, program: Program | None, added: int) -> "OnePassRows | None":
        """For a weight [out, in]; as `OnePassConv.prove`."""
        conv = OnePassConv.prove(weight[:, :, None, None], _POINT, program, added)
        return None if conv is None else cls(conv)

    @property
    def proof(self) -> str:
        """Why it is exact."""
        return self.conv.proof

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor | None:
        """int8 [..., in] to [..., out]; None where there is no code for it."""
        if not x.numel():
            return None
        made = self.conv(*(y.reshape(1, 1, -1, y.shape[-1]).permute(0, 3, 1, 2) for y in (x, *others)))
        return None if made is None else made.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def of_groups(weight: Tensor, window: Window, program: Program | None, added: int) -> OnePassConv | None:
    """A convolution of whatever groups; few of them as one of all channels, with zeros where a group does not look."""
    groups, (out, inner) = window.groups, weight.shape[:2]
    if not 1 < groups <= _MOST_GROUPS or inner == 1:
        return OnePassConv.prove(weight, window, program, added)
    dense = weight.new_zeros(groups, out // groups, groups, inner, *weight.shape[2:])
    for group, part in enumerate(weight.chunk(groups)):
        dense[group, :, group] = part
    whole = replace(window, groups=1)
    kinds = kinds_of(whole) if groups * inner <= _MOST_CHANNELS else kinds_of(whole)[:-1]
    return OnePassConv.prove(dense.flatten(2, 3).flatten(0, 1), whole, program, added, kinds) if kinds else None


@dataclass(frozen=True, slots=True)
class Spread:
    """How a transposed convolution moves; each of two numbers, for height and width."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    size: tuple[int, ...]

    def taps(self, dim: int) -> int:
        """How many features a result reads along a dimension."""
        reached = self.size[dim] + max(0, self.output_padding[dim] - self.padding[dim])
        return -(-reached // self.stride[dim])

    def length(self, dim: int, before: int) -> int:
        """Of the result along a dimension."""
        return (before - 1) * self.stride[dim] - 2 * self.padding[dim] + self.size[dim] + self.output_padding[dim]


@dataclass(frozen=True, slots=True)
class OnePassSpread:
    """A transposed convolution: results that lie a stride apart read the same taps, so those between are further channels.

    Attributes:
        conv: the convolution with stride 1 to [N, stride high * stride wide * out, ...].
        spread: how it moves.
    """

    conv: OnePassConv
    spread: Spread

    @classmethod
    def prove(cls, weight: Tensor, spread: Spread, program: Program | None) -> "OnePassSpread | None":
        """For a weight [out, in, h, w], of one group; as `OnePassConv.prove`."""
        if program is None or min(spread.padding) < 0:
            return None
        high, wide = (range(stride) for stride in spread.stride)
        phases = torch.cat([_phase(weight, spread, (i, j)) for i in high for j in wide])
        window = Window((1, 1), (spread.taps(0) - 1, spread.taps(1) - 1), (1, 1), 1)
        conv = OnePassConv.prove(phases, window, _repeated(program, len(phases) // len(weight)), 0)
        return None if conv is None else cls(conv, spread)

    @property
    def proof(self) -> str:
        """Why it is exact."""
        return self.conv.proof

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor | None:
        """int8 [N, in, H, W] to [N, out, ...], channels last; None where there is no code for it."""
        made = None if others else self.conv(x)
        if made is None:
            return None
        high, wide = (self.spread.length(dim, x.shape[2 + dim]) for dim in range(2))
        if min(high, wide) < 1:
            return None
        images, _, rows, columns = made.shape
        last = made.permute(0, 2, 3, 1).reshape(images, rows, columns, *self.spread.stride, -1)
        apart = last.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)
        top, left = self.spread.padding
        return apart[:, top : top + high, left : left + wide].permute(0, 3, 1, 2)


def _phase(weight: Tensor, spread: Spread, first: tuple[int, int]) -> Tensor:
    """The taps of the results at some remainder of the stride, in the order in which a convolution reads them."""
    for dim, (start, stride) in enumerate(zip(first, spread.stride, strict=True), 2):
        read = weight.index_select(dim, torch.arange(start, max(weight.shape[dim], start), stride))
        whole = weight.new_zeros((*weight.shape[:dim], spread.taps(dim - 2), *weight.shape[dim + 1 :]))
        whole.narrow(dim, 0, read.shape[dim]).copy_(read)
        weight = whole.flip(dim)
    return weight


def _repeated(program: Program, times: int) -> Program:
    """The same for so many runs of its channels, one after the other."""

    def repeated(x: Any) -> Any:
        return x.repeat(times) if isinstance(x, Tensor) and x.dim() else x

    steps = (replace(step, operands=tuple(map(repeated, step.operands))) for step in program.steps)
    return replace(program, steps=tuple(steps))
