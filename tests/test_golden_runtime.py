"""Golden facts of the mechanism around the kernels: fake quantizers, observers, dtypes.

In: the vectors E3b and E4, and the sections dtypes and observers of facts.yaml. Everything goes through the public API.
"""

from typing import Any

import pytest
import torch
from golden.facts import DOCUMENT
from golden.vectors import VECTORS
from golden_support import MARCHES, current_march, f32, plain

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.dtype import DTYPES, get_horizon_quant_dtype, qinfo
from horizon_plugin_pytorch.quantization import FakeQuantize, observer_v2
from horizon_plugin_pytorch.quantization.observer_v2 import FixedScaleObserver, MinMaxObserver

E3B = VECTORS["E3b fake_quant s=0.5"]


def fake_quantize(march: str, **arguments: Any) -> FakeQuantize:
    """A fake quantizer of scale 0.5 whose rounding is half up: that of activations, and on bernoulli that of weights."""
    if march == "bernoulli":
        arguments |= {"qscheme": torch.per_channel_symmetric, "ch_axis": 0}
    with current_march(march):
        module = FakeQuantize(observer=FixedScaleObserver, scale=0.5, dtype="qint8", **arguments)
    module.eval()
    return module


def gradient(module: FakeQuantize, x: list[float]) -> tuple[list[float], list[float]]:
    """(values, gradient of their sum)."""
    data = f32(*x).reshape(1, -1).requires_grad_()
    out = module(data).as_subclass(torch.Tensor)
    out.sum().backward()
    return plain(out.detach()[0]), plain(data.grad[0])


@pytest.mark.parametrize("march", MARCHES)
def test_fake_quantize_gives_e3b(march: str) -> None:
    assert gradient(fake_quantize(march), E3B["x"]) == (E3B["fwd"], E3B["grad_mask"])
    assert gradient(fake_quantize(march, saturate=True), E3B["x"]) == (E3B["fwd"], E3B["grad_mask"])


@pytest.mark.parametrize("march", MARCHES)
def test_without_saturation_every_gradient_passes(march: str) -> None:
    assert gradient(fake_quantize(march, saturate=False), E3B["x"]) == (E3B["fwd"], [1.0] * len(E3B["x"]))


def test_activations_are_floored_on_bernoulli() -> None:
    with current_march("bernoulli"):
        module = FakeQuantize(observer=FixedScaleObserver, scale=0.5, dtype="qint8").eval()
    values, mask = gradient(module, [0.25, -0.25, 63.6, 63.8, 64.0, -64.0, -64.1])
    assert values == [0.0, -0.5, 63.5, 63.5, 63.5, -64.0, -64.0]
    assert mask == [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("march", MARCHES)
def test_observed_scales_give_e4(march: str) -> None:
    expected = VECTORS["E4 observer"]
    with current_march(march):
        for dtype, key in (("qint8", "i8"), ("qint16", "i16")):
            observer = MinMaxObserver(dtype=dtype)
            observer(f32(-1.0, 2.55))
            scale, zero_point = observer.calculate_qparams()
            if march != "bernoulli" or dtype == "qint8":
                assert plain(scale) == [expected["bern" if march == "bernoulli" else key]]
            assert plain(zero_point) == [0]
        observer = MinMaxObserver()
        observer(f32(0.0, 0.0))
        assert plain(observer.calculate_qparams()[0]) == [2.0**-14 if march == "bernoulli" else expected["zero"]]


@pytest.mark.parametrize("march", MARCHES)
def test_scale_is_1_before_any_data(march: str) -> None:
    with current_march(march):
        module = FakeQuantize(observer=MinMaxObserver)
        assert (plain(module.scale), plain(module.zero_point)) == ([1.0], [0])
        with pytest.warns(UserWarning, match="observe"):
            scale, zero_point = MinMaxObserver().calculate_qparams()
    assert (plain(scale), plain(zero_point)) == ([1.0], [0])


@pytest.mark.parametrize("fact", DOCUMENT["observers"], ids=lambda fact: f"{fact['class']}: {fact['fact']}")
def test_observer_with_default_arguments(fact: dict[str, Any]) -> None:
    with current_march("bayes"):
        observer = getattr(observer_v2, fact["class"])(**fact.get("arguments", {}))
    for batch in fact["batches"]:
        observer(f32(*(value for value, times in batch for _ in range(times))))
    assert [observer.min_val.item(), observer.max_val.item()] == pytest.approx(fact["range"], rel=1e-5)


def test_fixed_scale_is_1_by_default() -> None:
    with current_march("bayes"):
        scale, zero_point = FixedScaleObserver().calculate_qparams()
    assert (plain(scale), plain(zero_point)) == ([1.0], [0])


@pytest.mark.parametrize(("name", "fact"), DOCUMENT["dtypes"].items(), ids=str)
def test_dtype(name: str, fact: dict[str, Any]) -> None:
    dtype, info = get_horizon_quant_dtype(name), qinfo(name)
    assert {"bits": dtype.bits, "min": dtype.min, "max": dtype.max, "storage": str(dtype.storage)[6:]} == fact
    assert (info.min, info.max, info._storage_type) == (dtype.min, dtype.max, dtype.storage)
    assert dtype.fraction_bits == fact["bits"] - 1


def test_every_dtype_is_known() -> None:
    assert list(DTYPES) == list(DOCUMENT["dtypes"])


def test_every_preset_is_known() -> None:
    module = horizon.quantization.qconfig
    found = {id(value): name for name, value in vars(module).items() if isinstance(value, module.QConfig)}
    assert {id(getattr(module, name)) for name in DOCUMENT["presets"]} == set(found)


def test_pact_covers_6_by_default() -> None:
    with current_march("bayes"):
        preset = horizon.quantization.qconfig.default_qat_8bit_pact_quant_qconfig
        module = preset.activation()
    values = plain(module.eval()(f32(100.0, 3.0)).as_subclass(torch.Tensor).detach())
    step = 6 / 127.5
    assert values == pytest.approx([127 * step, 64 * step])


def test_gradient_of_a_learned_scale_is_divided_by_the_root_of_elements_and_levels() -> None:
    with current_march("bayes"):
        preset = horizon.quantization.qconfig.default_qat_8bit_lsq_quant_qconfig
        module = preset.activation()
    module.eval()
    module(f32(0.3, 1.0, 200.0, -200.0)).as_subclass(torch.Tensor).sum().backward()
    factor = (4 * 127) ** -0.5
    assert plain(module.scale.grad) == pytest.approx([(-0.3 + 0.0 + 127 - 128) * factor], rel=1e-5)
