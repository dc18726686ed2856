"""wrap keeps code as one node, with the modules it uses, through every stage."""

import math
from typing import Any

import pytest
import torch
from fx_models import Parts, assert_fuses_equal, calls, conv, table, types
from torch import Tensor, nn

from horizon_plugin_pytorch import set_march
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, fuse_fx, prepare_qat_fx
from horizon_plugin_pytorch.quantization.qconfig import default_qat_8bit_fake_quant_qconfig
from horizon_plugin_pytorch.utils.fx_helper import wrap

X = torch.randn(2, 4, 6, 6)


@wrap()
def branching(x: Tensor, bias: float = 0.0) -> Tensor:
    """Data-dependent code."""
    return x + bias if x.sum() > 0 else -x


@wrap(skip_compile=True)
def outer(x: Tensor) -> Tensor:
    return branching(x) * 2


def unmarked(x: Tensor) -> Tensor:
    return x.abs() if x.min() < 0 else x


wrap()("len")


def functions(graph: torch.fx.Graph) -> list[str]:
    return [n.target.__name__ for n in graph.nodes if n.op == "call_function"]


def test_function() -> None:
    fused = assert_fuses_equal(Parts(lambda _, x: branching(outer(x), bias=1.0)), X)
    assert functions(fused.graph) == ["outer", "branching"]


def test_function_that_is_wrapped_where_it_is_used() -> None:
    try:
        assert wrap()(unmarked) is not None
        assert functions(fuse_fx(Parts(lambda _, x: unmarked(x))).graph) == ["unmarked"]
    finally:
        assert unmarked(torch.tensor([-1.0])) == 1


def test_local_function() -> None:
    @wrap()
    def local(x: Tensor) -> Tensor:
        return x if x.max() > 9 else -x

    assert_fuses_equal(Parts(lambda _, x: local(x)), X)


def test_builtin() -> None:
    fused = assert_fuses_equal(Parts(lambda _, x: x * len(x)), X)
    assert "len" in functions(fused.graph)
    assert len([1]) == 1
    assert "len" not in globals()


def test_what_cannot_be_wrapped() -> None:
    with pytest.raises(ValueError, match="must name a Python builtin"):
        wrap()("no_builtin")
    for bad in (3, nn.ReLU(), math, int):
        with pytest.raises(RuntimeError, match="Wrap arg must be a str or function or class"):
            wrap()(bad)


def test_old_form_warns() -> None:
    with pytest.warns(DeprecationWarning, match="old form"):
        old = wrap(unmarked)
    assert functions(fuse_fx(Parts(lambda _, x: old(x))).graph) == ["unmarked"]
    with pytest.warns(DeprecationWarning, match="old form"):
        assert wrap("sum") == "sum"


