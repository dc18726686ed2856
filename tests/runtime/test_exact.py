"""Exact integer accumulation in float kernels: proofs, extremes, and what may not interfere."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as nnf
from torch.utils._python_dispatch import TorchDispatchMode

from horizon_plugin_pytorch._runtime.exact import (
    Accumulator,
    channel_sums,
    exact_float,
    exact_sum,
    exact_window_sum,
    in_proved_region,
)
from horizon_plugin_pytorch.dtype import qint8, qint16, qint32


def linear(weight: Tensor, dtype: Any) -> Accumulator:
    return Accumulator.prove(nnf.linear, weight, channel_sums(weight), dtype)


def exact_linear(x: Tensor, weight: Tensor) -> Tensor:
    return x.to(torch.int64) @ weight.to(torch.int64).T


class TestProof:
    @pytest.mark.parametrize(
        ("count", "dtype", "proof", "integer"),
        [
            (720, qint8, "float32: 128 * 92160 = 11796480 < 2**24", torch.int32),
            (1023, qint8, "float32: 128 * 130944 = 16760832 < 2**24", torch.int32),
            (1024, qint8, "float64: 128 * 131072 = 16777216 < 2**53", torch.int32),
            (4, qint16, "float64: 32768 * 512 = 16777216 < 2**53", torch.int32),
            (511, qint16, "float64: 32768 * 65408 = 2143289344 < 2**53", torch.int32),
            (512, qint16, "float64: 32768 * 65536 = 2147483648 < 2**53", torch.int64),
        ],
    )
    def test_states_itself(self, count: int, dtype: Any, proof: str, integer: torch.dtype) -> None:
        accumulator = linear(torch.full((2, count), -128, dtype=torch.int8), dtype)
        assert accumulator.proof == proof
        sums = accumulator(torch.full((1, count), dtype.min, dtype=dtype.storage))
        assert sums.dtype == integer
        assert sums.tolist() == [[dtype.min * -128 * count] * 2]

    def test_the_largest_channel_counts(self) -> None:
        weight = torch.zeros(3, 4, dtype=torch.int8)
        weight[1] = torch.tensor([1, -2, 3, -4])
        assert linear(weight, qint8).proof == "float32: 128 * 10 = 1280 < 2**24"

    def test_no_type_is_wide_enough(self) -> None:
        weight = torch.full((1, 4), 2**30, dtype=torch.int64)
        with pytest.raises(ArithmeticError, match="exact in no float type"):
            linear(weight, qint32)

    def test_no_weights(self) -> None:
        assert linear(torch.zeros(0, 3, dtype=torch.int8), qint8)(torch.ones(2, 3, dtype=torch.int8)).shape == (2, 0)


@given(st.integers(1, 300), st.sampled_from([qint8, qint16]), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_equals_integer_arithmetic(count: int, dtype: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-128, 128, (5, count), generator=generator).to(torch.int8)
    x = torch.randint(dtype.min, dtype.max + 1, (3, count), generator=generator).to(dtype.storage)
    assert torch.equal(linear(weight, dtype)(x).to(torch.int64), exact_linear(x, weight))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("groups", [1, 4])
def test_windows(threads: int, batch: int, groups: int) -> None:
    weight = torch.randint(-128, 128, (8, 12 // groups, 3, 3)).to(torch.int8)
    x = torch.randint(-128, 128, (batch, 12, 9, 9)).to(torch.int8)
    multiply = partial(nnf.conv2d, padding=1, groups=groups)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        sums = Accumulator.prove(multiply, weight, channel_sums(weight), qint8)(x)
    finally:
        torch.set_num_threads(before)
    unfolded = nnf.unfold(x.to(torch.float64), 3, padding=1).to(torch.int64).reshape(batch, groups, -1, 81)
    expected = torch.einsum("gok,bgkp->bgop", weight.to(torch.int64).reshape(groups, 8 // groups, -1), unfolded)
    assert torch.equal(sums.to(torch.int64), expected.reshape(batch, 8, 9, 9))


def test_reduced_precision_does_not_reach_it() -> None:
    weight = torch.randint(-128, 128, (64, 700)).to(torch.int8)
    x = torch.randint(-128, 128, (64, 700)).to(torch.int8)
    accumulator = linear(weight, qint8)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert torch.equal(accumulator(x).to(torch.int64), exact_linear(x, weight))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


class TestRegion:
    def test_only_float_arithmetic_is_inside(self) -> None:
        seen: list[tuple[str, bool, bool]] = []

        class Watch(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                out = func(*args, **(kwargs or {}))
                floats = any(isinstance(t, Tensor) and t.is_floating_point() for t in (*args, out))
                seen.append((str(func), floats, in_proved_region()))
                return out

        accumulator = linear(torch.ones(2, 3, dtype=torch.int8), qint8)
        with Watch():
            exact_sum(accumulator(torch.ones(1, 3, dtype=torch.int8)), (0, 1))
        assert seen
        assert all(inside for _, floats, inside in seen if floats)
        assert not in_proved_region()

    def test_left_after_an_error(self) -> None:
        with pytest.raises(RuntimeError):
            linear(torch.ones(2, 3, dtype=torch.int8), qint8)(torch.ones(1, 4, dtype=torch.int8))
        assert not in_proved_region()


class TestSums:
    @pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
    def test_plain(self, dtype: torch.dtype) -> None:
        x = torch.full((2, 3), torch.iinfo(dtype).min, dtype=dtype)
        assert exact_sum(x, 1).tolist() == [3 * torch.iinfo(dtype).min] * 2
        assert exact_sum(x, (0, 1), True).shape == (1, 1)
        assert exact_sum(x, 1).dtype == torch.int64

    def test_windows(self) -> None:
        x = torch.full((1, 1, 600, 600), -32768, dtype=torch.int16)
        total = exact_window_sum(partial(nnf.avg_pool2d, kernel_size=600, divisor_override=1), x, 360_000, qint16)
        assert total.flatten().tolist() == [-32768 * 360_000]
        assert total.dtype == torch.int64
        with pytest.raises(ArithmeticError):
            exact_window_sum(nnf.relu, x, 2**40, qint16)

    def test_selection(self) -> None:
        for dtype, value in ((torch.int8, -128), (torch.int16, -32768), (torch.int32, 2**31 - 1)):
            x = torch.full((1, 1, 4, 4), value, dtype=dtype)
            out = exact_float(partial(nnf.max_pool2d, kernel_size=2), x)
            assert (out.dtype, out.unique().tolist()) == (dtype, [value])


def test_copies() -> None:
    accumulator = linear(torch.ones(2, 3, dtype=torch.int8), qint8)
    assert copy.deepcopy(accumulator)(torch.ones(1, 3, dtype=torch.int8)).tolist() == [[3, 3]]
