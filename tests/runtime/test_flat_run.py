"""Flat runs: plain integers from layer to layer have the modules' bits, and step back where somebody looks on."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from test_kernel_plans import IMAGES, Net, converted
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime import flat_run
from horizon_plugin_pytorch._runtime.flat_run import FlatRun
from horizon_plugin_pytorch.quantization import by_definition


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FlatRun]]:
    """The flat runs that happened."""
    seen: list[FlatRun] = []
    original = FlatRun.__call__

    def noted(self: FlatRun, *values: Any) -> Any:
        seen.append(self)
        return original(self, *values)

    monkeypatch.setattr(FlatRun, "__call__", noted)
    return seen


def by_modules(model: Any, *inputs: Any) -> Tensor:
    """What the graph's own code gives."""
    result: Tensor = model.forward(*inputs)
    return result


def defined(model: Any, x: Tensor) -> Tensor:
    with by_definition():
        result: Tensor = model(x)
    return result


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize(("march", "dtype"), [*((m, "qint8") for m in MARCH_IDS), ("bayes", "qint16")])
def test_a_flat_run_has_the_bits_of_the_definition(
    march: str, dtype: str, fast_mode: bool, runs: list[FlatRun]
) -> None:
    model = converted(Net(), march, IMAGES, dtype, fast_mode=fast_mode)
    out = model(IMAGES * 5)
    assert len(runs) == 1
    assert torch.equal(out, defined(model, IMAGES * 5))


def test_the_plan_names_flat_layers() -> None:
    model = converted(Net(), "bayes", IMAGES)
    assert {row.layer for row in model.kernel_plan().layers if row.flat} == {"stem", "deep", "fused"}
    assert any(line.split()[:3] == ["stem", "ConvReLU2d", "flat"] for line in str(model.kernel_plan()).splitlines())


def test_the_plan_of_a_copy_is_that_of_the_model() -> None:
    model = converted(Net(), "bayes", IMAGES)
    assert str(copy.deepcopy(model).kernel_plan()) == str(model.kernel_plan())


@pytest.mark.parametrize("fast_mode", [False, True])
def test_images_with_other_channels_are_an_error(fast_mode: bool) -> None:
    model = converted(Net(), "bayes", IMAGES, fast_mode=fast_mode)
    with pytest.raises(RuntimeError, match="convolution"):
        model(IMAGES[:, :2])


class TestOnlookers:
    def test_a_hook_of_a_layer_is_called(self, runs: list[FlatRun]) -> None:
        model = converted(Net(), "bayes", IMAGES)
        seen: list[nn.Module] = []
        handle = model.stem.register_forward_hook(lambda module, *_: seen.append(module))
        model(IMAGES)
        handle.remove()
        model(IMAGES)
        assert seen == [model.stem]
        assert len(runs) == 1

    def test_a_hook_of_the_model_is_called(self, runs: list[FlatRun]) -> None:
        model = converted(Net(), "bayes", IMAGES)
        seen: list[nn.Module] = []
        model.register_forward_pre_hook(lambda module, _: seen.append(module))
        model(IMAGES)
        assert (seen, runs) == ([model], [])

    def test_a_forward_that_was_put_in_place_is_called(self, runs: list[FlatRun]) -> None:
        model = converted(Net(), "bayes", IMAGES)
        original, calls = model.stem.forward, []
        model.stem.forward = lambda x: calls.append(x) or original(x)
        model(IMAGES)
        assert (len(calls), runs) == (1, [])

    def test_a_mode_sees_the_modules(self, runs: list[FlatRun]) -> None:
        class Mode(TorchFunctionMode):
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return func(*args, **(kwargs or {}))

        model = converted(Net(), "bayes", IMAGES)
        with Mode():
            model(IMAGES)
        assert runs == []

    def test_an_input_with_a_scale_of_its_own_goes_through_the_modules(self) -> None:
        model = converted(Net(), "bayes", IMAGES)
        own = model.quant(IMAGES)
        other = type(own)(own.int_repr(), own.q_scale() * 3, own.dtype)
        assert torch.equal(model(other), by_modules(model, other))
        assert not torch.equal(model(other), model(IMAGES))


class TestChanges:
    def test_the_scale_of_a_stub(self, runs: list[FlatRun]) -> None:
        model = converted(Net(), "bayes", IMAGES)
        before = model(IMAGES)
        model.quant.scale.fill_(1.0)
        after = model(IMAGES * 128)
        assert len(runs) == 2
        assert torch.equal(after, defined(model, IMAGES * 128))
        assert not torch.equal(after, before)

    @pytest.mark.parametrize("name", ["weight", "bias", "weight_scale", "scale"])
    def test_a_buffer_that_is_written_to(self, name: str) -> None:
        model = converted(Net(), "bayes", IMAGES)
        before = model(IMAGES)
        buffer = getattr(model.deep, name)
        buffer.copy_(buffer.flip(0) if name == "weight" else buffer * 3 + 0.5)
        after = model(IMAGES)
        fresh = copy.deepcopy(model)
        assert torch.equal(after, fresh(IMAGES))
        assert not torch.equal(after, before)

    def test_a_float_module_may_write_to_its_own(self, runs: list[FlatRun]) -> None:
        model = converted(Net(), "bayes", IMAGES)
        model.norm = nn.BatchNorm1d(3)
        model.recompile()
        model(IMAGES)
        model.norm.running_mean.add_(1)
        model(IMAGES)
        assert runs[0] is runs[1]

    def test_a_layer_that_is_exchanged(self) -> None:
        model, other = (converted(Net(), "bayes", IMAGES) for _ in range(2))
        model(IMAGES)
        model.stem = other.stem
        assert torch.equal(model(IMAGES), by_modules(model, IMAGES))
        assert flat_run.flat_layers(model)[0] is other.stem

    def test_a_graph_that_is_edited(self) -> None:
        model = converted(Net(), "bayes", IMAGES)
        model(IMAGES)
        (last,) = (node for node in model.graph.nodes if node.target == "dequant")
        (output,) = (node for node in model.graph.nodes if node.op == "output")
        with model.graph.inserting_before(output):
            output.args = (model.graph.call_function(torch.neg, (last,)),)
        before = model(IMAGES)
        model.recompile()
        assert torch.equal(model(IMAGES), -before)

    @pytest.mark.parametrize("twin_of", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])
    def test_copies_list_their_own_layers(self, twin_of: Any, runs: list[FlatRun]) -> None:
        model = converted(Net(), "bayes", IMAGES)
        out, twin = model(IMAGES), twin_of(model)
        assert torch.equal(twin(IMAGES), out)
        assert runs[0] is not runs[1]
        assert set(flat_run.flat_layers(twin)) <= set(twin.modules())
