"""A graph module stays what the model was, and can be copied and pickled in every stage."""

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from fx_models import Parts, Seed, conv, randomized, table
from torch import Tensor, nn

from horizon_plugin_pytorch import set_march
from horizon_plugin_pytorch.nn.quantized import FloatFunctional
from horizon_plugin_pytorch.quantization import QuantStub, convert_fx, fuse_fx, prepare_qat_fx
from horizon_plugin_pytorch.quantization.qconfig import default_qat_8bit_fake_quant_qconfig
from horizon_plugin_pytorch.utils.fx_helper import wrap

X = torch.rand(2, 3, 8, 8)


class Ancestor(nn.Module):
    level = "class attribute"

    def describe(self) -> str:
        return f"{type(self).__name__} {self.level}"


class Rich(Ancestor):
    """A model with everything a module can have."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.conv, self.bn, self.relu = QuantStub(), conv(3), nn.BatchNorm2d(4), nn.ReLU()
        self.ff = FloatFunctional()
        self.unused = nn.PReLU()
        self.register_buffer("offset", torch.ones(1))
        self.register_buffer("hidden", torch.zeros(1), persistent=False)
        self.gain = nn.Parameter(torch.ones(1))
        self.options = {"names": ["a", "b"]}
        self.parts = [self.conv]

    @property
    def total(self) -> int:
        return len(self.options["names"])

    def describe(self) -> str:
        return "rich " + super().describe()

    def forward(self, x: Tensor, flag: bool = False) -> dict[str, Tensor]:
        x = self.quant(x)
        y = self.relu(self.bn(self.conv(x)))
        return {"y": self.ff.add(y, y), "z": self.finish(y)}

    @wrap()
    def finish(self, x: Tensor) -> Tensor:
        return plain(x) * self.gain if self.offset.item() == 1 else plain(x)


def plain(x: Tensor) -> Tensor:
    return x.dequantize() if type(x) is not Tensor else x


def float_stage(model: nn.Module) -> nn.Module:
    return fuse_fx(model)


def qat_stage(model: nn.Module) -> nn.Module:
    set_march("bayes")
    prepared = prepare_qat_fx(model, {"": default_qat_8bit_fake_quant_qconfig})
    prepared.train()(X)
    return prepared.eval()


def quantized_stage(model: nn.Module) -> nn.Module:
    return convert_fx(qat_stage(model))


STAGES = [float_stage, qat_stage, quantized_stage]
Stage = Callable[[nn.Module], nn.Module]


def values(out: object) -> list[Tensor]:
    return [plain(v) for v in (out.values() if isinstance(out, dict) else [out])]


@pytest.mark.parametrize("stage", STAGES)
def test_everything_survives(stage: Stage) -> None:
    model = Rich()
    made = stage(model)
    assert isinstance(made, Rich)
    assert isinstance(made, torch.fx.GraphModule)
    assert str(made).startswith("Rich(")
    assert made.describe() == "rich Rich class attribute"
    assert made.total == 2
    assert made.options == {"names": ["a", "b"]}
    assert made.options is not model.options
    assert {"offset", "gain", "unused.weight"} <= set(made.state_dict())
    assert "hidden" not in made.state_dict()
    assert made.hidden.equal(torch.zeros(1))
    assert made.training is False or stage is float_stage


def test_state_dict_keys_of_untouched_parts() -> None:
    model = nn.Sequential(conv(3), nn.MaxPool2d(2), nn.Sequential(conv(), nn.PReLU()))
    assert list(fuse_fx(model).state_dict()) == list(model.state_dict())
    fuse_fx(model).load_state_dict(model.state_dict())


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle", "save"])
@pytest.mark.parametrize("model", [Rich, Seed])
def test_copies(stage: Stage, how: str, model: type[nn.Module]) -> None:
    made = stage(randomized(model()))
    if how == "save":
        file = io.BytesIO()
        torch.save(made, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    else:
        copies = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m))}
        twin = copies[how](made)
    assert isinstance(twin, model)
    assert isinstance(twin, torch.fx.GraphModule)
    assert type(twin) is not type(made), "each has a forward of its own"
    assert table(twin.graph) == table(made.graph)
    for a, b in zip(values(made(X)), values(twin(X)), strict=True):
        assert torch.equal(a, b)
    twin.graph.eliminate_dead_code()
    twin.recompile()
    assert torch.equal(values(made(X))[0], values(twin(X))[0])
    if how != "copy":
        next(iter(twin.state_dict().values())).fill_(7)
        assert not next(iter(made.state_dict().values())).eq(7).any()


@pytest.mark.parametrize("stage", STAGES)
def test_a_model_that_its_parts_refer_to(stage: Stage) -> None:
    class Child(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    model = Parts(Parts.forward, q=QuantStub(), child=Child(), conv=conv(3))
    model.run = _run_child
    model.child.__dict__["parent"] = model
    made = stage(model)
    assert made.child.parent is made
    twin = copy.deepcopy(made)
    assert twin.child.parent is twin


def _run_child(m: nn.Module, x: Tensor) -> Tensor:
    return m.conv(m.child(m.q(x)))


def test_hooks_survive() -> None:
    model, seen = Seed(), []
    model.register_forward_hook(lambda m, *_: seen.append(type(m).__name__))
    model.quant.register_forward_hook(lambda *_: seen.append("quant"))
    fuse_fx(model)(X)
    assert seen == ["quant", "Seed"]
    qat_stage(model)
    assert (seen[2], seen[-1], seen.count("Seed")) == ("quant", "Seed", 2)


def test_names_that_a_graph_module_needs() -> None:
    model = Seed()
    model.graph = "adjacency"
    with pytest.raises(ValueError, match=r"Seed has attributes that a torch\.fx graph module needs for itself: graph"):
        fuse_fx(model)


def test_roots_of_torch_and_of_fx() -> None:
    model = nn.Sequential(conv(3), nn.ReLU())
    fused = fuse_fx(model)
    assert len(fused) == 2
    assert str(fused).startswith("Sequential(")
    traced = torch.fx.symbolic_trace(model)
    torch.testing.assert_close(fuse_fx(traced)(X), model(X))
    assert [n.target for n in fuse_fx(traced).graph.nodes][1:2] == ["0"]


def test_parallel_replicas_work() -> None:
    fused = fuse_fx(randomized(Seed()))
    assert torch.equal(fused._replicate_for_data_parallel()(X), fused(X))
