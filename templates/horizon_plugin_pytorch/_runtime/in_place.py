# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/in_place.py
"""A kernel as the fewest torch operations in place, for tensors that lie row by row.

In: what a kernel computed on intervals (`interval`): an expression with the interval of each of its values. Out: `Program`,
its operations, as far as they change anything (`simplify`), on a few buffers that stay in a core's cache.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .interval import Interval, Reach
from .scratch import memory, piece
from .simplify import Simplifier

_ROW = 1 << 11
"""Elements that one row of a piece has at least: short rows cost more than their elements."""
_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "lshift": torch.bitwise_left_shift,
    "rshift": torch.bitwise_right_shift,
    "and": torch.bitwise_and,
    "clamp": torch.clamp,
}
_MOST_PLANS = 8
"""Sizes of tensors for which a program knows its calls."""
_Call = tuple[Callable[..., Tensor], list[Any], Tensor]
_Piece = tuple[int, int, tuple[int, int], list[Tensor], tuple[_Call, ...]]
"""Of flat tensors, from where to where, as which shape, and with which buffers and calls."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A place of a value while a program runs."""

    index: int


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: operands are buffers, ends of `clamp`, or int32: one for all, or one for each channel."""

    function: Callable[..., Tensor]
    operands: tuple[Any, ...]
    out: Buffer


@dataclass(frozen=True, slots=True)
class _Plan:
    """A program for tensors of one size.

    Attributes:
        memory: of a thread, in which its buffers lie.
        size: elements of a piece.
        pieces: the parts of the tensors.
    """

    memory: Tensor
    size: int
    pieces: tuple[_Piece, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A kernel's operations in order.

    Attributes:
        steps: the first buffers hold the operands of the kernel.
        buffers: how many there are.
        last: where the result is.
        result: its type.
        plans: by elements and channels, of the tensors that were met last.
    """

    steps: tuple[Step, ...]
    buffers: int
    last: Buffer
    result: torch.dtype
    plans: dict[tuple[int, int], _Plan] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, operands: list[Interval], expression: Interval, result: torch.dtype) -> "Program | None":
        """The program of an expression; None where it has an operation without a rule, or leaves int32."""
        reach = Reach()
        try:
            made = Simplifier({id(x): Interval(x.ends, reach) for x in operands})
            writer = _Writer.of([made.known[id(x)] for x in operands], made(expression))
        except (KeyError, TypeError, AttributeError):
            return None
        return writer.program(result) if reach.fits_int32 else None

    def empty(self, shape: tuple[int, ...], axis: int) -> list[Tensor]:
        """Memory for the result, the channels last."""
        moved = (*shape[:axis], *shape[len(shape) + axis + 1 :], shape[axis])
        return [torch.empty(moved, dtype=self.result).movedim(-1, axis)]

    def fill(self, results: list[Tensor], operands: tuple[Tensor, ...], axis: int) -> None:
        """Compute into memory that lies as `empty` gives it, or a part of it along the first dimension.

        Args:
            results: one.
            operands: integers, also as floats, of its shape.
            axis: the dimension of the channels, from the end.
        """
        flat = [x.movedim(axis, -1).reshape(-1) for x in operands]
        self._fill(results[0].movedim(axis, -1).view(-1), flat, results[0].shape[axis])

    @staticmethod
    def finished(results: list[Tensor]) -> Tensor:
        """The result."""
        return results[0]

    def _fill(self, out: Tensor, operands: list[Tensor], channels: int) -> None:
        last = self.last.index
        for begin, end, shape, values, calls in self._plan(out.numel(), channels).pieces:
            for value, x in zip(values, operands, strict=False):
                value.copy_(x[begin:end].view(shape))
            for function, read, result in calls:
                function(*read, out=result)
            out[begin:end].view(shape).copy_(values[last])

    def _plan(self, count: int, channels: int) -> "_Plan":
        """The one for so many elements, which is made once for each thread that comes by turns."""
        size = min(piece(), count)
        rows = max(1, min(_ROW, count) // channels)
        held = memory(self.buffers * max(size, min(rows * channels, count)), torch.int32)
        plan = self.plans.get((count, channels))
        if plan is None or plan.memory is not held or plan.size != size:
            if len(self.plans) >= _MOST_PLANS:
                self.plans.clear()
            with torch.inference_mode(False):  # it outlives the caller's mode
                plan = _Plan(held, size, tuple(self._pieces(held, size, count, rows, channels)))
            self.plans[count, channels] = plan
        return plan

    def _pieces(self, held: Tensor, size: int, count: int, rows: int, channels: int) -> Iterator[_Piece]:
        """Pieces of about a size as rows of whole pixels; and what is left, which is one shorter row."""
        constants = {id(x): x.expand(rows, -1).reshape(-1) for step in self.steps for x in step.operands if _varies(x)}
        width, made = rows * channels, dict[tuple[int, int], tuple[list[Tensor], tuple[_Call, ...]]]()
        whole, step = count // width * width, max(size // width, 1) * width
        for begin in (*range(0, whole, step), *range(whole, count, width)):
            end = min(begin + step, whole) if begin < whole else count
            shape = ((end - begin) // width, width) if begin < whole else (1, end - begin)
            if shape not in made:
                elements = end - begin
                values = [held[i * elements : (i + 1) * elements].view(shape) for i in range(self.buffers)]
                made[shape] = values, self._calls(values, {key: x[: shape[1]] for key, x in constants.items()})
            yield begin, end, shape, *made[shape]

    def _calls(self, values: list[Tensor], constants: Mapping[int, Tensor]) -> tuple[_Call, ...]:
        """The steps with tensors in the place of buffers, and constants as long as a row."""

        def given(x: Any) -> Any:
            return values[x.index] if isinstance(x, Buffer) else constants.get(id(x), x)

        return tuple((s.function, [given(x) for x in s.operands], values[s.out.index]) for s in self.steps)


def _varies(x: Any) -> bool:
    """Whether an operand runs along the channels."""
    return isinstance(x, Tensor) and x.dim() > 0


@dataclass(slots=True)
class _Writer:
    """Gives each value of an expression a buffer, and a buffer that nothing reads any more to the next value."""

    uses: Counter[int]
    places: dict[int, Buffer]
    result: Interval
    buffers: int
    free: list[Buffer] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def of(cls, operands: list[Interval], result: Interval) -> "_Writer":
        """For an expression of these operands."""
        uses: Counter[int] = Counter()
        waiting, seen = [result], set()
        while waiting:
            x = waiting.pop()
            uses[id(x)] += 1
            if id(x) not in seen:
                seen.add(id(x))
                waiting += [y for y in (x.made or ())[1:] if isinstance(y, Interval)]
        return cls(uses, {id(x): Buffer(i) for i, x in enumerate(operands)}, result, len(operands))

    def program(self, kind: torch.dtype) -> Program:
        """The steps to the result, of a type."""
        last = self.place(self.result)
        return Program(tuple(self.steps), self.buffers, last, kind)

    def place(self, x: Interval) -> Buffer:
        """Where a value is, which is computed first."""
        if id(x) not in self.places:
            assert x.made is not None
            name, *operands = x.made
            given = tuple(self.place(y) if isinstance(y, Interval) else _constant(name, y) for y in operands)
            for y in operands:
                self._read(y)
            self.places[id(x)] = self._empty()
            self.steps.append(Step(_FUNCTIONS[name], given, self.places[id(x)]))
        return self.places[id(x)]

    def _read(self, x: Any) -> None:
        if isinstance(x, Interval):
            self.uses[id(x)] -= 1
            if not self.uses[id(x)]:
                self.free.append(self.places[id(x)])

    def _empty(self) -> Buffer:
        if not self.free:
            self.buffers += 1
            return Buffer(self.buffers - 1)
        return self.free.pop()


def _constant(name: str, x: Any) -> Any:
    """An operand that is known: int32 [channels], or without dimensions where it is one for all; ends are numbers."""
    if name == "clamp":
        return x
    flat = torch.as_tensor(x).reshape(-1).to(torch.int32)
    return flat[0].clone() if bool((flat == flat[0]).all()) else flat