@wrap()
class Leaf(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if x.sum() > 0 else self.conv(-x)

    def decode(self, x: Tensor) -> Tensor:
        return x * 2 if bool((x > 0).all()) else x


class SubLeaf(Leaf):
    pass


@pytest.mark.parametrize("leaf", [Leaf, SubLeaf])
def test_class(leaf: type[nn.Module]) -> None:
    fused = assert_fuses_equal(Parts(lambda m, x: m.leaf.decode(m.leaf(x)), leaf=leaf()), X)
    assert table(fused.graph)[1:4] == [
        ("call_module", "leaf", "leaf", "(x,)"),
        ("get_attr", "leaf_1", "leaf", "()"),
        ("call_method", "decode", "decode", "(leaf_1, leaf)"),
    ]


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.tail, self.gain = conv(), conv(), 3.0

    def forward(self, x: Tensor, mode: str = "a") -> Tensor:
        return self.post(self.conv(x), mode)

    @wrap()
    def post(self, x: Tensor, mode: str) -> Tensor:
        if self.training:
            return x.mean()
        return self.scaled(self.tail(x)) if x.sum() > 0 else self.scaled(x)

    def scaled(self, x: Tensor) -> Tensor:
        return x * self.gain


class Override(Base):
    @wrap()
    def post(self, x: Tensor, mode: str) -> Tensor:
        return super().post(x, mode) + 1


class CallsSuper(Base):
    def post(self, x: Tensor, mode: str) -> Tensor:
        return super().post(x, mode) - 1


@pytest.mark.parametrize("cls", [Base, Override, CallsSuper])
def test_method_of_the_root(cls: type[Base]) -> None:
    model = cls()
    fused = assert_fuses_equal(model, X)
    fused.gain = model.gain = 4.0
    torch.testing.assert_close(fused(X), model(X))
    torch.testing.assert_close(fused.train()(X), model.train()(X))
    assert calls(fused) == ["conv"]


def test_method_node_of_the_root() -> None:
    assert table(fuse_fx(Base()).graph)[3:5] == [
        ("get_attr", "_self", "_self", "()"),
        ("call_method", "post", "post", "(_self, conv, mode)"),
    ]


def test_method_of_a_sub_module() -> None:
    model = Parts(lambda m, x: m.inner[0](x), inner=nn.ModuleList([Override()]))
    fused = assert_fuses_equal(model, X)
    assert [n.target for n in fused.graph.nodes if n.op == "get_attr"] == ["inner.0"]


def test_method_under_another_decorator() -> None:
    class Decorated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return self.inside(x) + self.outside(x)

        @wrap()
        @torch.no_grad()
        def inside(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

        @torch.no_grad()
        @wrap()
        def outside(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

        @staticmethod
        @wrap()
        def static(x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    fused = assert_fuses_equal(Decorated(), X)
    assert {n.target for n in fused.graph.nodes if n.op == "call_method"} >= {"inside", "outside"}
    static = Parts(lambda _, x: Decorated.static(x))
    assert functions(fuse_fx(static).graph) == ["static"]


def test_other_tracers_look_inside() -> None:
    class Traceable(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return self.double(x)

        @wrap()
        def double(self, x: Tensor) -> Tensor:
            return x + x

    assert torch.fx.symbolic_trace(Traceable())(X).equal(X + X)


class Head(nn.Module):
    num_classes = 2

    def __init__(self) -> None:
        super().__init__()
        self.cls, self.reg = conv(), conv()

    def forward(self, feat: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls(feat), self.reg(feat)


class RetinaNet(nn.Module):
    """The model of the wrap recipe, with its parts small."""

    def __init__(self, *, with_post: bool = True) -> None:
        super().__init__()
        self.backbone = nn.Sequential(QuantStub(), conv(3), nn.BatchNorm2d(4), nn.ReLU())
        self.neck = None
        self.head = Head()
        self.anchors = nn.MaxPool2d(2)
        self.post_process = conv() if with_post else None
        self.loss = nn.L1Loss()

    def rearrange_head_out(self, inputs: list[Tensor], num: int) -> Tensor:
        return torch.cat([t.permute(0, 2, 3, 1).reshape(t.shape[0], -1, num) for t in inputs], dim=1)

    def forward(self, data: dict[str, Any]) -> Any:
        feat = self.backbone(data["img"])
        feat = self.neck(feat) if self.neck else feat
        cls_scores, bbox_preds = self.head(feat)
        if self.post_process is None:
            return cls_scores, bbox_preds
        return self._post_process(data, feat, cls_scores, bbox_preds)

    @wrap()
    def _post_process(self, data: dict[str, Any], feat: Tensor, cls_scores: Tensor, bbox_preds: Tensor) -> Any:
        anchors = self.anchors(feat)
        if self.training:
            scores = self.rearrange_head_out([dequantized(cls_scores)], self.head.num_classes)
            avg_factor = data["labels"].sum()
            if avg_factor == 0:
                avg_factor += 1
            return {"cls_loss": self.loss(scores, torch.zeros_like(scores)) / avg_factor}
        assert "pred" not in data
        data["pred"] = [dequantized(self.post_process(cls_scores)), dequantized(anchors), dequantized(bbox_preds)]
        return data


def dequantized(x: Tensor) -> Tensor:
    return x.dequantize() if hasattr(x, "q_scale") and type(x) is not Tensor else x


@pytest.fixture
def _march() -> None:
    set_march("bayes")


def data() -> dict[str, Any]:
    return {"img": torch.rand(1, 3, 8, 8), "labels": torch.zeros(3)}


@pytest.mark.usefixtures("_march")
def test_retinanet_in_every_stage() -> None:
    model, inputs = RetinaNet(), data()
    fused = fuse_fx(model.eval())
    torch.testing.assert_close(fused(dict(inputs))["pred"], model(dict(inputs))["pred"])
    torch.testing.assert_close(fused.train()(inputs), fuse_fx(model.train())(inputs))

    qat = prepare_qat_fx(model, {"": default_qat_8bit_fake_quant_qconfig})
    assert type(qat.post_process).__module__.startswith("horizon_plugin_pytorch")
    assert qat.train()(inputs)["cls_loss"].requires_grad
    assert "pred" in qat.eval()(dict(inputs))

    with pytest.warns(UserWarning, match="post_process .* has not collected"):  # it runs in eval mode only
        quantized = convert_fx(qat)
    assert type(quantized.post_process) is not type(qat.post_process)
    assert len(quantized(dict(inputs))["pred"]) == 3
    assert not quantized.training
    assert (
        types(qat)["post_process"]
        == types(prepare_qat_fx(model, {"": default_qat_8bit_fake_quant_qconfig}))["post_process"]
    )


def test_retinanet_without_post_process() -> None:
    fused = fuse_fx(RetinaNet(with_post=False))
    assert calls(fused) == ["backbone.0", "backbone.1", "head.cls", "head.reg"]
