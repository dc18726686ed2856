"""QConfigs: presets, names, arguments, and copying observed parameters between models."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.observer_params import load_observer_params
from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import qconfig as presets
from horizon_plugin_pytorch.quantization.fake_quantize import (
    FakeQuantize,
    FakeQuantState,
    PACTFakeQuantize,
    _LearnableFakeQuantize,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.observer_v2 import (
    ClipObserver,
    FixedScaleObserver,
    MinMaxObserver,
    MSEObserver,
    PercentileObserver,
)
from horizon_plugin_pytorch.quantization.qconfig import (
    QConfig,
    get_default_calib_qconfig,
    get_default_qat_out_qconfig,
    get_default_qat_qconfig,
    get_default_qconfig,
)


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def observer_of(factory: Any, **kwargs: Any) -> Any:
    return factory(**kwargs).activation_post_process


class TestQConfig:
    def test_fields(self) -> None:
        activation, weight = FakeQuantize.with_args(dtype="qint8"), FakeQuantize.with_args(dtype=qint8)
        qconfig = QConfig(activation=activation, weight=weight)
        assert qconfig == QConfig(activation, weight)
        assert tuple(qconfig) == (activation, weight)
        assert qconfig.stage is None
        assert bool(QConfig(None, None))

    def test_copies(self) -> None:
        qconfig = presets.default_calib_8bit_fake_quant_qconfig
        for twin in (
            copy.deepcopy(qconfig),
            copy.copy(qconfig),
            pickle.loads(pickle.dumps(qconfig)),
            qconfig._replace(),
        ):
            assert twin == qconfig
            assert twin.stage == "calibration"
            assert type(twin) is QConfig
        assert qconfig._replace(activation=None, stage=None) == QConfig(None, qconfig.weight)

    def test_shown(self) -> None:
        shown = repr(presets.default_calib_8bit_fake_quant_qconfig)
        assert "PercentileObserver" in shown
        assert "stage='calibration'" in shown

    @pytest.mark.parametrize("bad", [nn.Identity(), 3, "fake_quant"])
    def test_needs_factories(self, bad: Any) -> None:
        with pytest.raises(TypeError, match="QConfig takes a factory as activation"):
            QConfig(activation=bad, weight=None)


class TestPresets:
    def test_stages(self) -> None:
        for name in presets.__all__:
            qconfig = getattr(presets, name)
            if isinstance(qconfig, QConfig):
                stage = None if qconfig.activation is None else "calibration" if "calib" in name else "qat"
                assert qconfig.stage == stage, name

    def test_calibration(self) -> None:
        qconfig = presets.default_calib_8bit_fake_quant_qconfig
        assert type(observer_of(qconfig.activation)) is PercentileObserver
        weight = qconfig.weight(channel_len=3)
        assert (weight.scale.shape, weight.ch_axis, weight.dtype) == ((3,), 0, "qint8")
        assert presets.default_calib_8bit_weight_16bit_act_fake_quant_qconfig.activation().dtype == qint16

    def test_fixed_activation(self) -> None:
        assert observer_of(presets.default_qat_8bit_fixed_act_fake_quant_qconfig.activation).averaging_constant == 0

    def test_learned(self) -> None:
        lsq = presets.default_qat_8bit_lsq_quant_qconfig
        assert isinstance(lsq.activation(), _LearnableFakeQuantize)
        assert lsq.weight(channel_len=2).use_grad_scaling
        assert isinstance(presets.default_qat_8bit_pact_quant_qconfig.activation(), PACTFakeQuantize)


class TestDefaults:
    def test_default(self) -> None:
        qconfig = get_default_qconfig()
        assert qconfig.stage is None
        assert type(observer_of(qconfig.activation)) is MinMaxObserver
        assert qconfig.weight(channel_len=4).qscheme == torch.per_channel_symmetric

    def test_names_and_arguments(self) -> None:
        qconfig = get_default_qconfig(
            "lsq", "fake_quant", "mse", "mse", {"dtype": qint16, "stride": 5}, {"averaging_constant": 1.0, "ch_axis": 1}
        )
        activation = qconfig.activation()
        assert isinstance(activation, _LearnableFakeQuantize)
        assert type(activation.activation_post_process) is MSEObserver
        assert (activation.dtype, activation.activation_post_process.stride) == (qint16, 5)
        assert qconfig.weight().ch_axis == 1

    def test_documented_fixed_scale(self) -> None:
        qconfig = get_default_qconfig(
            activation_qkwargs={"observer": FixedScaleObserver, "scale": 1 / 2**15, "dtype": qint16}
        )
        assert qconfig.activation().scale.tolist() == [2**-15]

    def test_none(self) -> None:
        qconfig = get_default_qconfig(activation_fake_quant=None, weight_fake_quant=None)
        assert qconfig == QConfig(None, None)

    def test_weight_observers_without_channels(self) -> None:
        weight = get_default_qconfig(weight_observer="clip").weight(channel_len=4)
        assert type(weight.activation_post_process) is ClipObserver
        assert weight.scale.shape == (1,)

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            (
                {"activation_fake_quant": "fakequant"},
                "activation_fake_quant must be one of fake_quant, lsq, pact, not 'fakequant'",
            ),
            ({"weight_fake_quant": "x"}, "weight_fake_quant must be one of"),
            ({"activation_observer": "minmax"}, "did you mean 'min_max'"),
            ({"weight_observer": "nope"}, "weight_observer must be one of .*min_max"),
        ],
    )
    def test_unknown_names(self, kwargs: dict[str, Any], message: str) -> None:
        with pytest.raises(AssertionError, match=message):
            get_default_qconfig(**kwargs)

    def test_older_functions(self) -> None:
        qat = get_default_qat_qconfig("qint16", activation_fake_quant="pact", weight_fake_quant="pact")
        assert qat.stage == "qat"
        assert (type(qat.activation()), qat.activation().dtype) == (PACTFakeQuantize, "qint16")
        assert type(qat.weight(channel_len=2)) is _LearnableFakeQuantize
        out = get_default_qat_out_qconfig()
        assert (out.activation, out.stage) == (None, None)
        assert out.weight(channel_len=2).scale.shape == (2,)
        calibration = get_default_calib_qconfig(calib_qkwargs={"percentile": 99.0})
        assert calibration.stage == "calibration"
        assert observer_of(calibration.activation).percentile == 99.0


class Net(nn.Module):
    def __init__(self, qconfig: QConfig, names: tuple[str, ...] = ("a", "b")) -> None:
        super().__init__()
        for name in names:
            self.add_module(name, qconfig.activation())  # type: ignore[misc]
        self.weight = qconfig.weight(channel_len=2)  # type: ignore[misc]

    def forward(self, x: Tensor) -> None:
        for module in self.children():
            module(x)


class TestLoadObserverParams:
    CALIBRATION = presets.default_calib_8bit_fake_quant_qconfig
    QAT = presets.default_qat_8bit_fake_quant_qconfig

    def calibrated(self) -> Net:
        net = Net(self.CALIBRATION).eval()
        set_fake_quantize(net, FakeQuantState.CALIBRATION)
        net(torch.tensor([[-1.0, 2.55], [0.5, 1.0]]))
        return net

    @pytest.mark.parametrize("qconfig", [QAT, presets.default_qat_8bit_lsq_quant_qconfig])
    def test_copies_scales_and_ranges_but_no_states(self, qconfig: QConfig) -> None:
        source, target = self.calibrated(), Net(qconfig).train()
        set_fake_quantize(target, FakeQuantState.QAT)
        load_observer_params(source, target)
        for name in ("a", "b", "weight"):
            assert torch.equal(getattr(target, name).scale, getattr(source, name).scale)
            assert torch.equal(
                getattr(target, name).activation_post_process.min_val,
                getattr(source, name).activation_post_process.min_val,
            )
            assert bool(getattr(target, name).fake_quant_enabled)
        assert not bool(source.a.fake_quant_enabled)

    def test_all_differences_are_listed_and_nothing_is_copied(self) -> None:
        source = self.calibrated()
        target = Net(presets.default_qat_8bit_weight_16bit_act_fake_quant_qconfig, ("a", "c"))
        target.weight = self.QAT.weight(channel_len=3)
        with pytest.raises(ValueError, match="nothing was copied") as info:
            load_observer_params(source, target)
        for part in (
            "b: only in the source",
            "c: only in the destination",
            "a: dtype is qint8 in the source and qint16 in the destination",
            "weight: scale has shape [2] in the source and [3] in the destination",
        ):
            assert part in str(info.value)
        assert target.a.scale.tolist() == [1.0]

    def test_a_fixed_scale_is_kept(self) -> None:
        source = self.calibrated()
        fixed = get_default_qconfig(activation_qkwargs={"observer": FixedScaleObserver, "scale": 0.25})
        with pytest.raises(ValueError, match=r"a: scale is .* in the source and fixed at \[0.25\] in the destination"):
            load_observer_params(source, Net(fixed))

    def test_not_prepared(self) -> None:
        with pytest.raises(ValueError, match="no fake quantizers; is it prepared"):
            load_observer_params(nn.Identity(), nn.Identity())
