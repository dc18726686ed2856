# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/program_c.py
"""A kernel's program as C: what a loop that holds 16 sums makes of them before it stores.

In: a `Program`, the operations of a kernel that intervals proved to stay in int32. Out: a C function of 16 neighbouring
channels, and the constants that it reads. The text names operations only, so layers of the same operations share a library::

    b0 = b0 + p[0 + j];
    b0 = bpu_shift_right(b0, p[16 + j]);
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .in_place import Buffer, Program

LANES = 16
"""Channels that are computed together."""
TYPES = {torch.int8: "int8_t", torch.int16: "int16_t", torch.int32: "int32_t"}
"""Of results."""
_OPERATIONS: dict[Callable[..., Any], str] = {
    torch.add: "{} + {}",
    torch.sub: "{} - {}",
    torch.mul: "{} * {}",
    torch.bitwise_left_shift: "bpu_shift_left({}, {})",
    torch.bitwise_right_shift: "bpu_shift_right({}, {})",
    torch.bitwise_and: "{} & {}",
    torch.clamp: "bpu_clip({}, {}, {})",
}
_FINISH = """
#define PARAMS ({params} * 16)
#define ADDS {adds}
typedef {result} result;
static inline __attribute__((always_inline)) void finish(const int32_t *restrict x, const int32_t *restrict e,
    const int32_t *restrict p, const int32_t *restrict ends, int32_t *restrict y)
{{
    for (int j = 0; j < 16; ++j) {{
        int32_t {buffers};
        {steps}
        y[j] = b{last};
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Finish:
    """A C function `finish`, and its constants.

    Attributes:
        text: the function; it reads sums `x`, a second operand `e`, and the constants.
        params: int32, each one for all channels, or one for each.
        ends: of saturations, in order.
    """

    text: str
    params: tuple[Tensor, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, program: Program, operands: int) -> "Finish":
        """The function of a program that takes one or two operands."""
        params: list[Tensor] = []
        ends: list[int] = []

        def text(x: Any) -> str:
            if isinstance(x, Buffer):
                return f"b{x.index}"
            if isinstance(x, Tensor):
                params.append(x)
                return f"p[{LANES * (len(params) - 1)} + j]"
            ends.append(x)
            return f"ends[{len(ends) - 1}]"

        steps = [f"b{s.out.index} = {_OPERATIONS[s.function].format(*map(text, s.operands))};" for s in program.steps]
        first = ("x[j]", "e[j]")[:operands]
        buffers = [f"b{i} = {value}" for i, value in zip_longest(range(program.buffers), first, fillvalue="0")]
        body = _FINISH.format(
            params=len(params),
            adds=operands - 1,
            buffers=", ".join(buffers),
            steps="\n        ".join(steps),
            last=program.last.index,
            result=TYPES[program.result],
        )
        return cls(body, tuple(params), tuple(ends))

    def constants(self, channels: int) -> tuple[Tensor, Tensor]:
        """(`p`, int32 [channels / 16, params, 16]; `ends`, int32)."""
        stacked = torch.stack([p.expand(channels) for p in self.params] or [torch.zeros(channels).int()], 1)
        params = whole_lanes(stacked).view(-1, LANES, stacked.shape[1]).transpose(1, 2).contiguous()
        return params, torch.tensor(self.ends, dtype=torch.int32)


def whole_lanes(channels: Tensor) -> Tensor:
    """[channels, ...] filled up with zeros to whole vectors."""
    return functional.pad(channels, (*[0] * (2 * channels.dim() - 1), -len(channels) % LANES))
