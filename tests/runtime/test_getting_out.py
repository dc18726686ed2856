"""A converted model traced, exported, compiled, saved: the same integers everywhere."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from out_models import MODELS, equal, made, march_of

import horizon_plugin_pytorch as horizon


@pytest.fixture(autouse=True)
def _march(request: pytest.FixtureRequest) -> None:
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    horizon.march.set_march(march_of(name or "mobile"))


@pytest.mark.parametrize("name", MODELS)
class TestEqualIntegers:
    """Each way out, on the example input and on another one."""

    def test_jit_trace(self, name: str) -> None:
        _, quantized, x = made(name)
        traced = torch.jit.trace(quantized, x)
        assert equal(traced(x), quantized(x))
        assert equal(traced(-x), quantized(-x))

    def test_export(self, name: str) -> None:
        _, quantized, x = made(name)
        quantized(x)
        exported = torch.export.export(quantized, (x,), strict=False).module()
        assert equal(exported(-x), quantized(-x))

    def test_capture(self, name: str) -> None:
        _, quantized, x = made(name)
        assert equal(horizon.jit.capture(quantized, x)(-x), quantized(-x))


def test_compile_of_a_captured_graph() -> None:
    _, quantized, x = made("residual")
    torch._dynamo.reset()
    compiled = torch.compile(horizon.jit.capture(quantized, x).graph, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert equal(compiled(-x), quantized(-x))


def test_a_captured_graph_holds_constants_not_derivations() -> None:
    _, quantized, x = made("mobile")
    graph = horizon.jit.capture(quantized, x).graph.graph
    targets = {str(node.target) for node in graph.nodes}
    assert not targets & {"aten.frexp.Tensor", "aten.log2.default", "aten.sigmoid.default"}


def test_a_captured_output_without_dequantization_is_a_qtensor() -> None:
    _, quantized, x = made("mobile")
    stub = torch.nn.Sequential(quantized.quant)
    given, expected = horizon.jit.capture(stub, x)(x), stub(x)
    assert torch.equal(given.int_repr(), expected.int_repr())
    assert given.dtype == expected.dtype
    assert given.q_scale() is expected.q_scale()


def test_export_of_a_model_that_never_ran_says_what_to_do() -> None:
    _, quantized, x = made("residual")
    fresh = pickle.loads(pickle.dumps(quantized))
    with pytest.raises(RuntimeError, match="run the model once with the example inputs"):
        torch.export.export(fresh, (x,), strict=False)


def test_tracing_a_copy_that_never_ran_derives_constants() -> None:
    _, quantized, x = made("segments16")
    traced = torch.jit.trace(copy.deepcopy(quantized), x)
    assert equal(traced(-x), quantized(-x))
    assert "aten::frexp" not in str(traced.inlined_graph)


class _Constants(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(4, device=x.device) + torch.ones(4)


class TestFiles:
    """`horizon.jit.save` and `load`."""

    @pytest.fixture
    def traced(self):
        _, quantized, x = made("residual")
        return torch.jit.trace(quantized, x), x

    def test_a_file_computes_the_same_and_is_silent(self, traced) -> None:
        script, x = traced
        file = io.BytesIO()
        horizon.jit.save(script, file)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            loaded = horizon.jit.load(file)
        assert torch.equal(loaded(x), script(x))

    def test_extra_entries_come_back(self, traced, tmp_path) -> None:
        horizon.jit.save(traced[0], str(tmp_path / "m.pt"), {"note": "abc"})
        wanted = {"note": ""}
        horizon.jit.load(str(tmp_path / "m.pt"), _extra_files=wanted)
        assert wanted == {"note": b"abc"}

    def test_another_version_is_told(self, traced, tmp_path) -> None:
        torch.jit.save(traced[0], tmp_path / "m.pt", {"horizon_plugin_version": "0.0.9"})
        with pytest.warns(UserWarning, match=r"written by horizon_plugin_pytorch 0\.0\.9"):
            horizon.jit.load(tmp_path / "m.pt")

    def test_a_file_without_version_is_told(self, traced, tmp_path) -> None:
        torch.jit.save(traced[0], tmp_path / "m.pt")
        with pytest.warns(UserWarning, match="says no version"):
            horizon.jit.load(tmp_path / "m.pt")

    def test_what_is_no_script_is_refused(self, tmp_path) -> None:
        with pytest.raises(TypeError, match=r"takes what torch\.jit.trace returns, not a Linear"):
            horizon.jit.save(torch.nn.Linear(1, 1), tmp_path / "m.pt")

    def test_to_device_rewrites_devices_and_constants(self) -> None:
        script = torch.jit.trace(_Constants(), torch.ones(4))
        moved = horizon.jit.to_device(script, "meta")
        assert 'value="meta"' in str(moved.graph)
        assert moved(torch.ones(4, device="meta")).device.type == "meta"
        assert 'value="cpu"' in str(script.graph)
