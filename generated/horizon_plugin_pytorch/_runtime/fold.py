# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/fold.py
"""Folding a normalization with running statistics into the weighted layer before it.

In: the layer and the normalization. Out: a layer with w' = w * gamma / sqrt(var + eps) and
b' = (b - mean) * gamma / sqrt(var + eps) + beta for each output channel. Nothing is divided by gamma, so a channel with
gamma 0 folds to the constant beta.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .module_tree import clone_structure


def foldable(base: nn.Module, norm: nn.Module) -> bool:
    """Whether `norm` has running statistics, one for each output channel of `base`."""
    mean, variance = getattr(norm, "running_mean", None), getattr(norm, "running_var", None)
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return False
    return mean.numel() == _channels_first(base, _weight(base)).shape[0]


def fold(base: nn.Module, norm: Any) -> nn.Module:
    """A new layer that computes `norm(base(x))` as in eval mode; both inputs stay as they are.

    The new weight and bias are parameters of the dtype of the old weight, trainable when it was.
    """
    with torch.no_grad():
        return _folded(base, norm)


def _folded(base: nn.Module, norm: Any) -> nn.Module:
    weight = _weight(base)
    factor = fold_factor(norm)
    bias = fold_bias(base.bias, norm, factor)  # type: ignore[arg-type]  # a Tensor or None
    folded = clone_structure(base)
    first = _channels_first(base, weight)
    scaled = first * factor.reshape(-1, *(1 for _ in first.shape[1:]))
    folded._parameters["weight"] = _parameter(_as_stored(base, scaled, weight), weight)
    folded._parameters["bias"] = _parameter(bias, weight)
    return folded


def fold_factor(norm: Any) -> Tensor:
    """Gamma / sqrt(var + eps), one a channel."""
    factor: Tensor = torch.rsqrt(norm.running_var + norm.eps)
    return factor if norm.weight is None else factor * norm.weight


def fold_bias(bias: Tensor | None, norm: Any, factor: Tensor) -> Tensor:
    """(bias - mean) * gamma / sqrt(var + eps) + beta, one a channel; no bias counts as 0. `factor` is `fold_factor`'s."""
    offset = -norm.running_mean if bias is None else bias - norm.running_mean
    shift: Tensor = offset * factor
    return shift if norm.bias is None else shift + norm.bias


def _weight(base: nn.Module) -> Tensor:
    weight = base.weight
    assert isinstance(weight, Tensor)
    return weight


def _parameter(value: Tensor, like: Tensor) -> nn.Parameter:
    return nn.Parameter(value.to(like.dtype), requires_grad=like.requires_grad)


def _channels_first(base: Any, weight: Tensor) -> Tensor:
    """The weight as [out, ...]: a transposed layer stores [in, out / groups, ...]."""
    if not getattr(base, "transposed", False):
        return weight
    grouped = weight.reshape(base.groups, -1, *weight.shape[1:])
    return grouped.transpose(1, 2).reshape(-1, grouped.shape[1], *weight.shape[2:])


def _as_stored(base: Any, first: Tensor, weight: Tensor) -> Tensor:
    """The inverse of `_channels_first`."""
    if not getattr(base, "transposed", False):
        return first
    grouped = first.reshape(base.groups, -1, *first.shape[1:])
    return grouped.transpose(1, 2).reshape(weight.shape).contiguous()
