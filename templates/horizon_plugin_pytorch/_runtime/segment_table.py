# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/segment_table.py
"""Tables of a function of one variable, made from scales: 256 entries for int8, or segments.

In: the kernels of a march, a float function, its settings, and scale and dtype of input and output. Out: the tensors that
the kernels `lut` and `segment_lookup` read. Loops over points are here; where the points lie, how they are rounded and how many
there are say the kernels. Everything is float32 on the CPU, so that tables do not depend on the device.

    table = make_table(kernels, function, TableOptions(), s_in, s_out, input, output)
    y = table.look_up(kernels, x)  # integers to integers
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from .dtype import QuantDType
from .table_options import CURVATURE, Function, TableOptions

_TABLES = ("limits", "k", "b", "left", "right", "values")


class Table(Protocol):
    """Integers to integers."""

    def to(self, device: torch.device) -> Self:
        """The same on a device."""

    def look_up(self, kernels: Any, x: Tensor) -> Tensor:
        """The table's output for int8 or int16 inputs, of their shape."""


@dataclass(frozen=True, slots=True)
class ByteTable:
    """One entry for every int8 input."""

    entries: Tensor

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return replace(self, entries=self.entries.to(device))

    def look_up(self, kernels: Any, x: Tensor) -> Tensor:
        """The entry of each input."""
        found: Tensor = kernels.lut(x, self.entries)
        return found


@dataclass(frozen=True, slots=True)
class SegmentTable:
    """Two lines and the tables between them.

    Attributes:
        limits: the largest input of each segment, rising.
        k, b, left, right: each segment's line; that of a table gives positions in it, with fraction bits.
        values: the entries of all tables, one table after the other.
        odd: look up |x| and give the sign back.
        input, output: dtypes.
    """

    limits: Tensor
    k: Tensor
    b: Tensor
    left: Tensor
    right: Tensor
    values: Tensor
    odd: bool
    input: QuantDType
    output: QuantDType

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TABLES})

    def look_up(self, kernels: Any, x: Tensor) -> Tensor:
        """The value of each input."""
        tables = {name: getattr(self, name) for name in _TABLES}
        if not self.odd:
            found: Tensor = kernels.segment_lookup(x, **tables, output=self.output)
            return found
        mirrored: Tensor = kernels.segment_lookup(kernels.lut_fold(x, input=self.input), **tables, output=self.output)
        unfolded: Tensor = kernels.lut_unfold(x, mirrored, output=self.output)
        return unfolded


@dataclass(frozen=True, slots=True)
class Computed:
    """No table at all: a kernel of its own, and the integers that it derived from the scales."""

    kernel: str
    params: Any
    output: QuantDType

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return replace(self, params=type(self.params)(*(p.to(device) for p in self.params)))

    def look_up(self, kernels: Any, x: Tensor) -> Tensor:
        """The kernel's output for each input."""
        computed: Tensor = getattr(kernels, self.kernel)(x, self.params, output=self.output)
        return computed


