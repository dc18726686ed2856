"""Functions of QTensors that a module computes: the module is made once for a scale, and anew where something differs."""

from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from torch.nn import functional

from horizon_plugin_pytorch._runtime import tensor_module
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor


@pytest.fixture(autouse=True)
def _empty() -> None:
    set_march("bayes")
    tensor_module._KEPT.clear()


def feature(scale: torch.Tensor) -> QTensor:
    return QTensor(torch.arange(-64, 64, dtype=torch.int8).reshape(1, 2, 8, 8), scale, "qint8")


def made(run: Callable[[], object]) -> int:
    with patch.object(tensor_module, "_made", wraps=tensor_module._made) as make:
        run()
    return int(make.call_count)


def test_a_second_call_makes_nothing() -> None:
    x = feature(torch.tensor([0.5]))
    assert made(lambda: functional.avg_pool2d(x, 2)) == 1
    assert made(lambda: functional.avg_pool2d(x, 2)) == 0


def test_other_settings_another_scale_and_a_changed_one_make_another() -> None:
    scale = torch.tensor([0.5])
    x = feature(scale)
    first = functional.avg_pool2d(x, 2)
    assert made(lambda: functional.avg_pool2d(x, 4)) == 1
    assert made(lambda: functional.avg_pool2d(feature(torch.tensor([0.5])), 2)) == 1
    scale.mul_(2)
    assert made(lambda: functional.avg_pool2d(x, 2)) == 1
    assert torch.equal(functional.avg_pool2d(x, 2).q_scale(), scale)
    assert torch.equal(functional.avg_pool2d(x, 2).int_repr(), first.int_repr())


def test_another_march_makes_another() -> None:
    x = feature(torch.tensor([0.5]))
    functional.avg_pool2d(x, 2)
    set_march("bernoulli2")
    assert made(lambda: functional.avg_pool2d(x, 2)) == 1


def test_only_so_many_are_kept() -> None:
    for _ in range(tensor_module._MOST_KEPT + 3):
        functional.avg_pool2d(feature(torch.tensor([0.5])), 2)
    assert len(tensor_module._KEPT) == tensor_module._MOST_KEPT
