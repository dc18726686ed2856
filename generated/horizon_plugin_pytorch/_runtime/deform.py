# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/deform.py
"""Convolution whose taps are read at places of their own: the regular ones plus learned offsets.

In: a feature map [N, C, H, W] and offsets [N, 2 * G * kh * kw, h, w], (y, x) of each tap for each of G groups of channels.
Out: float, QAT and quantized modules. The taps are read first, zeros outside, at the scale of the map; what was read is
then convolved without overlap: stride is the kernel's size. The march's kernels say where a tap lies and what is rounded.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from .errors import ArgumentError
from .exact_qat import straight_through
from .int8_sums import Window
from .layout import IMAGE_DIMS
from .module_tree import adopt
from .qat_module import QATWeighted, raw
from .qtensor import QTensor
from .quantized_module import Scaled
from .quantized_weighted import QuantizedWeighted
from .sampling import Taps, blend_places, pick

_WIDEST = 16
Size = int | tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Shape:
    """The sizes of one call.

    Attributes:
        groups: how many groups of channels have offsets of their own.
        taps: (kh, kw).
        out: (h, w).
        size: (H, W) of the map.
    """

    groups: int
    taps: tuple[int, int]
    out: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, module: Any, x: Tensor, offset: Tensor) -> Self:
        """Check the inputs of a module.

        Raises:
            ArgumentError: sizes that do not fit.
        """
        name, taps = type(module).__name__, module.kernel_size
        if x.dim() != IMAGE_DIMS or x.shape[1] != module.in_channels:
            raise ArgumentError(f"{name} takes [N, {module.in_channels}, H, W], not {list(x.shape)}")
        size = (int(x.shape[2]), int(x.shape[3]))
        out = tuple(_out_size(module, size))
        groups = max(int(offset.shape[1]) // (2 * math.prod(taps)), 1) if offset.dim() == IMAGE_DIMS else 1
        expected = (x.shape[0], 2 * groups * math.prod(taps), *out)
        if tuple(offset.shape) != expected or x.shape[1] % groups:
            raise ArgumentError(
                f"{name}: offsets must be [{x.shape[0]}, 2 * groups * {math.prod(taps)}, {out[0]}, {out[1]}], with groups "
                f"that divide {x.shape[1]} channels, not {list(offset.shape)}"
            )
        return cls(groups, taps, out, size)  # type: ignore[arg-type]

    @property
    def longest(self) -> int:
        """The longest side of the map and of the taps that are read from it."""
        return max(*self.size, *(taps * out for taps, out in zip(self.taps, self.out, strict=True)))

    def spread(self, x: Tensor, leading: int = 1) -> Tensor:
        """[N, groups * kh * kw * leading, h, w] as [leading, N * groups, h, kh, w, kw]."""
        x = x.reshape(-1, self.groups, *self.taps, leading, *self.out)
        return x.permute(4, 0, 1, 5, 2, 6, 3).flatten(1, 2)

    def by_group(self, x: Tensor) -> Tensor:
        """[N, C, ...] as [N * groups, C / groups, ...]."""
        return x.reshape(-1, x.shape[1] // self.groups, *x.shape[2:])

    def side_by_side(self, read: Tensor) -> Tensor:
        """[N * groups, C / groups, h, kh, w, kw] as [N, C, h * kh, w * kw]."""
        (kh, kw), (h, w) = self.taps, self.out
        return read.reshape(-1, self.groups * read.shape[1], h * kh, w * kw)


class Deformed(nn.Module):
    """A convolution with an offset for each tap of each output element.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        kernel_size: (kh, kw), or one number for both; so are the next three.
        stride: elements between the taps of neighbouring outputs.
        padding: elements of zeros around the map.
        dilation: elements between taps.
        groups: the weight's groups of channels; those of the offsets are found in their shape.
        bias: whether a bias is added.
    """

    _OP: str
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(f"{groups} groups do not divide {in_channels} and {out_channels} channels")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair(kernel_size)
        self.stride = _pair(stride)
        self.padding = _pair(padding)
        self.dilation = _pair(dilation)
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize the weight as convolutions do, and the bias likewise."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    @classmethod
    def from_float(cls, mod: nn.Module) -> Self:
        """Take the place of a module with the same attributes; its parameters are shared."""
        module = cls.__new__(cls)
        adopt(module, mod)
        return module

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """Float map, offsets and factors of the taps to [N, out_channels, h, w].

        Args:
            input: [N, C, H, W].
            offset: [N, 2 * G * kh * kw, h, w], in elements.
            mask: [N, G * kh * kw, h, w]; None: every tap counts fully.

        Raises:
            ArgumentError: sizes that do not fit.
        """
        shape = _Shape.of(self, input, offset)
        read = _read(self, shape, input, offset)
        if mask is not None:
            read = read * shape.spread(mask)[0].unsqueeze(1)
        return _convolved(self, shape.side_by_side(read), self.weight, self.bias)

    def extra_repr(self) -> str:
        """What was asked for."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, groups={self.groups}, bias={self.bias is not None}"
        )


