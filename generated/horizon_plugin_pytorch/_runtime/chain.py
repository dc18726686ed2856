# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/chain.py
"""One fused module from the parts of a chain: what the graph's fusing and the eager one have in common.

In: a pattern, the modules that perform its steps, and the QAT mode. Out: the container, or the folded layer itself, in the
mode of the layer and with the attributes that a fused module takes over from its parts.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from .._tables import TABLES
from ..qat_mode import QATMode, fused_activation_mode, get_qat_mode
from .fold import fold
from .module_tree import attribute_of, clone_structure, set_mode
from .tables import FusionPattern

Folds = dict[tuple[nn.Module, nn.Module], nn.Module]
"""(layer, normalization) -> the folded layer, so that the fused modules of one pair share its parameters."""
_UNSET: Any = object()


def fuse_chain(pattern: FusionPattern, parts: Mapping[str, nn.Module], folds: Folds) -> nn.Module:
    """The module that computes a chain.

    Args:
        pattern: which chain it is.
        parts: role of each step -> the module that performs it, in data-flow order. They stay as they are.
        folds: what was folded before; it is added to.
    """
    base, activation = parts["weighted"], parts.get("activation")
    if activation is not None:
        pattern, activation = _as_forced(pattern, clone_structure(activation))
    keeps_norm = "norm" in parts and get_qat_mode() != QATMode.FuseBN
    layer = clone_structure(base) if keeps_norm or "norm" not in parts else _folded(base, parts["norm"], folds)
    container: Any = pattern.with_norm if keeps_norm else pattern.fused
    others = [part for part in (parts["norm"] if keeps_norm else None, activation) if part is not None]
    fused: nn.Module = layer if container is None else container.from_parts(layer, *others)
    norm_mode = parts["norm"].training if keeps_norm else False
    set_mode(fused, base.training)
    if keeps_norm:
        parts["norm"].train(norm_mode)
    _take_over(fused, parts)
    return fused


def _folded(base: nn.Module, norm: nn.Module, folds: Folds) -> nn.Module:
    """A folded layer of its own; its parameters are those of what was folded before, if anything was."""
    if (base, norm) in folds:
        return clone_structure(folds[base, norm])
    folds[base, norm] = fold(base, norm)
    return folds[base, norm]


def _as_forced(pattern: FusionPattern, activation: nn.Module) -> tuple[FusionPattern, nn.Module]:
    """The pattern and activation that the mode of fused activations puts in the place of the model's own."""
    forced = TABLES.forced_activations.get(fused_activation_mode())
    if forced is None or type(activation) not in TABLES.forced_activations.values() or type(activation) is forced:
        return pattern, activation
    steps = tuple(step for step in pattern.steps if step.role != "activation")
    found = next(
        p  # specs that name a forced activation have patterns with it
        for p in TABLES.patterns
        if tuple(step for step in p.steps if step.role != "activation") == steps
        and any(step.role == "activation" and forced in step.modules for step in p.steps)
    )
    return found, forced().train(activation.training)


def _take_over(fused: nn.Module, parts: Mapping[str, nn.Module]) -> None:
    """The qconfig of the last part that has one, and `preserve_qat_mode` of the layer."""
    for part in parts.values():
        if (qconfig := attribute_of(part, "qconfig", _UNSET)) is not _UNSET:
            fused.qconfig = qconfig
    if (preserve := attribute_of(parts["weighted"], "preserve_qat_mode", _UNSET)) is not _UNSET:
        fused.preserve_qat_mode = preserve
