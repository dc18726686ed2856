"""Sums of features and of their products as compiled loops: the integers of torch, and of the march's kernel behind them."""

import shutil
from itertools import combinations, product

import pytest
import torch
from test_compiled_elements import portable
from torch import Tensor

from horizon_plugin_pytorch._runtime import native_products, native_sums
from horizon_plugin_pytorch._runtime.native_products import NativeProduct
from horizon_plugin_pytorch._runtime.native_sums import summed
from horizon_plugin_pytorch.dtype import QuantDType, qint8, qint16
from horizon_plugin_pytorch.kernels import load

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")
KINDS = (torch.int8, torch.int16)


def integers(kind: torch.dtype, *shape: int) -> Tensor:
    info = torch.iinfo(kind)
    return torch.randint(info.min, info.max + 1, shape, generator=torch.Generator().manual_seed(0)).to(kind)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What torch sums instead."""
    seen: list[Tensor] = []
    torch_sum = native_sums.exact_sum
    monkeypatch.setattr(
        native_sums, "exact_sum", lambda x, *args, **names: seen.append(x) or torch_sum(x, *args, **names)
    )
    return seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["contiguous", "channels last", "transposed"])
def test_sums_over_any_dimensions(kind: torch.dtype, layout: str) -> None:
    x = integers(kind, 3, 4, 5, 6)
    x = {"channels last": x.contiguous(memory_format=torch.channels_last), "transposed": x.transpose(1, 2)}.get(
        layout, x
    )
    for count, keepdim in product(range(1, 5), (False, True)):
        for dims in combinations(range(4), count):
            assert torch.equal(summed(x, dims, keepdim), x.sum(dims, keepdim=keepdim, dtype=torch.int64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 70000), (1, 70000, 3), (1, 1100, 1, 2)])
def test_the_largest_sums(kind: torch.dtype, shape: tuple[int, ...], calls: list[Tensor]) -> None:
    x = torch.full(shape, torch.iinfo(kind).min, dtype=kind)
    for dims in ((1,), (-1,)):
        assert torch.equal(summed(x, dims, False), x.sum(dims, dtype=torch.int64))
    assert not calls


@pytest.mark.parametrize("x", [integers(torch.int8, 4, 6)[:, 1:4], torch.ones(3, 4).int(), integers(torch.int8, 0, 3)])
def test_other_tensors_are_left_to_torch(x: Tensor, calls: list[Tensor]) -> None:
    assert torch.equal(summed(x, (1,), False), x.sum(1))
    assert calls


SHAPES = {
    "one element": ((1, 1), (1, 1)),
    "odd sizes": ((7, 5), (5, 3)),
    "whole tiles": ((6, 32), (32, 64)),
    "more than a tile": ((13, 70), (70, 130)),
    "one batch for all": ((2, 1, 6, 33), (4, 33, 17)),
    "no batch for one": ((2, 3, 4, 5), (5, 6)),
}
OPERANDS: dict[str, tuple[tuple[QuantDType, int], ...]] = {
    "int8": ((qint8, 128), (qint8, 128)),
    "degraded": ((qint16, 2000), (qint16, 2500)),
    "mixed": ((qint8, 128), (qint16, 32768)),
    "int16": ((qint16, 32767), (qint16, 32767)),
}


def operand(dtype: QuantDType, largest: int, shape: tuple[int, ...]) -> Tensor:
    x = integers(dtype.storage, *shape).clamp(-largest, min(largest, dtype.max))
    x.view(-1)[:2] = -largest
    return x


@pytest.mark.parametrize(("march", "name"), [*(("bayes", name) for name in OPERANDS), ("bernoulli2", "int8")])
def test_products(march: str, name: str) -> None:
    k, operands = load(march), OPERANDS[name]
    for s_out in (0.5, 1e4):
        p = k.derive_matmul(torch.tensor([0.5]), torch.tensor([s_out]), output=qint8)
        compiled = NativeProduct.prove((k, "matmul"), p, qint8, operands)
        assert compiled is not None
        for shapes in SHAPES.values():
            x, y = (operand(*known, shape) for known, shape in zip(operands, shapes, strict=True))
            expected = k.matmul((x.double() @ y.double()).to(torch.int64), p, output=qint8)
            for a, b in ((x, y), (x.mT.contiguous().mT, y), (x, y.mT.contiguous().mT)):
                assert torch.equal(compiled(a, b), expected)


def test_products_in_plain_c(monkeypatch: pytest.MonkeyPatch) -> None:
    portable(native_products, monkeypatch)
    test_products("bayes", "degraded")


def test_products_that_32_bits_do_not_hold_two_of_are_refused() -> None:
    k = load("bayes")
    p = k.derive_matmul(torch.tensor([0.5]), torch.tensor([9.0]), output=qint8)
    assert NativeProduct.prove((k, "matmul"), p, qint8, ((qint16, 32768), (qint16, 32768))) is None


def test_other_operands_are_left_to_torch() -> None:
    k = load("bayes")
    p = k.derive_matmul(torch.tensor([0.5]), torch.tensor([9.0]), output=qint8)
    compiled = NativeProduct.prove((k, "matmul"), p, qint8, OPERANDS["int8"])
    assert compiled is not None
    x = integers(torch.int8, 2, 3, 4, 5, 5)
    assert compiled(x, x) is None
    assert compiled(x[0, 0, 0].to(torch.int16), x[0, 0, 0]) is None
    assert compiled(x[0, 0, 0, :0], x[0, 0, 0]) is None
