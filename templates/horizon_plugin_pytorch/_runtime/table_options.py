# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/table_options.py
"""How a function of one variable is tabulated: the settings of `SegmentLUT`, checked.

In: what a user gives, or what an operator's spec says. Out: `TableOptions`, which `segment_table` reads.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from .dtype import QuantDType
from .errors import ArgumentError

Function = Callable[..., Tensor]
Limits = tuple[float | None, float | None]

EVENLY, CURVATURE = "evenly", "curvature"


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The settings of a segment table.

    Attributes:
        is_centrosymmetric: f(-x) = -f(x) holds or is wanted; only x >= 0 is tabulated.
        auto_divide_strategy: "evenly", or "curvature": more and shorter segments where the function bends.
        dividing_points: the ends of the segments, rising, instead of a strategy.
        input_range: tabulate only from .. to; None on a side: as far as the input's dtype reaches.
        inverse_func: of a monotonic function; tightens the range to where the output does not saturate below (of a
            rising function) or above (of a falling one).
        upper_inverse: of a rising function; tightens the range to where the output does not saturate above.
        gradients: slopes of the left and the right line; None: taken from the function.
        kernel: a kernel that computes wider dtypes instead of segments.
        least_steps: (input dtype, the smallest |x| in steps of the input that the function is given), where there is one.
    """

    is_centrosymmetric: bool = False
    auto_divide_strategy: str = EVENLY
    dividing_points: tuple[float, ...] | None = None
    input_range: Limits | None = None
    inverse_func: Function | None = None
    upper_inverse: Function | None = None
    gradients: Limits | None = None
    kernel: str | None = None
    least_steps: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.auto_divide_strategy not in (EVENLY, CURVATURE):
            raise ArgumentError(
                f"auto_divide_strategy must be {EVENLY!r} or {CURVATURE!r}, not {self.auto_divide_strategy!r}"
            )
        points = self.dividing_points
        if points is not None and any(a > b for a, b in itertools.pairwise(points)):
            raise ArgumentError(f"dividing_points must rise: {points}")

    def least(self, dtype: QuantDType) -> int | None:
        """The smallest |x|, in steps of the input, that the function is given."""
        return dict(self.least_steps).get(str(dtype))


@dataclass(frozen=True, slots=True)
class Tabulated:
    """An operator that is computed by a table: its id in the support matrix, its function, its settings."""

    op: str
    function: Function
    options: TableOptions


def pair(values: Sequence[float | None] | None, name: str) -> Limits | None:
    """Two values or None, of an argument.

    Raises:
        ArgumentError: not two.
    """
    if values is None:
        return None
    if len(values) != 2:  # noqa: PLR2004 - a pair
        raise ArgumentError(f"{name} must be two values, of which each may be None, not {values}")
    return values[0], values[1]


@dataclass(frozen=True, slots=True)
class Shifted:
    """A function of x + `offset`, or with `inverse` the inverse of one: the function less `offset`."""

    function: Function
    offset: float
    inverse: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        """The value."""
        return self.function(x) - self.offset if self.inverse else self.function(x + self.offset)


def shifted(function: Function, options: TableOptions, offset: float) -> tuple[Function, TableOptions]:
    """A function of x + `offset` with the settings of the function; it is finite at 0."""
    inverse = options.inverse_func
    moved = None if inverse is None else Shifted(inverse, offset, inverse=True)
    return Shifted(function, offset), replace(options, inverse_func=moved, least_steps=())
