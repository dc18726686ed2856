"""Between quant and dequant nothing but integers: watched where every tensor operation passes."""

from typing import Any

import pytest
import torch
from flow import calibrated
from models import SmallMobileNet, SmallResNet, SmallUNet, randomize
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime.exact import in_proved_region
from horizon_plugin_pytorch.nn.quantized import DeQuantize, Quantize
from horizon_plugin_pytorch.quantization import convert_fx


class _Watch(TorchDispatchMode):
    """Counts operations, and collects those that touch floating-point tensors outside of a proved region."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.stray: list[str] = []
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.seen += self.inside
        if self.inside and not in_proved_region():
            leaves = torch.utils._pytree.tree_leaves((args, kwargs, out))
            if any(isinstance(leaf, Tensor) and leaf.is_floating_point() for leaf in leaves):
                self.stray.append(str(func))
        return out


def _watched(quantized: nn.Module, x: Tensor) -> _Watch:
    watch = _Watch()

    def enter(module: nn.Module, args: Any, out: Any) -> None:
        watch.inside = True

    def leave(module: nn.Module, args: Any) -> None:
        watch.inside = False

    for module in quantized.modules():
        if isinstance(module, Quantize):
            module.register_forward_hook(enter)
        if isinstance(module, DeQuantize):
            module.register_forward_pre_hook(leave)
    with torch.no_grad(), watch:
        quantized(x)
    return watch


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("make", [SmallResNet, SmallMobileNet, SmallUNet])
def test_no_float_operation_between_quant_and_dequant(make: type[nn.Module], march: str) -> None:
    x = torch.rand(2, 3, 32, 32)
    quantized = convert_fx(calibrated(randomize(make()), march, [x]))
    watch = _watched(quantized, x)
    assert watch.seen > 20
    assert not watch.stray, sorted(set(watch.stray))


def test_the_watch_sees_a_float_operation() -> None:
    class Stray(nn.Module):
        def forward(self, x: Any) -> Any:
            x.dequantize()
            return x

    x = torch.rand(2, 3, 32, 32)
    quantized = convert_fx(calibrated(randomize(SmallResNet()), "bayes", [x]))
    quantized(x)
    quantized.add_module("pool", nn.Sequential(Stray(), quantized.pool))
    assert _watched(quantized, x).stray


def test_every_float_accumulation_states_its_proof() -> None:
    x = torch.rand(2, 3, 32, 32)
    quantized = convert_fx(calibrated(randomize(SmallResNet()), "bayes", [x]))
    proofs = [proof for module in quantized.modules() for proof in getattr(module, "proofs", ())]
    assert len(proofs) >= 8
    assert all("< 2**" in proof for proof in proofs), proofs
