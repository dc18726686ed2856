"""Copies of models: what `copy.deepcopy` makes, with tensors that are copied only where they stay."""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from horizon_plugin_pytorch._runtime.module_copy import copy_model


class Plain(nn.Module):
    """What models hold beside layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(OrderedDict(conv=nn.Conv2d(2, 3, 1), norm=nn.BatchNorm2d(3)))
        self.again = self.layers.conv
        self.seen: list[object] = []
        self.same = self.seen
        self.sizes = {"a": [1, 2], 3: (4, self.layers.norm)}
        self.table = torch.arange(3.0)
        self.register_buffer("steps", torch.zeros(2))


def test_a_copy_has_the_shape_of_the_model():
    model = Plain()
    own, separate = copy_model(model, "caller")
    separate()
    assert own.again is own.layers.conv is not model.again
    assert own.same is own.seen is not model.seen
    assert own.sizes["a"] == [1, 2]
    assert own.sizes["a"] is not model.sizes["a"]
    assert own.sizes[3][1] is own.layers.norm


def test_nothing_is_shared_once_it_is_separate():
    model = Plain()
    own, separate = copy_model(model, "caller")
    separate()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for tensor in (*own.state_dict().values(), own.table):
            tensor.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(model.table, torch.arange(3.0))


def test_statistics_of_torchs_layers_wait_for_separation():
    model = Plain()
    own, separate = copy_model(model, "caller")
    memory = model.layers.norm.running_mean.data_ptr()
    assert own.layers.norm.running_mean.data_ptr() == memory
    separate()
    assert own.layers.norm.running_mean.data_ptr() != memory


class Counted(nn.Module):
    """Says itself what is saved of it."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded = 0

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self.loaded = 1


def test_a_module_that_restores_itself_is_asked_to():
    own, _ = copy_model(nn.Sequential(Counted()), "caller")
    assert own[0].loaded == copy.deepcopy(Counted()).loaded == 1


@pytest.mark.parametrize("place", ["table", "sizes"])
def test_a_computed_tensor_is_named(place: str):
    model = Plain()
    computed = model.layers.conv.weight * 2
    setattr(model, place, [computed] if place == "sizes" else computed)
    with pytest.raises(
        ValueError, match=f"caller copies the model, but '{place}' of Plain is the result of a computation"
    ):
        copy_model(model, "caller")
