"""Where the time of inference goes: from the definition to one pass a layer, and in each the kinds of operations.

In: a network's runs, from `inference.py --ladder`. Out: a row a rung with its ratio to float eager, and milliseconds of torch's
operations by kind, as the profiler sees them when all of them are watched, which makes small ones look slower than they
are. What is left is Python and compiled code, which the profiler does not see.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from unittest.mock import patch

from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from horizon_plugin_pytorch._runtime.quantized_weighted import QuantizedWeighted

Run = Callable[[Tensor], Tensor]
RUNS = 3
"""How many runs the profiler watches."""
KINDS: Mapping[str, tuple[str, ...]] = {
    "convolution": ("conv", "mm", "linear"),
    "normalization": ("norm",),
    "copies, casts": ("copy", "clone", "contiguous", "cat", "_to_copy"),
    "arithmetic": ("add", "sub", "mul", "div", "shift", "bitwise", "floor", "round", "abs", "eq", "nan_to_num"),
    "activations, clamps": ("clamp", "relu", "hardtanh", "minimum", "maximum", "where"),
    "pools": ("pool", "unfold", "max", "mean", "sum"),
    "views, memory": ("view", "slice", "stride", "empty", "permute", "reshape", "expand", "select", "resize", "alias"),
}
"""Kinds of operations by what their names contain; the first that fits counts."""


def without_one_pass() -> AbstractContextManager[object]:
    """Convert so that layers with a weight take torch's convolution and one compiled pass for the rest."""
    return patch.object(QuantizedWeighted, "_one_pass", lambda *_: None)


def kind_of(operation: str) -> str:
    name = operation.rpartition("::")[2]
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "other operations")


def by_kind(run: Run, x: Tensor) -> dict[str, float]:
    """Milliseconds of a run by kind of operation, most first; what an operation calls is counted there alone."""
    run(x)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(RUNS):
            run(x)
    spent: dict[str, float] = {}
    for event in seen.key_averages():
        kind = kind_of(event.key)
        spent[kind] = spent.get(kind, 0.0) + event.self_cpu_time_total / RUNS / 1e3
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def ladder(
    name: str, runs: Mapping[str, Run], x: Tensor, medians: Callable[[Mapping[str, Run], Tensor], Mapping[str, float]]
) -> None:
    """Print the rungs of a network.

    Args:
        name: of the network.
        runs: float and the rungs, by name.
        x: images.
        medians: seconds of each.
    """
    spent = medians(runs, x)
    print(name)
    for rung, run in runs.items():
        kinds = "  ".join(f"{kind} {ms:.1f}" for kind, ms in by_kind(run, x).items() if ms >= 0.05)
        print(f"  {rung:14} {spent[rung] * 1e3:7.1f} ms x{spent[rung] / spent['float']:5.2f}   {kinds}", flush=True)
