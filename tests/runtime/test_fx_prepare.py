"""prepare_qat_fx: who gets which qconfig, what is swapped, what is refused."""

import warnings
from typing import Any

import pytest
import torch
from fx_models import Parts, Seed, conv, types
from torch import Tensor, nn
from torch.nn import functional as nnf

from horizon_plugin_pytorch import set_march
from horizon_plugin_pytorch._runtime import march as march_state
from horizon_plugin_pytorch._runtime.graph_module import ObservedGraphModule
from horizon_plugin_pytorch.nn import qat as qat_nn
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, fuse_fx, prepare_qat_fx
from horizon_plugin_pytorch.quantization import qconfig as presets

X = torch.rand(2, 3, 8, 8)
QAT = presets.default_qat_8bit_fake_quant_qconfig
CALIB = presets.default_calib_8bit_fake_quant_qconfig
OUT = presets.default_qat_8bit_weight_32bit_out_fake_quant_qconfig


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.features = nn.Sequential(nn.Sequential(conv(3), nn.BatchNorm2d(4), nn.ReLU()), conv())
        self.classifier = nn.Sequential(conv(), conv())

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(self.quant(x))
        return self.classifier(x + x)


def chosen(model: nn.Module) -> dict[str, Any]:
    """The qconfig of each QAT module."""
    qat = {cls for cls in vars(qat_nn).values() if isinstance(cls, type)}
    return {n: m.qconfig for n, m in model.named_modules() if type(m) in qat and hasattr(m, "qconfig")}


ALL = ("quant", "features.0.0", "features.1", "classifier.0", "classifier.1", "_generated_add_0")


def test_the_global_rule() -> None:
    prepared = prepare_qat_fx(Nested(), {"": QAT})
    assert isinstance(prepared, ObservedGraphModule)
    assert chosen(prepared) == dict.fromkeys(ALL, QAT)
    prepared(X)


def test_the_attribute_of_the_model() -> None:
    model = Nested()
    model.qconfig = QAT
    assert chosen(prepare_qat_fx(model)) == dict.fromkeys(ALL, QAT)


RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "type beats global": ({"module_type": [(nn.Conv2d, OUT)]}, {"features.0.0": OUT, "features.1": OUT, "classifier.0": OUT, "classifier.1": OUT}),
    "name beats type": ({"module_type": [(nn.Conv2d, None)], "module_name": [("classifier", OUT), ("features", QAT)]}, {"classifier.0": OUT, "classifier.1": OUT}),
    "a name covers what lies in it": ({"module_name": {"classifier": OUT}}, {"classifier.0": OUT, "classifier.1": OUT}),
    "the deepest name wins": ({"module_name": {"classifier.1": OUT, "classifier": None}}, {"classifier.0": None, "classifier.1": OUT}),
    "the name of a fused part": ({"module_name": [("features.0.1", OUT)]}, {"features.0.0": OUT}),
    "the later part": ({"module_name": [("features.0.2", None), ("features.0.0", OUT)]}, {"features.0.0": None}),
    "a generated name": ({"module_name": {"_generated_add_0": None}}, {"_generated_add_0": None}),
    "a container class": ({"module_type": [(nn.Sequential, OUT)]}, {n: OUT for n in ALL if "." in n}),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_rules(rule: str) -> None:
    rules, differing = RULES[rule]
    prepared = prepare_qat_fx(Nested(), {"": QAT, **rules})
    expected = dict.fromkeys(ALL, QAT) | differing
    assert chosen(prepared) == {name: q for name, q in expected.items() if q is not None}
    assert not prepared.qconfig_report.unmatched


def test_attributes_beat_rules() -> None:
    model = Nested()
    model.classifier.qconfig = OUT
    model.classifier[0].qconfig = QAT
    model.features[1].qconfig = None
    prepared = prepare_qat_fx(model, {"": QAT, "module_name": {"classifier": None, "features": QAT}})
    expected = {**dict.fromkeys(ALL, QAT), "classifier.1": OUT}
    del expected["features.1"]
    assert chosen(prepared) == expected
    assert type(prepared.features[1]) is nn.Conv2d


