"""Modules that are called at several places: the ranges at each place, and a warning with them."""

import copy
import pickle
import warnings
from typing import Any

import pytest
import torch
from fx_models import Parts, conv
from torch import Tensor, nn

from horizon_plugin_pytorch import qconfig
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    prepare_qat_fx,
    set_fake_quantize,
    shared_module_ranges,
)

X = torch.randn(2, 4, 6, 6)


def calibrated(run: Any, **parts: nn.Module) -> Any:
    set_march("bayes")
    model = prepare_qat_fx(
        Parts(run, quant=QuantStub(), **parts), {"": qconfig.default_qat_8bit_fake_quant_qconfig}
    ).eval()
    set_fake_quantize(model, FakeQuantState.CALIBRATION)
    model(X)
    model(2 * X)
    set_fake_quantize(model, FakeQuantState.VALIDATION)
    return model


def twice(m: Parts, x: Tensor) -> Any:
    x = m.quant(x)
    return m.conv(x), m.conv(m.conv(x))


def test_ranges_of_each_call_site() -> None:
    model = calibrated(twice, conv=conv())
    first = nn.functional.conv2d(2 * X, model.conv.weight, model.conv.bias, padding=model.conv.padding)
    found = shared_module_ranges(model)
    assert list(found) == ["conv"]
    assert list(found["conv"]) == ["conv", "conv_1", "conv_2"]
    assert found["conv"]["conv"] == pytest.approx((first.min().item(), first.max().item()), rel=1e-4)


def test_the_warning_lists_them() -> None:
    with pytest.warns(
        UserWarning, match=r"one scale for all of them.*\n  conv: conv -.*\.\..*, conv_1 .*, conv_2 "
    ) as caught:
        convert_fx(calibrated(twice, conv=conv()))
    assert len([w for w in caught if "several places" in str(w.message)]) == 1


def test_modules_with_one_place_are_not_told_of() -> None:
    model = calibrated(lambda m, x: torch.relu(m.conv2(torch.relu(m.conv1(m.quant(x))))), conv1=conv(), conv2=conv())
    assert shared_module_ranges(model) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        convert_fx(model)


def test_nothing_is_noted_in_validation_and_copies_keep_it() -> None:
    model = calibrated(twice, conv=conv())
    before = shared_module_ranges(model)
    model(100 * X)
    assert shared_module_ranges(model) == before
    assert shared_module_ranges(copy.deepcopy(model)) == before
    assert shared_module_ranges(pickle.loads(pickle.dumps(model))) == before
