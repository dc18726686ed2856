"""The names of older and newer releases for calibration and qconfigs: what they make."""

import pytest
import torch
from fx_models import Seed

from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import observer, observer_v2, qconfig


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def batch() -> torch.Tensor:
    return torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def test_a_legacy_fx_model_observes_at_once_and_hands_over() -> None:
    float_model = Seed().eval()
    calibrated = hq.prepare_calibration_fx(float_model)
    assert isinstance(calibrated.conv.activation_post_process.activation_post_process, observer.CalibObserver)
    x = batch()
    with torch.no_grad():
        assert torch.allclose(calibrated(x).dequantize(), float_model(x), atol=1e-5)
    qat = hq.prepare_qat_fx(float_model, {"": hq.default_qat_8bit_fake_quant_qconfig})
    hq.load_observer_params(calibrated, qat)
    scale = calibrated.conv.activation_post_process.scale
    assert scale.item() not in {0.0, 1.0}
    assert torch.equal(qat.conv.activation_post_process.scale, scale)


def test_a_legacy_eager_model_observes_at_once() -> None:
    float_model = Seed().eval()
    calibrated = hq.prepare_calibration(float_model)
    calibrated(batch())
    assert not hasattr(float_model, "qconfig")
    assert calibrated.conv.activation_post_process.activation_post_process.has_data
    assert not bool(calibrated.conv.activation_post_process.fake_quant_enabled[0])


def test_own_qconfigs_are_kept() -> None:
    model = Seed()
    model.qconfig = hq.default_calib_8bit_weight_16bit_act_fake_quant_qconfig
    for prepared in (hq.prepare_calibration(model), hq.prepare_calibration_fx(model)):
        assert str(prepared.conv.activation_post_process.dtype) == "qint16"


def test_public_quantizers_make_what_their_names_say() -> None:
    made = {name: getattr(qconfig, name)(channel_len=3) for name in dir(qconfig) if name.endswith("bit_fake_quant")}
    assert {name: (str(q.dtype), q.ch_axis) for name, q in made.items()} == {
        "default_8bit_fake_quant": ("qint8", -1),
        "default_16bit_fake_quant": ("qint16", -1),
        "default_weight_8bit_fake_quant": ("qint8", 0),
        "default_weight_16bit_fake_quant": ("qint16", 0),
        "per_channel_8bit_fake_quant": ("qint8", 1),
    }
    assert isinstance(qconfig.default_calib_fake_quant().activation_post_process, observer_v2.PercentileObserver)
    assert qconfig.default_weight_calib_fake_quant(channel_len=3).ch_axis == 0


def test_get_qconfig_takes_an_observer_class_and_dtypes() -> None:
    made = hq.get_qconfig(observer_v2.MinMaxObserver, out_dtype="qint16", fix_scale=True)
    activation, weight = made.activation(), made.weight(channel_len=2)
    assert (str(activation.dtype), activation.activation_post_process.averaging_constant) == ("qint16", 0.0)
    assert (str(weight.dtype), weight.ch_axis) == ("qint8", 0)
    assert isinstance(hq.get_qconfig().activation().activation_post_process, observer_v2.MSEObserver)
    assert hq.get_qconfig(out_dtype=None).activation is None


def test_get_qconfig_names_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match=r"give that layer .* a qconfig with this out_dtype"):
        hq.get_qconfig(in_dtype="qint16")
    with pytest.raises(ValueError, match="must be a class of observer_v2, not 'mse'"):
        hq.get_qconfig("mse")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["fake_quant", "lsq", "pact"])
def test_another_dtype_covers_the_same_range(kind: str) -> None:
    fake_quant = hq.get_default_qconfig(activation_fake_quant=kind).activation()
    hq.set_fake_quantize(fake_quant.eval(), hq.FakeQuantState.CALIBRATION)
    fake_quant(batch())
    before = fake_quant.scale.item() * 255
    fake_quant.reset_dtype("qint16")
    assert str(fake_quant(batch()).dtype) == "qint16"
    assert fake_quant.scale.item() * 65535 == pytest.approx(before, rel=1e-5)


def test_a_fixed_scale_stays_at_another_dtype() -> None:
    fake_quant = hq.FakeQuantize(observer=observer_v2.FixedScaleObserver, scale=0.25)
    fake_quant.reset_dtype("qint16")
    assert fake_quant.scale.item() == 0.25