def test_rules_for_types_beat_the_attribute_of_the_model() -> None:
    model = Nested()
    model.qconfig = QAT
    found = chosen(prepare_qat_fx(model, {"module_type": [(nn.Conv2d, OUT)]}))
    assert found["features.1"] == OUT
    assert found["quant"] == QAT


def test_generated_modules_take_the_qconfig_of_their_scope() -> None:
    model = Parts(lambda m, x: m.block(m.q(x)), q=QuantStub(), block=Parts(lambda _, x: nnf.relu(x + x)))
    found = chosen(prepare_qat_fx(model, {"": QAT, "module_name": {"block": OUT}}))
    assert found["block_generated_add_0"] == OUT


def test_the_report() -> None:
    with pytest.warns(UserWarning, match="match nothing.*Conv3d.*'clasifier'; did you mean 'classifier'"):
        prepared = prepare_qat_fx(
            Nested(),
            {"": QAT, "module_name": {"clasifier": OUT, "features.1": None}, "module_type": [(nn.Conv3d, OUT)]},
        )
    report = prepared.qconfig_report
    assert {row.module for row in report.rows} >= set(ALL)
    shown = {row.module: (row.qconfig, row.rule) for row in report.rows}
    assert shown["features.1"] == ("not quantized", "module_name 'features.1'")
    assert shown["classifier.0"] == ("qat", 'global ""')
    assert len(report.unmatched) == 2
    assert "matched nothing" in str(report)
    assert "features.0.0" in str(report)


def test_modules_parameters_mode_and_device() -> None:
    model = Seed()
    model.qconfig = QAT
    prepared = prepare_qat_fx(model)
    assert types(prepared)["bn"] == "Identity"
    assert isinstance(prepared.conv, qat_nn.ConvReLU2d)
    assert prepared.training
    assert prepared.conv.training
    assert not prepare_qat_fx(model.eval()).conv.training
    assert type(model.conv) is nn.Conv2d
    assert model(X) is not None
    assert not prepare_qat_fx(fuse_fx(model)).training


def test_a_meta_model_keeps_its_device() -> None:
    model = Seed().to("meta")
    model.qconfig = QAT
    assert {t.device.type for t in prepare_qat_fx(model).state_dict().values()} == {"meta"}


def test_prepare_after_fuse() -> None:
    model = Nested().eval()
    direct = prepare_qat_fx(model, {"": QAT})
    fused = fuse_fx(model)
    by_way = prepare_qat_fx(fused, {"": QAT})
    assert {n: type(m) for n, m in by_way.named_modules() if n} == {n: type(m) for n, m in direct.named_modules() if n}
    assert type(fused.features[1]) is nn.Conv2d, "the fused model is not consumed"


def test_shared_modules_stay_shared() -> None:
    model = Parts(lambda m, x: m.b(m.a(m.q(x))), q=QuantStub(), a=conv(3, 3))
    model.b = model.a
    prepared = prepare_qat_fx(model, {"": QAT})
    assert prepared.a is prepared.b


def test_parts_of_torch_layers_are_not_swapped() -> None:
    model = Parts(lambda _, x: x, attention=nn.TransformerEncoderLayer(4, 2), conv=conv())
    prepared = prepare_qat_fx(model, {"": QAT})
    assert type(prepared.attention.linear1) is nn.Linear
    assert type(prepared.conv) is not nn.Conv2d


# ---------------------------------------------------------------------------------------------------- what is refused


def test_no_march() -> None:
    march_state._Process.march = None
    with pytest.raises(RuntimeError, match="set_march"):
        prepare_qat_fx(Nested(), {"": QAT})


