"""Weights quantized without a mask have the values, ranges and gradients of the single steps, however large they are."""

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime import weight_pieces
from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch._runtime.straight_through import fake_quantize_values
from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import FakeQuantize
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver

SHAPES = [(6, 16, 3, 3), (6, 7, 1, 1), (5, 131), (7, 32)]


@pytest.fixture(params=[1 << 18, 100], ids=["whole", "in groups"])
def _group(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_pieces, "_GROUP", request.param)
    set_march("bayes")


def _quantizer(channels: int, first: Tensor, constant: float = 0.3) -> FakeQuantize:
    per_channel = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0, "channel_len": channels}
    made = FakeQuantize(observer=MinMaxObserver, averaging_constant=constant, **per_channel)
    with torch_operations_only():
        made(first)
    return made


def _weights(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """One to begin with, and one of other ranges, whose first row is nowhere saturated and whose second almost everywhere."""
    torch.manual_seed(5)
    first, second = torch.randn(shape), torch.randn(shape) * 1.2
    second[0] *= 0.1
    second[1] = second[1].sign() * 9
    return first, second


@pytest.mark.usefixtures("_group")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0])
def test_as_single_steps(shape: tuple[int, ...], constant: float) -> None:
    first, second = _weights(shape)
    made = _quantizer(shape[0], first, constant)
    found, expected = second.clone().requires_grad_(), second.clone().requires_grad_()
    gradient = torch.randn(shape)
    with torch_operations_only():
        values = made.values(found)
        steps = fake_quantize_values(expected, made.scale.clone(), qint8, "bayes", axis=0)
    values.backward(gradient.clone())
    steps.backward(gradient.clone())
    assert torch.equal(values, steps)
    assert torch.equal(found.grad, expected.grad)
    assert bool((found.grad == 0).any())
    low, high = (torch.lerp(*ends, constant) for ends in zip(_ends(first), _ends(second), strict=True))
    observer = made.activation_post_process
    torch.testing.assert_close((observer.min_val, observer.max_val), (low, high))
    assert torch.equal(made.scale, observer.scale_of(observer.min_val, observer.max_val))


def _ends(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.flatten(1).amin(1), x.flatten(1).amax(1)


@pytest.mark.usefixtures("_group")
def test_gradients_of_another_layout_and_of_gradients() -> None:
    first, second = _weights((6, 16, 3, 3))
    made, gradient = _quantizer(6, first, constant=1.0), torch.randn(6, 16, 3, 3)
    found = []
    for given in (gradient, gradient.contiguous(memory_format=torch.channels_last), gradient.clone().requires_grad_()):
        leaf = second.clone().requires_grad_()
        with torch_operations_only():
            values = made.values(leaf)
        found += torch.autograd.grad(values, leaf, given, create_graph=given.requires_grad)
    (again,) = torch.autograd.grad(found[2].sum(), given)
    assert torch.equal(found[0], found[1])
    assert torch.equal(again, (found[0] != 0).float())


@pytest.mark.usefixtures("_group")
def test_the_gradient_that_was_given_stays_as_it_is() -> None:
    first, second = _weights((6, 16, 3, 3))
    leaf, gradient = second.requires_grad_(), torch.randn(6, 16, 3, 3)
    given = gradient.clone()
    with torch_operations_only():
        _quantizer(6, first).values(leaf).backward(given)
    assert torch.equal(given, gradient)


@pytest.mark.usefixtures("_group")
def test_a_row_that_is_not_finite_changes_no_range() -> None:
    first, second = _weights((6, 16, 3, 3))
    made = _quantizer(6, first)
    before = made.scale.clone(), made.activation_post_process.max_val.clone()
    second[4, 3, 2, 1] = torch.nan
    with torch_operations_only(), pytest.raises(ValueError, match="NaN or Inf"):
        made.values(second.requires_grad_())
    assert torch.equal(made.scale, before[0])
    assert torch.equal(made.activation_post_process.max_val, before[1])
