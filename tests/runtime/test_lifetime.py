"""A model that is dropped frees its memory at once: nothing that it holds of itself makes it wait for the garbage collector."""

import copy
import gc
import pickle
import weakref
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch.quantization import FakeQuantState

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Net(nn.Module):
    """A convolution with what is folded and fused, an add, a table and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = hq.QuantStub(), torch.ao.quantization.DeQuantStub()
        self.conv, self.bn, self.relu = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.second, self.act, self.head = nn.Conv2d(4, 4, 1), nn.Sigmoid(), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn(self.conv(self.quant(x))))
        return self.dequant(self.head(self.act(self.second(x) + x).mean((2, 3))))


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    horizon.march.set_march("bayes")
    torch.manual_seed(0)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def prepared() -> nn.Module:
    return hq.prepare_qat_fx(Net().eval(), {"": hq.get_default_qconfig()}).eval()


def calibrated() -> nn.Module:
    return hq.calibrate(prepared(), [X])


def validated(model: nn.Module, *, exact: bool) -> nn.Module:
    hq.set_fake_quantize(model, FakeQuantState.VALIDATION, exact=exact)
    return used(model)


def trained(model: nn.Module) -> nn.Module:
    hq.set_fake_quantize(model.train(), FakeQuantState.QAT)
    model(X).sum().backward()
    return model


def used(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        model(X)
    return model


MADE: dict[str, Callable[[], nn.Module]] = {
    "fused": lambda: hq.fuse_fx(Net()),
    "prepared": prepared,
    "calibrated": calibrated,
    "trained": lambda: trained(calibrated()),
    "validated": lambda: validated(calibrated(), exact=False),
    "validated exactly": lambda: validated(calibrated(), exact=True),
    "copied": lambda: copy.deepcopy(calibrated()),
    "pickled": lambda: pickle.loads(pickle.dumps(calibrated())),
    "converted": lambda: hq.convert_fx(calibrated()),
    "converted and used": lambda: used(hq.convert_fx(calibrated())),
    "converted, fast": lambda: used(hq.convert_fx(calibrated(), fast_mode=True)),
}


@pytest.mark.parametrize("made", list(MADE))
def test_nothing_is_left_of_a_model_that_is_dropped(made: str) -> None:
    model = MADE[made]()
    held = [("model", model), *model.named_parameters(), *model.named_buffers()]
    left = {name: weakref.ref(x) for name, x in held}
    del model, held
    assert [name for name, reference in left.items() if reference() is not None] == []


def test_a_graph_knows_its_model_while_that_lives() -> None:
    model = prepared()
    model.graph.lint()
    graph = model.graph
    assert graph.owning_module.conv is model.conv
    del model
    assert graph.owning_module is None
    graph.lint()
