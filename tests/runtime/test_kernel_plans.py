"""Kernel plans: every way that a layer may choose gives the bits of the definition, and each choice has a proof."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime.exact import by_definition, channel_sums
from horizon_plugin_pytorch._runtime.int8_sums import Int8Sums, Window, available
from horizon_plugin_pytorch._runtime.interval import Interval, Reach, run_on_intervals
from horizon_plugin_pytorch._runtime.quantized_module import QuantizedModule
from horizon_plugin_pytorch._runtime.tail import Chain, Tail, whole_range
from horizon_plugin_pytorch.dtype import qint8, qint16
from horizon_plugin_pytorch.kernels import load
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

NO_INT8 = "the processor adds 8-bit products in 16 bits"


class Net(nn.Module):
    """A convolution, a depthwise one, an add that stays alone, one that is fused, and a view."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub(scale=1 / 128)
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.deep = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.point = nn.Conv2d(16, 16, 1)
        self.alone, self.fused = nn.quantized.FloatFunctional(), nn.quantized.FloatFunctional()
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(self.quant(x)))
        y = self.alone.add(x, torch.relu(self.deep(x)))
        y = torch.relu(self.fused.add(self.point(y), x))
        return self.dequant(y.view(y.size(0), -1))


def converted(net: nn.Module, march: str, x: Tensor, dtype: str = "qint8", **options: Any) -> Any:
    set_march(march)
    qconfig = get_default_qconfig(activation_qkwargs={"dtype": dtype})
    prepared = prepare_qat_fx(net.eval(), {"": qconfig}).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    prepared(x)
    prepared.eval()
    set_fake_quantize(prepared, FakeQuantState.VALIDATION)
    return convert_fx(prepared, **options)


IMAGES = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(("march", "dtype"), [*((m, "qint8") for m in MARCH_IDS), ("bayes", "qint16")])
def test_every_layer_has_the_bits_of_the_definition(march: str, dtype: str) -> None:
    torch.manual_seed(0)
    model = converted(Net(), march, IMAGES, dtype)
    wrong: list[str] = []

    def compare(module: QuantizedModule, args: Any, out: Any) -> None:
        with by_definition():
            expected = module.forward(*args)
        raw, other = (t.as_subclass(Tensor) for t in (out, expected))
        if not torch.equal(raw, other):
            wrong.append(type(module).__name__)

    for module in model.modules():
        if isinstance(module, QuantizedModule):
            module.register_forward_hook(compare)
    model(IMAGES * 5)  # most of it saturates
    assert wrong == []


def test_a_plan_names_each_layer_and_its_proof() -> None:
    model = converted(Net(), "bayes", IMAGES)
    model(IMAGES)
    rows = {row.layer: row.proofs for row in model.kernel_plan().layers}
    assert rows["quant"] == ()
    sums, tail = rows["stem"]
    assert sums.endswith("< 2**24")
    assert tail.startswith("int32: ")
    assert rows["alone"][0].startswith("int32: ")
    assert "stem     ConvReLU2d" in str(model.kernel_plan())


class TestIntervals:
    @pytest.mark.parametrize("expression", [
        lambda x, y: x + 3 * y, lambda x, y: (x - y) << 2, lambda x, y: (x * y) >> 1,
        lambda x, y: torch.clamp(x * 5 - y, -4, 9), lambda x, y: torch.where(torch.tensor(True), y, x) - 1,
        lambda x, y: (2 - x) * -y, lambda x, y: torch.tensor(3) * x + torch.tensor(1) + y,
    ])  # fmt: skip
    def test_hold_every_value_and_no_more_than_the_ends_give(self, expression: Any) -> None:
        ends = ((-3, 4), (-2, 5))
        values = [
            int(expression(torch.tensor(a), torch.tensor(b)))
            for a, b in product(*(range(lo, hi + 1) for lo, hi in ends))
        ]
        found = expression(*(Interval.between(torch.tensor(lo), torch.tensor(hi), Reach()) for lo, hi in ends))
        assert int(found.low) <= min(values)
        assert max(values) <= int(found.high)
        assert int(found.high) - int(found.low) <= 2 * (max(values) - min(values)) + 2

    def test_reach_counts_what_is_between(self) -> None:
        known = run_on_intervals(lambda x, _: (x << 20) >> 20, None, (whole_range(qint16),))
        assert known is not None
        reach = known[1].reach
        assert (reach.low, reach.high, reach.fits_int32) == (-(2**35), 32767 << 20, False)

    def test_what_has_no_rule_is_not_proved(self) -> None:
        assert run_on_intervals(lambda x, _: torch.sort(x), None, (whole_range(qint8),)) is None


