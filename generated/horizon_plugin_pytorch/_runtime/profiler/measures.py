# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/measures.py
"""How far two tensors are apart.

In: two tensors of equal numbers of elements, a reference and what is compared with it. Out: one float.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..._tools import TOOLS
from ..errors import ArgumentError
from ..user_input import did_you_mean

Measure = Callable[[Tensor, Tensor], float]


def measure_named(metric: "str | Callable[..., object]") -> Measure:
    """The function of a metric's name, or the user's own function, which gets both tensors.

    Raises:
        ArgumentError: no such metric.
    """
    if callable(metric):
        own = metric
        return lambda a, b: float(own(a, b))  # type: ignore[arg-type]  # whatever is a number
    if metric not in TOOLS.metrics:
        known = ", ".join(TOOLS.metrics)
        raise ArgumentError(f"unknown metric {metric!r}; known: {known}{did_you_mean(metric, TOOLS.metrics)}")
    found: Measure = globals()[TOOLS.metrics[metric].measure]
    return lambda a, b: found(a.reshape(-1).double(), b.reshape(-1).double())


def is_worse(metric: "str | Callable[..., object]", value: float, threshold: float | None) -> bool:
    """Whether a value is beyond the threshold: the given one, or that of the metric."""
    if callable(metric):
        return False if threshold is None else value < threshold
    policy = TOOLS.metrics[metric]
    bound = policy.threshold if threshold is None else threshold
    return value < bound if policy.higher_is_better else value > bound


def cosine(a: Tensor, b: Tensor) -> float:
    """Cosine of the angle; 0 when one of both is zero. Range -1 to 1."""
    norms = a.norm() * b.norm()
    return float(((a @ b) / norms).clamp(-1, 1)) if norms > 0 else 0.0


def mean_squared_error(a: Tensor, b: Tensor) -> float:
    """Mean of (a - b)²."""
    return float((a - b).square().mean())


def mean_absolute_error(a: Tensor, b: Tensor) -> float:
    """Mean of |a - b|."""
    return float((a - b).abs().mean())


def divergence(a: Tensor, b: Tensor) -> float:
    """Kullback-Leibler divergence of b from a, both taken as logits, in nat."""
    reference, other = (x - x.logsumexp(0) for x in (a, b))
    return float((reference.exp() * (reference - other)).sum())


def signal_to_noise(a: Tensor, b: Tensor) -> float:
    """10 log10(sum a² / sum (a - b)²), decibel; inf when both are equal, -inf when only the reference is zero."""
    noise = (a - b).square().sum()
    return float(10 * torch.log10(a.square().sum() / noise)) if noise != 0 else float("inf")
