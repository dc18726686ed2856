"""How time and memory grow beside the float model's: with the batch, the resolution, the depth, the number of layers.

In: what runs and how long that takes, from `inference.py --growth`. Out: a table of what a small and a large case cost, with the
factor between them. Ours grows faster where the factor is larger than float's and the increase too: a factor alone is
large where little is there to begin with.

Memory is all that a model in use takes: what it holds, and the most that a run holds beside it. The two are printed, too, but
only their sum can be compared: float convolutions of torch put their weights into the order that their kernels read in each run
anew (9 MiB here, whatever the resolution), ours do so in the first run and keep what they made.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import sub, truediv

import torch
from nets import ResNet
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from horizon_plugin_pytorch.quantization import QuantStub

Run = Callable[[Tensor], Tensor]
SLACK = 1.15
"""How much larger than float's a factor may be: repeated measurements of one model differ by about as much."""


class Chain(nn.Module):
    """Small layers one behind the other, so that what a layer costs beside its arithmetic is seen."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        sizes = [3, *[16] * layers]
        self.layers = nn.Sequential(*(nn.Sequential(nn.Conv2d(a, b, 3, 1, 1), nn.ReLU()) for a, b in pairwise(sizes)))
        self.head = nn.Conv2d(16, 10, 1)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.head(self.layers(self.quant(x))))


def resnet(blocks: int) -> nn.Module:
    net = ResNet((blocks,) * 4, size=32)
    net.average = nn.AdaptiveAvgPool2d(1)
    return net


def images(batch: int, size: int) -> Tensor:
    return torch.rand(batch, 3, size, size) * 2 - 1


def cases() -> Iterator[tuple[str, tuple[tuple[nn.Module, Tensor], tuple[nn.Module, Tensor]]]]:
    """(what grows, a small and a large case of a network and its images)."""
    yield "batch 4, 16", ((resnet(2), images(4, 32)), (resnet(2), images(16, 32)))
    yield "resolution 32, 64", ((resnet(2), images(8, 32)), (resnet(2), images(8, 64)))
    yield "depth 12, 36", ((resnet(1), images(8, 32)), (resnet(4), images(8, 32)))
    yield "small layers 10, 40", ((Chain(10), images(1, 16)), (Chain(40), images(1, 16)))


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB: what a model holds, with what its first run left there, and the most that a later run holds beside it."""

    model: float
    run: float


def memory(model: nn.Module, x: Tensor) -> Memory:
    """Of a model that did not run yet."""
    own = {tensor.data_ptr(): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
    kept, _ = allocated(model, x)
    _, most = allocated(model, x)
    return Memory((sum(own.values()) + kept) / 2**20, most / 2**20)


def allocated(run: Run, x: Tensor) -> tuple[int, int]:
    """Bytes that a run leaves behind beside its result, and the most that it holds at a time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run(x)
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return held, most


def growth(
    variants: Callable[[nn.Module, Tensor], Mapping[str, Run]],
    medians: Callable[[Mapping[str, Run], Tensor], Mapping[str, float]],
) -> int:
    """Print the table; how many costs grow faster than float's.

    Args:
        variants: the runs of a network, of which one is "float".
        medians: seconds of each.
    """
    faster = 0
    for name, pair in cases():
        spent: list[dict[str, float]] = []
        held: list[dict[str, Memory]] = []
        for net, x in pair:
            runs = {run: call for run, call in variants(net, x).items() if run in {"float", "eager", "fast"}}
            held.append({run: memory(call, x) for run, call in runs.items() if isinstance(call, nn.Module)})
            spent.append({run: seconds * 1e3 for run, seconds in medians(runs, x).items()})
        faster += shown(f"{name:20}   ms", *spent)
        faster += shown(f"{name:20}  MiB", *({run: m.model + m.run for run, m in one.items()} for one in held))
        small, large = held
        parts = (
            f"{run} {a.model:.1f}+{a.run:.1f} {b.model:.1f}+{b.run:.1f}"
            for run, a in small.items()
            for b in [large[run]]
        )
        print(f"{'':20}  of a model + of a run", *parts, sep="   ")
    return faster


def shown(title: str, small: Mapping[str, float], large: Mapping[str, float]) -> int:
    """Print one row; how many of its costs grow faster than float's."""
    over = {run for run in small if is_faster(small, large, run)}
    cells = (
        f"{run} {small[run]:6.2f} {large[run]:6.2f} x{large[run] / small[run]:4.2f}{'!' if run in over else ' '}"
        for run in small
    )
    print(title, *cells, sep="   ", flush=True)
    return len(over)


def is_faster(small: Mapping[str, float], large: Mapping[str, float], run: str) -> bool:
    factors, increases = ({r: f(large[r], small[r]) for r in (run, "float")} for f in (truediv, sub))
    return factors[run] > SLACK * factors["float"] and increases[run] > SLACK * increases["float"]
