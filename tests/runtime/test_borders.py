"""Borders of saturation are the neighbours of what is not saturated, whatever the scale and the rounding."""

import math

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime.borders import Borders
from horizon_plugin_pytorch._runtime.one_pass import NO_ENDS
from horizon_plugin_pytorch._runtime.straight_through import rounding_of

INT8, INT16 = (-128, 127), (-32768, 32767)


def _around(value: float) -> Tensor:
    """A float32 and its neighbours, the smaller one first."""
    found = torch.tensor(value)
    return torch.stack([torch.nextafter(found, torch.tensor(end)) for end in (-math.inf, value, math.inf)])


def _inside(x: Tensor, scale: float, borders: Borders) -> list[bool]:
    rounded = borders.rounding(x / torch.tensor(scale))
    return ((rounded >= borders.bounds[0]) & (rounded <= borders.bounds[1])).tolist()


@pytest.mark.parametrize("rounded_as", ["activation", "weight", "weighted"])
@pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes"])
@pytest.mark.parametrize("bounds", [INT8, INT16, (0, 100)])
def test_neighbours_on_either_side(march: str, rounded_as, bounds: tuple[int, int]) -> None:
    borders = Borders.of(rounding_of(march, rounded_as), bounds)
    if borders is None:
        assert bounds[0] == 0  # rounded toward -infinity, the largest quotient below is the one next to 0
        return
    torch.manual_seed(3)
    for scale in [2.0**-23, 0.1, 6 / 127.5, 1.0, *torch.rand(20).tolist(), 1e30, 3e38]:
        number = torch.tensor(scale).item()
        below, above = borders.values(number, NO_ENDS)
        assert _inside(_around(below), number, borders) == [False, False, True]
        if math.isfinite(above):
            assert _inside(_around(above), number, borders) == [True, False, False]
        else:
            assert _inside(torch.tensor([torch.finfo(torch.float32).max]), number, borders) == [True]


def test_ends_of_an_activation_count_where_they_are_nearer() -> None:
    borders = Borders.of(rounding_of("bayes", "activation"), INT8)
    assert borders.values(1.0, (0.0, 6.0)) == (0.0, 6.0)
    assert borders.integers(1.0, (0.0, 6.0)) == (0, 6)
    assert borders.values(0.03125, (0.0, 6.0)) == (0.0, 127.5 / 32)
    assert borders.integers(0.03125, (0.0, 6.0)) == (0, 127)
    assert borders.integers(1.0, (0.0, math.inf)) == (0, 127)


def test_integers_that_float32_does_not_hold_have_none() -> None:
    assert Borders.of(rounding_of("bayes", "activation"), (-(2**31), 2**31 - 1)) is None
