"""What each family of layers costs: its own network of a stub, the layer and a stub, beside the float layer.

In: what runs and how long that takes, from `inference.py --families`. Out: a line a family; the number of families whose integers
are not those of the definition.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from horizon_plugin_pytorch.quantization import QuantStub

Run = Callable[[Tensor], Tensor]


class Function(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Alone(nn.Module):
    """A layer between stubs."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.quant, self.layer, self.dequant = QuantStub(), layer, torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.layer(self.quant(x)))


class Attention(nn.Module):
    """Of a sequence to itself."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return attended


IMAGE, ROWS = (1, 64, 56, 56), (1, 196, 192)
FAMILIES: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "stubs alone": (nn.Identity, IMAGE),
    "convolution": (lambda: nn.Conv2d(64, 64, 3, padding=1), IMAGE),
    "depthwise": (lambda: nn.Conv2d(64, 64, 3, padding=1, groups=64), IMAGE),
    "grouped": (lambda: nn.Conv2d(64, 64, 3, padding=1, groups=4), IMAGE),
    "transposed": (lambda: nn.ConvTranspose2d(64, 64, 4, 2, 1), IMAGE),
    "linear": (lambda: nn.Linear(192, 768), ROWS),
    "matrix product": (lambda: Function(lambda x: torch.matmul(x, x.transpose(1, 2))), ROWS),
    "add": (lambda: Function(lambda x: x + x.flip(1)), IMAGE),
    "product, broadcast": (lambda: Function(lambda x: x * x.mean((2, 3), keepdim=True)), IMAGE),
    "concatenation": (lambda: Function(lambda x: torch.cat([x, x.flip(1)], 1)), IMAGE),
    "table of bytes": (nn.Sigmoid, IMAGE),
    "average pool": (lambda: nn.AvgPool2d(3, 2, 1), IMAGE),
    "maximum pool": (lambda: nn.MaxPool2d(3, 2, 1), IMAGE),
    "mean": (lambda: Function(lambda x: x.mean((2, 3), keepdim=True)), IMAGE),
    "resize nearest": (lambda: Function(lambda x: functional.interpolate(x, scale_factor=2)), IMAGE),
    "resize bilinear": (lambda: Function(lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear")), IMAGE),
    "softmax": (lambda: nn.Softmax(-1), ROWS),
    "layer norm": (lambda: nn.LayerNorm(192), ROWS),
    "attention": (lambda: Attention(192, 3), ROWS),
}


def families(
    variants: Callable[[nn.Module, Tensor], Mapping[str, Run]],
    medians: Callable[[Mapping[str, Run], Tensor], Mapping[str, float]],
) -> int:
    """Print the table."""
    wrong = 0
    for name, (make, shape) in FAMILIES.items():
        torch.manual_seed(0)
        x = torch.randn(shape)
        runs = variants(Alone(make()).eval(), x)
        expected = runs["definition"](x)
        exact = all(torch.equal(runs[run](x), expected) for run in ("eager", "fast"))
        spent = medians(runs, x)
        wrong += not exact
        shown = "  ".join(f"{run} {seconds / spent['float']:6.2f}" for run, seconds in spent.items() if run != "float")
        gain = spent["fast"] / spent["eager"]
        print(
            f"{name:20} float {spent['float'] * 1e3:6.2f} ms  {shown}  fast / eager {gain:.2f}  {'exact' if exact else 'DIFFERS'}"
        )
    return wrong