def _pair(value: Size) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _out_size(module: Any, size: tuple[int, int]) -> Iterator[int]:
    settings = zip(size, module.kernel_size, module.stride, module.padding, module.dilation, strict=True)
    for length, taps, stride, padding, dilation in settings:
        yield (length + 2 * padding - dilation * (taps - 1) - 1) // stride + 1


def _places(module: Any, shape: _Shape, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows [h, kh, 1, 1] and columns [w, kw] of the regular taps, int64."""
    rows, columns = (
        torch.arange(shape.out[d], device=device)[:, None] * module.stride[d]
        + torch.arange(shape.taps[d], device=device) * module.dilation[d]
        - module.padding[d]
        for d in (0, 1)
    )
    return rows[:, :, None, None], columns


def _read(module: Any, shape: _Shape, x: Tensor, offset: Tensor) -> Tensor:
    """Float values of the taps: [N * groups, C / groups, h, kh, w, kw]; gradients reach the offsets."""
    pairs = zip(_places(module, shape, x.device), shape.spread(offset, 2), strict=True)
    (row, y), (column, x_) = (
        (p.floor().to(torch.int64), (p - p.floor()).unsqueeze(1)) for p in (a + b for a, b in pairs)
    )
    grouped = shape.by_group(x)
    top, bottom = (
        torch.lerp(pick(grouped, r, column, zeros=True), pick(grouped, r, column + 1, zeros=True), x_)
        for r in (row, row + 1)
    )
    return torch.lerp(top, bottom, y)


def _read_integers(module: Any, shape: _Shape, x: Tensor, offset: QTensor) -> Tensor:
    """The same of integers, int8."""
    k = module.compute
    p = k.derive_deform_position(s=offset.q_scale(), longest=shape.longest, input=offset.dtype)
    pairs = zip(_places(module, shape, x.device), shape.spread(offset.int_repr(), 2), shape.size, strict=True)
    rows, columns = (Taps.at(k, k.deform_position(base, given, p), size) for base, given, size in pairs)
    return blend_places(k, shape.by_group(x), rows, columns, zeros=True)


def _convolved(module: Any, read: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Taps that lie side by side, convolved without overlap."""
    return torch.convolution(read, weight, bias, module.kernel_size, (0, 0), (1, 1), False, (0, 0), module.groups)


def _check_integers(module: Any, offset: Tensor, mask: Tensor | None) -> None:
    name = type(module).__name__
    if mask is not None:
        raise NotImplementedError(f"{name}: a mask has no integer form; leave it out, and train without it")
    if offset is not None and (not isinstance(offset, QTensor) or offset.dtype.bits > _WIDEST):
        raise NotImplementedError(
            f"{name}: offsets must be quantized in 8 or 16 bits, not {offset.dtype}: quantize the output of the layer that "
            f"computes them, 16 bits for accuracy"
        )


class QATDeformed(QATWeighted):
    """A deformed convolution of fake-quantized values; the taps that are read are those of the integers."""

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """As the float module, without a mask; a QTensor, or a plain tensor without activation quantizer."""
        x, shape = self._admit(input), _Shape.of(self, input, offset)
        _check_integers(self, offset if isinstance(input, QTensor) else None, mask)  # type: ignore[arg-type]
        read = _read(self, shape, x, raw(offset))
        if isinstance(input, QTensor) and isinstance(offset, QTensor) and self.quantizes:
            with torch.no_grad():
                integers = _read_integers(self, shape, input.int_repr(), offset)
                values = integers.to(torch.float32) * input.q_scale()
            read = straight_through(read, values)
        weight, bias = self.fake_quantized_weight(), self.simulated_bias()
        return self._finish(_convolved(self, shape.side_by_side(read), weight, bias))


class QuantizedDeformed(QuantizedWeighted):
    """A deformed convolution of integers."""

    _TRAILING = 2
    kernel_size: tuple[int, int]
    groups: int

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """Only the map's scale enters the sums."""
        return super().bind(inputs[0])

    def forward(self, input: QTensor, offset: QTensor, mask: Tensor | None = None) -> QTensor:
        """int8 map and int8 or int16 offsets to integers; an int32 accumulator when the output is not quantized."""
        _check_integers(self, offset, mask)
        shape = _Shape.of(self, input, offset)
        read = QTensor(
            shape.side_by_side(_read_integers(self, shape, input.int_repr(), offset)), input.scale, input.dtype
        )
        return self._finish(self._compute(read), read)

    def _window(self) -> Window:
        """Taps that lie side by side are read without overlap."""
        return Window(_pair(self.kernel_size), (0, 0), (1, 1), self.groups)

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        return _convolved(self, x, weight, None)
