"""Compiled fake quantization gives the values and the gradients of the definition, and so do torch operations."""

import math

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime import one_pass
from horizon_plugin_pytorch._runtime.one_pass import extremes, magnitudes
from horizon_plugin_pytorch._runtime.passes import torch_operations_only
from horizon_plugin_pytorch._runtime.straight_through import fake_quantize_values, quantized_values
from horizon_plugin_pytorch.dtype import qint4, qint8, qint16

MARCHES = ("bernoulli", "bernoulli2", "bayes", "bayes-e")
STEPS = torch.tensor([0.02, 0.5, 1.0, 3e-5, 1.7])
SPECIAL = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 3.4e38, -3.4e38])


def _rounded(steps: Tensor, march: str, axis: int, rounded_as: str | None) -> Tensor:
    """Numerics 2.1, and 3.2 of sums of products, written out."""
    if rounded_as == "weighted":
        return steps.floor() if march.startswith("bernoulli") else (steps + 0.5).floor()
    return steps.floor() if march == "bernoulli" and axis < 0 else (steps + 0.5).floor()


def _defined(
    x: Tensor, scale: Tensor, dtype, march: str, axis: int, gradient: Tensor, rounded_as: str | None
) -> tuple[Tensor, Tensor]:
    """Numerics 2.2, written out."""
    scale = scale.reshape((1,) * x.dim() if axis < 0 else (-1, *([1] * (x.dim() - 1 - axis))))
    rounded = _rounded(x / scale, march, axis, rounded_as)
    inside = (rounded >= dtype.min) & (rounded <= dtype.max)
    return rounded.clamp(dtype.min, dtype.max) * scale, torch.where(inside, gradient, 0.0)


def _check(
    x: Tensor, scale: Tensor, dtype, march: str, axis: int = -1, rounded_as: str | None = None, **options: bool
) -> None:
    gradient = torch.randn_like(x)
    wanted = _defined(x, scale, dtype, march, axis, gradient, rounded_as)
    leaf = x.clone().requires_grad_()
    values = fake_quantize_values(leaf, scale, dtype, march, axis=axis, rounded_as=rounded_as, **options)
    values.backward(gradient.clone())
    untrained = fake_quantize_values(x, scale, dtype, march, axis=axis, rounded_as=rounded_as)
    for found, expected in ((values, wanted[0]), (leaf.grad, wanted[1]), (untrained, wanted[0])):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.fixture(params=["compiled", "torch"])
def _way(request: pytest.FixtureRequest):
    if request.param == "compiled":
        yield
        return
    with torch_operations_only():
        yield


def _hard(scale: Tensor) -> Tensor:
    """Ties, neighbours of ties, both ends of the range, far beyond, and what is no number."""
    halves = (torch.arange(-300, 301) / 2.0) * scale
    near = [torch.nextafter(halves, torch.tensor(end)) for end in (-math.inf, math.inf)]
    ends = torch.tensor([-128.5, -128.0, 127.0, 127.5, 32767.5, -32768.5, 7.5, -8.5, 1e9, -1e9]) * scale
    return torch.cat([halves, *near, ends, SPECIAL])


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("dtype", [qint4, qint8, qint16])
def test_one_scale(march: str, dtype) -> None:
    for scale in STEPS:
        _check(_hard(scale), scale.reshape(1), dtype, march)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("march", MARCHES)
def test_sums_of_products(march: str) -> None:
    for scale in STEPS:
        _check(_hard(scale), scale.reshape(1), qint8, march, rounded_as="weighted")


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("owned", [False, True])
def test_a_scale_for_each_channel(march: str, axis: int, owned: bool) -> None:
    columns = torch.stack([_hard(scale)[:600] for scale in STEPS]).reshape(5, 20, 30)
    x = columns.movedim(0, axis).contiguous()
    _check(x, STEPS, qint8, march, axis, owns_gradient=owned)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (31,), (33,), (2, 3, 5, 7), (40_001,)])
def test_every_shape(shape: tuple[int, ...]) -> None:
    _check(torch.randn(shape) * 3, torch.tensor([0.02]), qint8, "bayes")


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_layouts_of_memory(axis: int) -> None:
    x = torch.randn(4, 6, 5, 7) * 3
    for laid in (x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3), x[:, ::2], x[:1].expand_as(x)):
        scale = torch.tensor([0.02]) if axis < 0 else torch.rand(laid.shape[axis]) / 10 + 0.01
        _check(laid, scale, qint8, "bayes", axis)


@pytest.mark.parametrize("inner", [1, 31, 32, 1000])
def test_extremes_of_rows(inner: int) -> None:
    x = torch.randn(7, inner)
    x[2, inner // 2] = math.nan
    x[3, -1] = math.inf
    found = extremes(x, "bayes")
    assert found is not None
    torch.testing.assert_close(found, (x.amin(1), x.amax(1)), rtol=0, atol=0, equal_nan=True)


def test_only_what_is_owned_is_overwritten() -> None:
    x, scale = torch.randn(100), torch.tensor([0.02])
    before, gradient = x.clone(), torch.ones(100)
    leaf = x.requires_grad_()
    fake_quantize_values(leaf * 1, scale, qint8, "bayes").backward(gradient)
    assert torch.equal(x.detach(), before)
    assert torch.equal(gradient, torch.ones(100))


def test_threads_change_nothing() -> None:
    x, threads = torch.randn(200_000) * 3, torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(fake_quantize_values(x, torch.tensor([0.02]), qint8, "bayes"))
    torch.set_num_threads(threads)
    assert torch.equal(*results)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_pass, "compiled_pass", lambda *_: None)
    _check(_hard(STEPS[0]), STEPS[:1], qint8, "bayes")


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize(("dtype", "axis"), [(qint8, 0), (qint8, -1), (qint4, 0), (qint16, 0)])
def test_integers_of_weights(march: str, dtype, axis: int) -> None:
    x = torch.stack([_hard(scale) for scale in STEPS])
    scale = STEPS if axis == 0 else STEPS[:1]
    compiled = quantized_values(x, scale, dtype, march, axis=axis)
    with torch_operations_only():
        assert torch.equal(compiled, quantized_values(x, scale, dtype, march, axis=axis))
    assert compiled.dtype == dtype.storage


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 40_000), (0, 4), (4, 0)])
def test_magnitudes_are_those_of_torch(shape: tuple[int, int]) -> None:
    rows = torch.randint(-128, 128, shape).to(torch.int8)
    rows[:, :1] = -128
    found = magnitudes(rows, "bayes")
    assert found is not None
    assert torch.equal(found, rows.to(torch.int64).abs().sum(1))


def test_magnitudes_of_what_is_no_plain_matrix_are_left_to_torch() -> None:
    rows = torch.zeros(4, 6, dtype=torch.int8)
    assert magnitudes(rows.t(), "bayes") is None
    assert magnitudes(rows.to(torch.int16), "bayes") is None
    with torch_operations_only():
        assert magnitudes(rows, "bayes") is None
