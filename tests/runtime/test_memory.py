"""How much memory preparing and converting take, and that no model shares any with another."""

from collections.abc import Iterator

import pytest
import torch
from fx_models import Seed
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qconfig import default_qat_8bit_fake_quant_qconfig as QAT  # noqa: N812 - as in qconfig dicts
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, fuse_fx, prepare_qat_fx


class Wide(nn.Module):
    """Two layers of some size, the first with a normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.first = nn.Conv2d(64, 128, 3)
        self.norm = nn.BatchNorm2d(128)
        self.second = nn.Conv2d(128, 128, 3, bias=False)
        self.noted = _Note(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.norm(self.first(self.quant(x)))))


class _Note:
    """An object of the user's that knows a parameter."""

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _memory(model: nn.Module) -> dict[int, int]:
    """Address -> bytes of everything the model holds."""
    return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in _tensors(model) if t.numel()}


@pytest.mark.parametrize("make", [fuse_fx, lambda model: prepare_qat_fx(model, {"": QAT})])
@pytest.mark.parametrize("net", [Wide, Seed])
def test_nothing_is_shared_with_the_float_model(make, net) -> None:
    model = net()
    assert _memory(model).keys().isdisjoint(_memory(make(model)))


def test_objects_of_the_user_know_the_parameters_of_the_copy() -> None:
    fused = fuse_fx(Wide())
    assert fused.noted.parameter is fused.second.weight


def test_preparing_keeps_one_copy_of_the_parameters() -> None:
    model = Wide()
    assert sum(_memory(prepare_qat_fx(model, {"": QAT})).values()) < 1.02 * sum(_memory(model).values())


def test_preparing_copies_no_weight_that_folding_makes_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    cloned: list[int] = []
    clone = Tensor.clone
    monkeypatch.setattr(Tensor, "clone", lambda t, **kw: cloned.append(t.numel()) or clone(t, **kw))
    model = Wide()
    prepare_qat_fx(model, {"": QAT})
    assert model.second.weight.numel() in cloned
    assert model.first.weight.numel() not in cloned


def test_integers_take_less_than_a_third_of_the_float_model() -> None:
    model = Wide()
    converted = convert_fx(prepare_qat_fx(model, {"": QAT}))
    assert sum(_memory(converted).values()) <= 0.3 * sum(_memory(model).values())
