"""Evaluation quantizes a weight anew whenever anything that its values depend on has changed, and only then."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn import qat
from horizon_plugin_pytorch.quantization import FakeQuantState, get_default_qconfig, set_fake_quantize

X = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(2))


def _layer(state: FakeQuantState = FakeQuantState.VALIDATION) -> Any:
    set_march("bayes")
    torch.manual_seed(4)
    conv = nn.Conv2d(8, 5, 3)
    conv.qconfig = get_default_qconfig()
    layer = qat.Conv2d.from_float(conv).eval()
    set_fake_quantize(layer, FakeQuantState.CALIBRATION)
    layer(X)
    set_fake_quantize(layer, state)
    return layer


def _weight(layer: Any) -> Tensor:
    with torch.no_grad():
        return layer.fake_quantized_weight()


def _copied(weight: Tensor) -> None:
    with torch.no_grad():
        weight.copy_(weight * 2)


def _other_memory(weight: Tensor) -> None:
    weight.data = weight.data * 2


def _through_data(weight: Tensor) -> None:
    weight.data.mul_(2)


def test_the_same_weight_is_quantized_once() -> None:
    layer = _layer()
    assert _weight(layer) is _weight(layer)


@pytest.mark.parametrize("change", [_copied, _other_memory, _through_data])
def test_another_weight_has_other_values(change: Callable[[Tensor], None]) -> None:
    layer = _layer()
    before = _weight(layer).clone()
    layer.weight_fake_quant.scale.mul_(2)
    change(layer.weight)
    assert torch.equal(_weight(layer), before * 2)


def test_another_scale_gives_other_values() -> None:
    layer = _layer()
    before = _weight(layer)
    layer.weight_fake_quant.set_qparams(layer.weight_fake_quant.scale * 3)
    after = _weight(layer)
    assert not torch.equal(before, after)
    with torch_operations_only():
        assert torch.equal(_weight(layer), after)


def test_one_number_written_through_data_counts_after_eval() -> None:
    layer = _layer()
    before = _weight(layer).clone()
    layer.weight.data.view(-1)[7] = -layer.weight.data.view(-1)[7]
    layer.eval()
    assert not torch.equal(_weight(layer), before)


def test_who_writes_into_the_values_spoils_nothing() -> None:
    layer = _layer()
    before = _weight(layer).clone()
    _weight(layer).zero_()
    assert torch.equal(_weight(layer), before)


def test_training_gets_its_own_values() -> None:
    layer = _layer()
    _weight(layer)
    layer.fake_quantized_weight().sum().backward()
    assert layer.weight.grad is not None


def test_values_of_inference_mode_serve_a_frozen_layer() -> None:
    layer = _layer()
    with torch.inference_mode():
        _weight(layer)
    layer.weight.requires_grad_(False)
    x = X.clone().requires_grad_()
    layer(x).dequantize().sum().backward()
    assert x.grad is not None


def test_a_copy_keeps_nothing_of_the_original() -> None:
    layer = _layer()
    _weight(layer)
    assert _weight(copy.deepcopy(layer)) is not _weight(layer)


def test_a_range_that_still_moves_is_observed_at_each_batch() -> None:
    layer = _layer(FakeQuantState.CALIBRATION)
    held = layer.weight_fake_quant.activation_post_process.max_val
    held.add_(1.0)
    ranges = []
    for _ in range(3):
        _weight(layer)
        ranges.append(held.clone())
    assert (ranges[0] > ranges[1]).all()
    assert (ranges[1] > ranges[2]).all()


def test_observing_the_same_weight_again_changes_nothing() -> None:
    layer = _layer(FakeQuantState.CALIBRATION)
    _weight(layer)
    version = layer.weight_fake_quant.scale._version
    assert _weight(layer) is layer.weight
    assert layer.weight_fake_quant.scale._version == version
    _copied(layer.weight)
    _weight(layer)
    assert layer.weight_fake_quant.scale._version > version
