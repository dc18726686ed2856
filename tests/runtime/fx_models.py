"""Models and checks that the FX tests share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.quantization import QuantStub, fuse_fx


def randomized(model: nn.Module) -> nn.Module:
    """The model in eval mode, its normalizations far from the identity."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.affine:
                nn.init.normal_(module.weight, 1.0, 0.5)
                nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def assert_fuses_equal(model: nn.Module, *inputs: Any) -> torch.fx.GraphModule:
    """Fuse, compare with the float model, and return the fused one."""
    randomized(model)
    fused = fuse_fx(model)
    torch.testing.assert_close(fused(*inputs), model(*inputs), rtol=1e-4, atol=1e-5)
    return fused


def table(graph: torch.fx.Graph) -> list[tuple[str, str, str, str]]:
    """(opcode, name, target, args) of every node, as `print_tabular` shows them."""
    return [(n.op, n.name, str(n.target), str(n.args)) for n in graph.nodes]


def calls(model: torch.fx.GraphModule) -> list[str]:
    """The targets of the module calls, in order."""
    return [n.target for n in model.graph.nodes if n.op == "call_module"]


def types(model: nn.Module) -> dict[str, str]:
    """Class name of each direct child."""
    return {name: type(child).__name__ for name, child in model.named_children()}


class Seed(nn.Module):
    """The model of the RGB888 recipe."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.conv = nn.Conv2d(3, 3, 3)
        self.bn = nn.BatchNorm2d(3)
        self.relu = nn.ReLU()

    def forward(self, input: Tensor) -> Tensor:
        x = self.quant(input)
        x = self.conv(x)
        x = self.bn(x)
        return self.relu(x)


class Parts(nn.Module):
    """A bag of layers and a forward that uses them."""

    def __init__(self, run: Callable[["Parts", Tensor], Any], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def conv(channels_in: int = 4, channels: int = 4, **kwargs: Any) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels, 3, padding=1, **kwargs)
