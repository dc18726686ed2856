# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/clamp.py
"""Activations that clamp: such a one need not be a pass over memory of its own.

In: the function of an activation. Out: its two ends, found by trying it, so that what is done instead of it does the same.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .recording import unrecorded


@dataclass(frozen=True, slots=True)
class Clamp:
    """A function that clamps to `ends`; call it with a tensor that it may write into."""

    function: Callable[..., Any]
    ends: tuple[float, float]

    def __call__(self, x: Tensor) -> Tensor:
        """The clamped values, in the memory of `x`."""
        clamped: Tensor = self.function(x, inplace=True)
        return clamped


@functools.cache
def clamp_of(function: Callable[..., Any]) -> Clamp | None:
    """The ends of a function; None where it is no clamp."""
    with torch.inference_mode(False), torch.no_grad(), unrecorded():
        tried = torch.cat([torch.linspace(-100.0, 100.0, 4001), torch.tensor([-math.inf, math.inf])])
        found: Tensor = function(tried)
        low, high = found[-2:].tolist()
        return Clamp(function, (low, high)) if torch.equal(found, tried.clamp(low, high)) else None