class TestTails:
    @pytest.mark.parametrize("march", MARCH_IDS)
    @pytest.mark.parametrize("ratio", [0.9, 2.0**-9, 2.0**-20])
    def test_int32_is_the_definition_on_ends_and_ties(self, march: str, ratio: float) -> None:
        kernels, bound = load(march), 1 << 22
        s_w = torch.tensor([ratio, ratio / 3, ratio / 7]).reshape(3, 1, 1)
        s_w = torch.exp2(torch.log2(s_w).round()) if march == "bernoulli" else s_w
        p = kernels.derive_weighted(torch.ones(1), s_w, torch.ones(1), torch.full((3, 1, 1), 0.7), output=qint8)
        tail = Tail.prove(
            Chain((kernels.weighted,)), p, ((torch.tensor(-bound), torch.tensor(bound)),), {"output": qint8}
        )
        assert tail.narrow is not None
        ends = torch.tensor([-bound, 1 - bound, bound - 1, bound])
        acc = torch.cat([ends, torch.arange(-3000, 3000), torch.randint(-bound, bound, (3000,))])
        acc = acc.expand(2, 3, 1, -1)
        assert torch.equal(tail(acc.float(), axis=-3), tail.defined(acc))

    def test_what_leaves_int32_stays_int64(self) -> None:
        kernels = load("bernoulli")
        p = kernels.derive_weighted(*(torch.ones(1) for _ in range(3)), torch.zeros(1), output=qint8)
        tail = Tail.prove(
            Chain((kernels.weighted,)), p, ((torch.tensor(-(2**40)), torch.tensor(2**40)),), {"output": qint8}
        )
        assert tail.narrow is None
        assert tail.proof.startswith("int64: ")


@pytest.mark.skipif(not available(), reason=NO_INT8)
class TestInt8Sums:
    @pytest.mark.parametrize(("channels", "out", "size", "window"), [
        (3, 5, 3, Window((2, 1), (1, 2), (1, 1), 1)), (8, 8, 3, Window((1, 1), (1, 1), (2, 2), 8)),
        (8, 4, 1, Window((1, 1), (0, 0), (1, 1), 2)), (16, 4, 3, Window((1, 1), (1, 1), (1, 1), 1)),
    ])  # fmt: skip
    @pytest.mark.parametrize("dtype", [qint8, qint16])
    def test_equal_the_sums_of_integers(self, channels: int, out: int, size: int, window: Window, dtype: Any) -> None:
        weight = torch.randint(-128, 128, (out, channels // window.groups, size, size), dtype=torch.int8)
        weight[0] = -128
        x = torch.randint(dtype.min, dtype.max + 1, (2, channels, 9, 8)).to(dtype.storage)
        x[0, :, :4], x[0, :, 4:] = dtype.min, dtype.max
        self._check(weight, window, x, dtype)

    @pytest.mark.parametrize("dtype", [qint8, qint16])
    def test_large_sums_are_cut(self, dtype: Any) -> None:
        weight = torch.full((2, 1024, 1, 2), -128, dtype=torch.int8)
        x = torch.full((1, 1024, 2, 2), dtype.min, dtype=dtype.storage)
        x[0, 5, 0, 0] += 1
        sums = self._check(weight, Window((1, 1), (0, 0), (1, 1), 1), x, dtype)
        assert len(sums.parts) == (4 if dtype is qint8 else 8)

    def test_what_cannot_be_cut_is_not_offered(self) -> None:
        weight = torch.full((1, 1, 400, 400), 127, dtype=torch.int8)
        assert Int8Sums.prove(weight, channel_sums(weight), Window((1, 1), (0, 0), (1, 1), 1), qint8) is None

    @staticmethod
    def _check(weight: Tensor, window: Window, x: Tensor, dtype: Any) -> Int8Sums:
        sums = Int8Sums.prove(weight, channel_sums(weight), window, dtype)
        assert sums is not None
        where = (window.stride, window.padding, window.dilation, window.groups)
        expected = nn.functional.conv2d(x.double(), weight.double(), None, *where)
        assert torch.equal(sums(x).double(), expected)
        return sums


def test_older_instruction_sets_are_exact_too() -> None:
    """Where 8-bit kernels would saturate, other ways are chosen; in a process of its own, for libraries read it once."""
    code = (
        "import torch, test_kernel_plans as t\n"
        "assert not t.available()\n"
        "model = t.converted(t.Net(), 'bayes', t.IMAGES)\n"
        "assert model.kernel_plan().layers[1].proofs[0].startswith('float32: ')\n"
        "with t.by_definition(): expected = model(t.IMAGES)\n"
        "assert torch.equal(model(t.IMAGES), expected)\n"
    )
    limits = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, **limits, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
