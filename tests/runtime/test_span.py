"""Spans: two numbers that hold whatever a kernel can meet, wherever they claim to."""

from itertools import product
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime.span import Met, Span, met_on_spans

ENDS = ((-3, 4), (-2, 5))


class Params(NamedTuple):
    """Derived integers of two channels."""

    factor: Tensor
    count: Tensor


PARAMS = Params(torch.tensor([-7, 5]), torch.tensor([1, 3]))


@pytest.mark.parametrize("expression", [
    lambda x, y: x + 3 * y, lambda x, y: (x - y) << 2, lambda x, y: (x * y) >> 1, lambda x, y: 7 - x - y,
    lambda x, y: torch.clamp(x * 5 - y, -4, 9), lambda x, y: torch.clamp(-x, min=-2) + y, lambda x, y: (x + y + 8) & 15,
    lambda x, y: torch.where(torch.tensor(True), y, x) - 1, lambda x, y: (1 << (x + 3)) + y,
])  # fmt: skip
def test_hold_every_value(expression: Any) -> None:
    values = [
        int(expression(torch.tensor(a), torch.tensor(b))) for a, b in product(*(range(a, b + 1) for a, b in ENDS))
    ]
    met = Met()
    found = expression(*(Span(low, high, met) for low, high in ENDS))
    assert found.low <= min(values)
    assert max(values) <= found.high
    assert met.low <= found.low
    assert found.high <= met.high


def kernel(x: Any, p: Any) -> Any:
    """A product, and a shift."""
    return (x * p.factor) << p.count


def test_all_channels_count_as_one() -> None:
    met = met_on_spans(kernel, PARAMS, ((torch.tensor([-10, 0]), torch.tensor([0, 20])),))
    assert met == Met(-140 * 8, 100 * 8)


def test_what_leaves_int32_is_met_between() -> None:
    met = met_on_spans(lambda x, _: (x << 20) >> 20, PARAMS, ((torch.tensor(-32768), torch.tensor(32767)),))
    assert met is not None
    assert not met.fits_int32


@pytest.mark.parametrize("unknown", [
    lambda x, _: torch.sort(x), lambda x, _: x.to(torch.float32), lambda x, _: x * torch.tensor(2), lambda x, _: x << -1,
])  # fmt: skip
def test_nothing_is_said_without_a_rule(unknown: Any) -> None:
    assert met_on_spans(unknown, PARAMS, ((torch.tensor(0), torch.tensor(1)),)) is None
