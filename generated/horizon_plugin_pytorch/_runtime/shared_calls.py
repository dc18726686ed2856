# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/shared_calls.py
"""Modules that are called at several places share one scale: what each place had to say about it.

In: a prepared graph. Out: while such a module observes, the range at each of its call sites, and a warning with them before
conversion. One scale for several distributions costs accuracy; a module for each place has a scale for each.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from .fake_quantize import FakeQuantize
from .match import called_module
from .module_tree import all_modules
from .qtensor import QTensor
from .recording import graph_observer


@dataclass(slots=True)
class CallRanges:
    """A hook of a fake quantizer that several call sites use: the extremes that each of them gave.

    Attributes:
        sites: the names of the calling nodes, in the order of their calls.
        ranges: site -> (lowest, highest), float32 scalars; only of sites that were observed.
    """

    sites: tuple[str, ...]
    ranges: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    next: int = 0

    def __call__(self, fake_quant: FakeQuantize, args: tuple[Tensor, ...]) -> None:
        """Note one call; every run of the model makes them all, in order."""
        if graph_observer() is not None:
            return  # a stand-in
        site, self.next = self.sites[self.next], (self.next + 1) % len(self.sites)
        x = args[0].dequantize() if isinstance(args[0], QTensor) else args[0]
        if x.numel() and fake_quant._observes():
            lowest, highest = torch.aminmax(x.detach())
            known = self.ranges.get(site, (lowest, highest))
            self.ranges[site] = torch.minimum(lowest, known[0]), torch.maximum(highest, known[1])


def watch_shared(model: fx.GraphModule) -> None:
    """Let every fake quantizer that several nodes of the graph use note their ranges."""
    calls: dict[str, list[str]] = {}
    for node in model.graph.nodes:
        name = called_module(node)
        if name is not None and node.op != "get_attr":
            calls.setdefault(name, []).append(node.name)
    shared = {name: sites for name, sites in calls.items() if len(sites) > 1}
    modules = dict(model.named_modules(remove_duplicate=False)) if shared else {}
    for name, sites in shared.items():
        fake_quant = getattr(modules.get(name), "activation_post_process", None)
        if isinstance(fake_quant, FakeQuantize):
            fake_quant.register_forward_pre_hook(CallRanges(tuple(sites)))


def shared_module_ranges(model: nn.Module) -> dict[str, dict[str, tuple[float, float]]]:
    """What the call sites of shared modules had to say.

    Args:
        model: what `prepare_qat_fx` returned, after calibration or training; what it saw within `torch.compile` does not count.

    Returns:
        Qualified name of a module that is called several times -> call site -> (lowest, highest).
    """
    return {
        name: {site: (lowest.item(), highest.item()) for site, (lowest, highest) in ranges.items()}
        for name, ranges in _observed(model)
        if ranges
    }


def warn_of_shared(model: nn.Module) -> None:
    """One warning with the ranges of all shared modules that were observed."""
    lines = [
        f"  {name}: " + ", ".join(f"{site} {lowest:.4g}..{highest:.4g}" for site, (lowest, highest) in ranges.items())
        for name, ranges in shared_module_ranges(model).items()
    ]
    if lines:
        text = (
            "modules that are called at several places have one scale for all of them; where the ranges differ much, give "
            "each place a module of its own:"
        )
        warnings.warn("\n".join([text, *lines]), UserWarning, stacklevel=3)


def _observed(model: nn.Module) -> Iterator[tuple[str, dict[str, Any]]]:
    if any(_hooks(module) for module in all_modules(model)):
        for name, module in model.named_modules():
            yield from ((name, hook.ranges) for hook in _hooks(module))


def _hooks(module: nn.Module) -> list[CallRanges]:
    fake_quant = module._modules.get("activation_post_process")
    hooks: Any = () if fake_quant is None else fake_quant._forward_pre_hooks.values()
    return [hook for hook in hooks if isinstance(hook, CallRanges)]
