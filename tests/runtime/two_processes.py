"""Two processes of torch.distributed (gloo) on this machine, each with half of a batch."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    calibrate,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver

WORLD = 2


def on_both(work: Callable[[int], Any]) -> list[Any]:
    """What `work(rank)` gives in each of two processes."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_worker, args=(work, folder), nprocs=WORLD)
        return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(WORLD)]


def _worker(rank: int, work: Callable[[int], Any], folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    torch.save(work(rank), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


class Net(nn.Module):
    """A convolution and a linear layer; no batch norm, whose statistics would be those of half a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.conv = nn.Conv2d(2, 4, 3)
        self.fc = nn.Linear(4 * 6 * 6, 3)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.fc(torch.relu(self.conv(self.quant(x))).flatten(1)))


def batch() -> Tensor:
    """Eight images; the larger values are in the second half."""
    torch.manual_seed(2)
    return torch.randn(8, 2, 8, 8) * torch.linspace(0.5, 2.0, 8).reshape(8, 1, 1, 1)


def _prepared() -> nn.Module:
    """With observers that unite ranges."""
    horizon.march.set_march("bayes")
    torch.manual_seed(3)
    synchronized = {"is_sync_quantize": True}
    weight = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0, **synchronized}
    qconfig = get_default_qconfig(activation_qkwargs={"averaging_constant": 1.0, **synchronized}, weight_qkwargs=weight)
    return prepare_qat_fx(Net(), {"": qconfig})


def calibrated(x: Tensor) -> dict[str, Tensor]:
    """Calibration, with correction of biases, on a batch; the state afterwards."""
    return dict(calibrate(_prepared(), [x]).state_dict())


def trained(x: Tensor, wrap: Callable[[nn.Module], nn.Module] = lambda model: model) -> dict[str, Tensor]:
    """Three steps of QAT on a batch; the state afterwards."""
    model = _prepared().train()
    set_fake_quantize(model, FakeQuantState.QAT)
    wrapped = wrap(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        wrapped(x).square().mean().backward()
        optimizer.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def half(rank: int) -> tuple[dict[str, Tensor], list[Tensor], dict[str, Tensor]]:
    """(state after DDP, scales of observers, state after calibration) on one half of the batch."""
    part = batch().chunk(WORLD)[rank]
    return trained(part, nn.parallel.DistributedDataParallel), _observed(rank), calibrated(part)


def _observed(rank: int) -> list[Tensor]:
    """Scales of an observer that unites ranges, of one that does not, and of one with channels."""
    horizon.march.set_march("bayes")
    scales = []
    for united in (True, False):
        observer = MinMaxObserver(is_sync_quantize=united)
        observer(batch().chunk(WORLD)[rank])
        scales.append(observer.calculate_qparams()[0])
    channels = MinMaxObserver(is_sync_quantize=True, qscheme=torch.per_channel_symmetric, ch_axis=1)
    channels(batch().chunk(WORLD)[rank])
    return [*scales, channels.calculate_qparams()[0]]
