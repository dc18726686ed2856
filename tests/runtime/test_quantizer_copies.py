"""Quantizers that are copies of the first of their kind are what their factories make, and share nothing."""

from typing import Any

import pytest
import torch
from torch import nn

from horizon_plugin_pytorch._runtime import quantizer_copies
from horizon_plugin_pytorch._runtime.quantizer_copies import made_by
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import FakeQuantize, get_default_qconfig
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver

OBSERVERS = ("min_max", "percentile", "mse", "kl", "mix")
QCONFIGS = [get_default_qconfig(activation_observer=name) for name in OBSERVERS]
FACTORIES = [*(q.activation for q in QCONFIGS), get_default_qconfig(activation_fake_quant="lsq").activation]


def described(module: nn.Module) -> list[Any]:
    """Everything that a quantizer holds."""
    tensors = {
        name: (t.dtype, t.shape, t.tolist(), type(t), t.requires_grad)
        for name, t in module.state_dict(keep_vars=True).items()
    }
    plain = [{k: v for k, v in vars(m).items() if not k.startswith("_")} for m in module.modules()]
    return [repr(module), tensors, plain, [type(m) for m in module.modules()]]


@pytest.mark.parametrize("factory", FACTORIES, ids=[*OBSERVERS, "lsq"])
def test_a_copy_is_what_the_factory_makes(factory: Any) -> None:
    set_march("bayes")
    assert described(made_by(factory)) == described(factory())


def test_channels_count() -> None:
    set_march("bayes")
    weight = QCONFIGS[0].weight
    assert [made_by(weight, channel_len=n).scale.numel() for n in (3, 5, 3)] == [3, 5, 3]


@pytest.mark.parametrize("factory", FACTORIES, ids=[*OBSERVERS, "lsq"])
def test_copies_share_no_tensor_and_no_container(factory: Any) -> None:
    set_march("bayes")
    one, other = made_by(factory), made_by(factory)
    for a, b in zip(one.modules(), other.modules(), strict=True):
        assert a is not b
        held = {id(v) for v in vars(a).values() if isinstance(v, dict | set | list)}
        assert held.isdisjoint(id(v) for v in vars(b).values())
    memory = {t.data_ptr() for t in one.state_dict().values() if t.numel()}
    assert memory.isdisjoint(t.data_ptr() for t in other.state_dict().values() if t.numel())


def test_the_march_of_the_day_is_taken() -> None:
    for march in ("bayes", "bernoulli2"):
        set_march(march)
        made = made_by(FACTORIES[0])
        assert made.march == made.activation_post_process.march == march


class Counting(MinMaxObserver):
    """A user's observer that notices when it is made."""

    made = 0

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        Counting.made += 1


def test_classes_of_users_are_constructed_each_time() -> None:
    set_march("bayes")
    before = Counting.made
    factory = FakeQuantize.with_args(observer=Counting)
    made_by(factory)
    made_by(factory)
    assert Counting.made == before + 2


def test_a_default_device_is_taken() -> None:
    set_march("bayes")
    with torch.device("meta"):
        assert made_by(FACTORIES[0]).scale.is_meta
    assert not made_by(FACTORIES[0]).scale.is_meta


def test_any_callable_is_a_factory() -> None:
    made = nn.Identity()
    assert made_by(lambda: made) is made


def test_what_holds_something_unknown_is_constructed_each_time() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.__dict__["values"] = [1]

    assert quantizer_copies._first(Listed, (), "bayes", torch.float32) is None