@dataclass(frozen=True, slots=True)
class Maker:
    """What a table is made for; `kernels` are those of a march, scales are float32."""

    kernels: Any
    function: Function
    options: TableOptions
    s_in: Tensor
    s_out: Tensor
    input: QuantDType
    output: QuantDType

    def value(self, x: Tensor) -> Tensor:
        """The function at float32 points; where it is NaN beyond the range, at the end of that.

        Raises:
            ValueError: it is NaN inside.
        """
        y = self.function(x).to(torch.float32)
        if bool(torch.isnan(y).any()):
            y = torch.where(torch.isnan(y), self.function(torch.clamp(x, *self.range())).to(torch.float32), y)
        if bool(torch.isnan(y).any()):
            first = x[torch.isnan(y)][0].item()
            raise ValueError(
                f"the function to tabulate is NaN at {first:g}, which the input's scale {self.s_in.item():g} and dtype "
                f"{self.input} reach: narrow input_range, or the range of the input"
            )
        return y

    def real(self, integers: Tensor | int, scale: Tensor) -> Tensor:
        """The values that integers stand for."""
        values: Tensor = self.kernels.dequantize(torch.as_tensor(integers), scale)
        return values

    def quantized(self, y: Tensor) -> Tensor:
        """Values as integers of the output, int64."""
        integers: Tensor = self.kernels.quantize_activation(y, self.s_out, output=self.output)
        return integers.to(torch.int64)

    def range(self) -> tuple[Tensor, Tensor]:
        """Both ends of what is tabulated."""
        low, high = self.real(self.input.min, self.s_in), self.real(self.input.max, self.s_in)
        narrowed = self.options.input_range or (None, None)
        if narrowed[0] is not None:
            low = torch.maximum(low, torch.tensor(narrowed[0], dtype=torch.float32))
        if narrowed[1] is not None:
            high = torch.minimum(high, torch.tensor(narrowed[1], dtype=torch.float32))
        if (steps := self.options.least(self.input)) is not None:
            low = torch.maximum(low, self.real(steps, self.s_in))
        if self.options.is_centrosymmetric:
            low = torch.clamp(low, min=0)
        return self._unsaturated(low, high)

    def _unsaturated(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """The range without the part where the output saturates, as far as inverse functions say where that is."""
        if self.options.upper_inverse is not None:
            end = self.options.upper_inverse(self.real(self.output.max, self.s_out))
            high = torch.maximum(torch.minimum(high, end), low)
        if self.options.inverse_func is not None:
            probes = self.function(self.kernels.segment_probe(torch.arange(2, dtype=torch.int8), high))
            end_of_output = self.output.max if bool(probes[0] > probes[1]) else self.output.min
            low = torch.fmin(torch.fmax(low, self.options.inverse_func(self.real(end_of_output, self.s_out))), high)
        return low, high


def make_table(
    kernels: Any,
    function: Function,
    options: TableOptions,
    s_in: Tensor,
    s_out: Tensor,
    input: QuantDType,
    output: QuantDType,
) -> Table:
    """What a march computes a function with: 256 entries from int8 to int8, else segments, or a kernel of its own.

    Raises:
        ValueError: the function is NaN somewhere in the range, or a scale is not one number.
    """
    if s_in.numel() != 1 or s_out.numel() != 1:
        raise ValueError(f"a table needs one scale for all channels, not {s_in.numel()} and {s_out.numel()}")
    scale, output_scale = (s.detach().reshape(()).to("cpu", torch.float32) for s in (s_in, s_out))
    maker = Maker(kernels, function, options, scale, output_scale, input, output)
    with torch.no_grad():
        if input.storage is output.storage is torch.int8:
            return _byte_table(maker)
        return _segment_table(maker) if options.kernel is None else _computed(maker, options.kernel)


def _computed(m: Maker, kernel: str) -> Computed:
    derive = getattr(m.kernels, f"derive_{kernel}")
    return Computed(kernel, derive(s_in=m.s_in, s_out=m.s_out, output=m.output), m.output)


def _byte_table(m: Maker) -> ByteTable:
    """The function at every input; an odd one that is NaN below 0 is mirrored, as segments are."""
    integers = torch.arange(m.input.min, m.input.max + 1).to(m.input.storage)
    x = m.kernels.lut_point(integers, m.s_in)
    y = m.function(x).to(torch.float32)
    if m.options.is_centrosymmetric:
        mirrored = m.value(x.abs())
        y = torch.where(torch.isnan(y), torch.where(x < 0, -mirrored, mirrored), y)
    else:
        y = m.value(x)
    return ByteTable(m.quantized(y))


def _segment_table(m: Maker) -> SegmentTable:
    low, high = m.range()
    limits = m.kernels.segment_limit(_dividing_points(m, low, high), m.s_in)
    limits[-1] = m.input.max
    points = m.real(limits, m.s_in)
    lines, values = _lines(m, points, limits, low, high), _tables(m, points)
    p = m.kernels.derive_segment_line(**lines, s_in=m.s_in)
    return SegmentTable(
        limits.to(torch.int64), p.k_q, p.b_q, p.left, p.right, values, m.options.is_centrosymmetric, m.input, m.output
    )


def _dividing_points(m: Maker, low: Tensor, high: Tensor) -> Tensor:
    """The upper ends of the left line and of the tables, and one beyond: float32, rising."""
    count = int(m.kernels.segment_tables()) + 2
    if (given := m.options.dividing_points) is not None:
        if len(given) != count:
            raise ValueError(f"dividing_points must be {count} values, not {len(given)}")
        return torch.tensor(given, dtype=torch.float32)
    if m.options.auto_divide_strategy == CURVATURE:
        return _by_curvature(m, low, high, count)
    points: Tensor = m.kernels.segment_even_point(torch.arange(count), low, high)
    return points


def _by_curvature(m: Maker, low: Tensor, high: Tensor, count: int) -> Tensor:
    """Points between which the area under |curvature| is the same."""
    samples, tables = int(m.kernels.segment_samples()), int(m.kernels.segment_tables())
    h = m.kernels.segment_sample_step(low, high)
    x = m.kernels.segment_sample_point(torch.arange(samples + 1), low, h)
    y = m.value(x)
    slope = m.kernels.segment_difference(y[:-1], y[1:], h)
    curvature = m.kernels.segment_difference(slope[:-1], slope[1:], h).abs()
    if not bool(torch.isfinite(curvature).all()):
        at = x[:-2][~torch.isfinite(curvature)][0].item()
        raise ValueError(f"the function to tabulate is not finite near {at:g}: narrow input_range")
    area = torch.cumsum(torch.cat((curvature, curvature[-1:])).to(torch.float64), 0).to(torch.float32)
    points = [low]
    for end, part in zip(x[1:], m.kernels.segment_part(area, area[-1]).tolist(), strict=True):
        if part > tables:
            break
        if part > len(points):
            points.append(end)
    points.append(x[-1])
    return torch.stack([*points, *[high] * (count - len(points))])


def _tables(m: Maker, points: Tensor) -> Tensor:
    """The entries of all tables, integers of the output."""
    j = torch.arange(int(m.kernels.segment_entries()))
    x = m.kernels.segment_table_point(j, points[:-2, None], points[1:-1, None])
    return m.quantized(m.value(x).flatten())


def _lines(m: Maker, points: Tensor, limits: Tensor, low: Tensor, high: Tensor) -> dict[str, Tensor]:
    """Slope and offset of every segment's line, and the scale of its value."""
    k = m.kernels
    last = k.segment_last_position().to(torch.float32)
    nothing = torch.zeros_like(points[:-2])
    slope = k.line_slope(points[:-2], nothing, points[1:-1], last)
    offset = k.line_offset(slope, points[:-2], nothing)
    gradients = m.options.gradients or (None, None)
    left = _outer_line(m, gradients[0], points[0], points[1], low, bool(k.segment_limit(low, m.s_in) == limits[0]))
    right = _outer_line(
        m, gradients[1], points[-2], points[-1], high, bool(k.segment_limit(high, m.s_in) == limits[-2])
    )
    one = torch.ones(())
    scales = [m.s_out, *[one] * len(slope), m.s_out]
    return {
        "k": torch.stack([left[0], *slope, right[0]]),
        "b": torch.stack([left[1], *offset, right[1]]),
        "s_out": torch.stack(scales),
    }


def _outer_line(
    m: Maker, gradient: float | None, start: Tensor, neighbour: Tensor, end: Tensor, at_end: bool
) -> tuple[Tensor, Tensor]:
    """Slope and offset of the line that begins at `start`: as given, or through the range's end, or along the neighbour."""
    y = m.value(start[None])[0]
    if gradient is not None:
        slope = torch.tensor(gradient, dtype=torch.float32)
    else:
        other = m.kernels.segment_table_point(torch.ones((), dtype=torch.int16), start, neighbour) if at_end else end
        slope = m.kernels.line_slope(start, y, other, m.value(other[None])[0])
    return slope, m.kernels.line_offset(slope, start, y)