def test_no_qconfig() -> None:
    for rules in (None, {}, {"": None}, {"module_name": {"quant": None}}):
        with pytest.raises(ValueError, match="no module of the model has a qconfig"):
            prepare_qat_fx(Nested(), rules)


@pytest.mark.parametrize(
    ("rules", "error", "match"),
    [
        ([("", QAT)], TypeError, "qconfig_dict must be a dict or None, not list"),
        ({"module_names": {}}, ValueError, "did you mean 'module_name'"),
        ({"": 8}, TypeError, 'global "": 8 is not a QConfig'),
        ({"module_name": {"conv": "qint8"}}, TypeError, "module_name 'conv': 'qint8' is not a QConfig"),
        ({"module_name": "conv"}, TypeError, "must be a list of pairs or a dict, not str"),
        ({"module_name": [("conv",)]}, TypeError, "is not a pair of str and qconfig"),
        ({"module_type": [("Conv2d", QAT)]}, TypeError, "is not a pair of type and qconfig"),
    ],
)
def test_malformed_rules(rules: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        prepare_qat_fx(Nested(), rules)


def test_stages_must_not_mix() -> None:
    with pytest.raises(
        ValueError, match=r"qat for 'quant' by global \"\"; calibration for 'classifier.0' by module_name"
    ):
        prepare_qat_fx(Nested(), {"": QAT, "module_name": {"classifier.0": CALIB}})
    prepare_qat_fx(Nested(), {"": CALIB, "module_name": {"classifier": OUT}})


def test_a_prepared_model_is_refused() -> None:
    prepared = prepare_qat_fx(Nested(), {"": QAT})
    with pytest.raises(ValueError, match="already prepared"):
        prepare_qat_fx(prepared, {"": QAT})
    mixed = Nested()
    mixed.features = prepared.features
    with pytest.raises(ValueError, match=r"'features.0.0' is a .*Eager and FX interfaces must not be mixed"):
        prepare_qat_fx(mixed, {"": QAT})
    prepared(X)
    with pytest.raises(ValueError, match="already converted"):
        prepare_qat_fx(convert_fx(prepared), {"": QAT})


def test_custom_config_keys() -> None:
    prepare_qat_fx(Nested(), {"": QAT}, {"preserved_attributes": ["quant"]}, optimize_graph=True)
    with pytest.raises(ValueError, match="did you mean 'preserved_attributes'"):
        prepare_qat_fx(Nested(), {"": QAT}, {"preserved_attribute": []})
    with pytest.raises(TypeError, match="list of attribute names"):
        fuse_fx(Nested(), {"preserved_attributes": "quant"})
    with pytest.raises(TypeError, match="must be a dict"):
        fuse_fx(Nested(), ["quant"])


def test_not_a_module() -> None:
    for function in (fuse_fx, prepare_qat_fx):
        with pytest.raises(TypeError, match=r"takes an nn\.Module, not int"):
            function(3)


def test_a_tensor_with_history_is_named() -> None:
    model = Nested()
    model.features.scale = torch.ones(1, requires_grad=True) * 2
    with pytest.raises(ValueError, match=r"'features.scale' of Sequential .* \.detach\(\)"):
        prepare_qat_fx(model, {"": QAT})
    model = Nested()
    model.cache = {"last": [torch.ones(1, requires_grad=True) * 2]}
    with pytest.raises(ValueError, match="'cache'"):
        fuse_fx(model)


def test_sub_classes_are_warned_of() -> None:
    class MyConv(nn.Conv2d):
        pass

    model = Nested()
    model.classifier[1] = MyConv(4, 4, 3)
    with pytest.warns(UserWarning, match=r"'classifier.1' is a MyConv, a sub-class of Conv2d"):
        prepared = prepare_qat_fx(model, {"": QAT})
    assert type(prepared.classifier[1]) is MyConv
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        prepare_qat_fx(Nested(), {"": QAT})
