"""Programs: a kernel's operations in place give the integers of its expression, without those that change nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime import in_place, scratch
from horizon_plugin_pytorch._runtime.in_place import Program
from horizon_plugin_pytorch._runtime.interval import run_on_intervals

Kernel = Callable[..., Tensor]
LARGEST = 1000
VARYING = torch.tensor([3, 0, 7, 1, 5]).reshape(5, 1, 1)
ONE = torch.full((5, 1, 1), 4)


def half_up(x: Any, n: Any) -> Any:
    return (x >> n) + (((x << 1) >> n) & 1)


def program(kernel: Kernel, operands: int = 1, largest: int = LARGEST) -> Program | None:
    ends = (torch.tensor(-largest), torch.tensor(largest))
    known = run_on_intervals(lambda *given: kernel(*given[:-1]), None, (ends,) * operands)
    assert known is not None
    return Program.of(*known, torch.int32)


def names(kernel: Kernel, operands: int = 1) -> list[str]:
    found = program(kernel, operands)
    assert found is not None
    return [step.function.__name__ for step in found.steps]


@pytest.mark.parametrize("piece", [15, 64, 1 << 15])
@pytest.mark.parametrize("kernel", [
    lambda x, y: half_up(x * VARYING + y, VARYING), lambda x, y: half_up(x * ONE - y, ONE),
    lambda x, y: torch.clamp(torch.clamp(x + VARYING, -40, 400), -128, 127) - y,
    lambda x, y: (((x + 900) & 511) - 256) * y, lambda x, y: torch.where(VARYING < 9, y, x) << 2,
    lambda x, y: torch.clamp(5 - x, min=0) + (y + 3 - 3) + x, lambda x, y: -(x >> 2) + y * 3 + (y << 1),
])  # fmt: skip
def test_a_program_computes_its_expression(kernel: Kernel, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "PIECE", piece)
    monkeypatch.setattr(in_place, "_ROW", 10)  # two rows of channels side by side, and one left
    x, y = torch.randint(-LARGEST, LARGEST + 1, (2, 37, 5), dtype=torch.int32)
    x[0], x[1], y[2] = LARGEST, -LARGEST, LARGEST
    columns = (x.t().unsqueeze(-1), y.t().unsqueeze(-1))
    found = program(kernel, 2)
    assert found is not None
    results = found.empty((5, 37, 1), axis=-3)
    found.fill(results, (columns[0].float(), columns[1]), axis=-3)
    assert torch.equal(found.finished(results), kernel(*columns).to(torch.int32))


def test_threads_and_sizes_by_turns_do_not_disturb_each_other() -> None:
    def kernel(x: Any) -> Any:
        return half_up(x * VARYING + 3, VARYING)

    found = program(kernel)
    assert found is not None

    def run(seed: int) -> bool:
        generator = torch.Generator().manual_seed(seed)
        equal = True
        for pixels in (1, 700, 3000, *range(2, 12), 700):  # more sizes than plans
            x = torch.randint(-LARGEST, LARGEST + 1, (5, pixels, 1), dtype=torch.int32, generator=generator)
            results = found.empty((5, pixels, 1), axis=-3)
            found.fill(results, (x,), axis=-3)
            equal &= torch.equal(results[0], kernel(x).to(torch.int32))
        return equal

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(16)))
    assert len(found.plans) < 2 * in_place._MOST_PLANS


@pytest.mark.parametrize(("kernel", "left"), [
    (lambda x: torch.clamp(x, -LARGEST, LARGEST), []), (lambda x: torch.clamp(torch.clamp(x, -9, 99), 0, 500), ["clamp"]),
    (lambda x: (x >> torch.zeros(1, dtype=torch.int64)) + 0, []), (lambda x: x + 3 - VARYING + 4, ["add"]),
    (lambda x: ((x + 1024) & 2047) - 1024, []), (lambda x: half_up(x, VARYING), ["add", "bitwise_right_shift"]),
])  # fmt: skip
def test_what_changes_nothing_is_left_out(kernel: Kernel, left: list[str]) -> None:
    assert names(kernel) == left


def test_a_bit_of_another_shift_is_no_rounding() -> None:
    assert len(names(lambda x: (x >> VARYING) + (((x << 1) >> ONE) & 1))) == 5


def test_half_a_unit_that_leaves_int32_is_refused() -> None:
    n = torch.tensor(31)
    assert program(lambda x: half_up(x, n), largest=(1 << 30) - 1) is not None
    assert program(lambda x: half_up(x, n), largest=1 << 30) is None


def test_an_operand_for_some_channels_only_has_no_program() -> None:
    assert program(lambda x, y: torch.where(VARYING > 2, x, y), 2) is None


def test_buffers_are_used_again() -> None:
    found = program(lambda x, y: torch.clamp((x * VARYING + y) * 3, -5, 5) >> 1, 2)
    assert found is not None
    assert found.buffers == 2
