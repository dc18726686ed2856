# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/simplify.py
"""An expression without what its intervals show to change nothing.

In: what a kernel computed on intervals (`interval`). Out: an equal expression of fewer operations: a saturation that nothing
reaches and a shift by 0 are left out, and half a unit is added before a shift that rounds, instead of adding the bit that was
shifted out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .interval import Interval


@dataclass(slots=True)
class Simplifier:
    """Rebuilds an expression without what changes nothing; `known` holds what was rebuilt, by the id of the old."""

    known: dict[int, Interval]

    def __call__(self, x: Any) -> Any:
        if not isinstance(x, Interval):
            return x
        if id(x) not in self.known:
            name, *operands = x.made or ()
            self.known[id(x)] = _RULES[name](*map(self, operands))
        return self.known[id(x)]


def _sum(x: Any, y: Any) -> Any:
    x, y = (x, y) if isinstance(x, Interval) else (y, x)
    if isinstance(y, Interval):
        return _rounded(x, y) or x + y
    if x.made and x.made[0] == "add" and not isinstance(x.made[2], Interval):
        return _sum(x.made[1], x.made[2] + y)
    return x if _is_zero(y) else x + y


def _rounded(x: Interval, y: Interval) -> Interval | None:
    """(v >> n) + (((v << 1) >> n) & 1) as (v + 2**n // 2) >> n."""
    if not (x.made and y.made and x.made[0] == "rshift" and y.made[0] == "and" and y.made[2] == 1):
        return None
    _, v, n = x.made
    bit = y.made[1].made
    if isinstance(n, Interval) or not (bit and bit[0] == "rshift" and bit[2] is n):
        return None
    doubled = bit[1].made
    if not (doubled and doubled[0] == "lshift" and doubled[1] is v and doubled[2] == 1):
        return None
    return _shift_right(_sum(v, (1 << n) >> 1), n)


def _difference(x: Any, y: Any) -> Any:
    return x - y if isinstance(y, Interval) else _sum(x, -y)


def _product(x: Any, y: Any) -> Any:
    return x * y


def _shift_left(x: Interval, n: Any) -> Interval:
    return x if _is_zero(n) else x << n


def _shift_right(x: Interval, n: Any) -> Interval:
    return x if _is_zero(n) else x >> n


def _masked(x: Interval, mask: int) -> Interval:
    return x if int(x.low.min()) >= 0 and int(x.high.max()) <= mask else x & mask


def _clamped(x: Interval, low: int | None, high: int | None) -> Interval:
    low = int(x.low.min()) if low is None else low
    high = int(x.high.max()) if high is None else high
    if x.made and x.made[0] == "clamp":
        _, x, inner_low, inner_high = x.made
        low, high = (min(max(end, low), high) for end in (inner_low, inner_high))
    if low <= int(x.low.min()) and int(x.high.max()) <= high:
        return x
    clamped: Any = torch.clamp(x, low, high)  # type: ignore[call-overload]
    return clamped  # type: ignore[no-any-return]


def _chosen(condition: Tensor, x: Any, y: Any) -> Any:
    if bool(condition.all()):
        return x
    if bool(condition.any()):
        raise TypeError("an operand for some channels only")
    return y


def _is_zero(x: Any) -> bool:
    return not isinstance(x, Interval) and not bool(torch.as_tensor(x).any())


_RULES: dict[str, Callable[..., Any]] = {
    "add": _sum,
    "sub": _difference,
    "mul": _product,
    "lshift": _shift_left,
    "rshift": _shift_right,
    "and": _masked,
    "clamp": _clamped,
    "where": _chosen,
}
