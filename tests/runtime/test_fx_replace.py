"""Function calls become generated modules under documented, stable names; what is no data stays a function."""

import pytest
import torch
from fx_models import Parts, assert_fuses_equal, calls, conv, table
from torch import Tensor, nn
from torch.nn import functional as nnf

from horizon_plugin_pytorch.nn.quantized import FloatFunctional
from horizon_plugin_pytorch.quantization import fuse_fx

X = torch.randn(2, 4, 6, 6)


def test_names_and_nodes() -> None:
    fused = assert_fuses_equal(Parts(lambda _, x: torch.cat([x + x, x * x, x + 1.0], 1)), X)
    assert table(fused.graph)[1:9] == [
        ("get_attr", "_generated_add_0", "_generated_add_0", "()"),
        ("call_method", "add", "add", "(_generated_add_0, x, x)"),
        ("get_attr", "_generated_mul_0", "_generated_mul_0", "()"),
        ("call_method", "mul", "mul", "(_generated_mul_0, x, x)"),
        ("get_attr", "_generated_add_1", "_generated_add_1", "()"),
        ("call_method", "add_1", "add", "(_generated_add_1, x, 1.0)"),
        ("get_attr", "_generated_cat_0", "_generated_cat_0", "()"),
        ("call_method", "cat", "cat", "(_generated_cat_0, [add, mul, add_1], 1)"),
    ]
    assert type(fused._generated_add_0) is FloatFunctional


class Scoped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nnf.relu(x + x) + x


def test_modules_sit_beside_their_scope() -> None:
    model = nn.Sequential(nn.Sequential(Scoped(), nn.Sequential(Scoped())), Scoped())
    fused = assert_fuses_equal(model, X)
    names = {name for name, _ in fused.named_modules() if "_generated_" in name}
    kinds = ("add_0", "add_1", "relu_0")
    assert names == {f"{scope}_generated_{kind}" for scope in ("0.0", "0.1.0", "1") for kind in kinds}
    assert fused.get_submodule("0").get_submodule("0_generated_add_1") is not None


def test_every_call_site_has_its_own_module() -> None:
    model = Parts(lambda m, x: m.block(m.block(x)), block=Scoped())
    fused = assert_fuses_equal(model, X)
    assert [n.target for n in fused.graph.nodes if n.op == "get_attr"] == [f"block_generated_add_{i}" for i in range(4)]
    assert calls(fused) == ["block_generated_relu_0", "block_generated_relu_1"]


def test_an_index_that_is_taken_is_skipped() -> None:
    model = Parts(lambda m, x: x + m.conv(x) * x, conv=conv())
    model._generated_add_0 = "taken"
    fused = fuse_fx(model)
    assert fused._generated_add_0 == "taken"
    assert type(fused._generated_add_1) is FloatFunctional


def test_constants_and_plain_values_are_left_alone() -> None:
    class Constants(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 6, 6))
            self.register_buffer("offset", torch.randn(4, 6, 6))

        def forward(self, x: Tensor) -> Tensor:
            table = self.weight * self.weight + self.offset
            n, c = x.shape[0], x.size(1)
            flat = x.reshape(n * c, x.shape[2] * x.dim() // 4 * x.size(3))
            return flat.reshape(n, c, 6, 6) + table

    fused = assert_fuses_equal(Constants(), X)
    assert [n.target for n in fused.graph.nodes if "_generated_" in str(n.target)] == ["_generated_add_0"]


def test_in_place_results_are_seen_by_later_readers() -> None:
    def run(m: Parts, x: Tensor) -> Tensor:
        y = m.conv(x)
        y.add_(x)
        z = y * x
        nnf.relu(z, inplace=True)
        return z - y

    assert_fuses_equal(Parts(run, conv=conv()), X)


def test_calls_that_no_module_can_take_are_left_alone() -> None:
    fused = assert_fuses_equal(Parts(lambda _, x: torch.add(x, x, alpha=2)), X)
    assert table(fused.graph)[1][:2] == ("call_function", "add")


@pytest.mark.parametrize("form", [torch.cat, lambda xs: torch.cat(tensors=xs, dim=1)])
def test_lists_of_data(form: object) -> None:
    fused = assert_fuses_equal(Parts(lambda _, x: form([x, -x])), X)
    assert "_generated_cat_0" in dict(fused.named_modules())


def test_arguments_that_the_module_would_default_to() -> None:
    model = Parts(
        lambda m, x: m.conv(nnf.max_pool2d(x, 2)) + nnf.max_pool2d(x, 2, stride=2, ceil_mode=True), conv=conv()
    )
    fused = assert_fuses_equal(model, X)
    assert calls(fused) == ["_generated_max_pool2d_0", "_generated_max_pool2d_1", "_generated_add_0"]
    values = nnf.max_pool2d(X, 2, return_indices=True)[0]
    fused = fuse_fx(Parts(lambda _, x: nnf.max_pool2d(x, 2, return_indices=True)[0]))
    assert torch.equal(fused(X), values)


def test_functional_methods_are_kept() -> None:
    model = Parts(lambda m, x: m.block.ff.add(x, x), block=nn.Sequential())
    model.block.ff = FloatFunctional()
    fused = assert_fuses_equal(model, X)
    assert table(fused.graph)[1:3] == [
        ("get_attr", "block_ff", "block.ff", "()"),
        ("call_method", "add", "add", "(block_ff, x, x)"),
    ]
