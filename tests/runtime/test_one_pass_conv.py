"""Convolutions in one compiled pass: the bits of exact sums and the march's kernel, for every way that a window moves."""

import shutil
from typing import Any

import pytest
import torch
from test_kernel_plans import IMAGES, Net, converted
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.utils import _pair

from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime import one_pass_conv
from horizon_plugin_pytorch._runtime.int8_sums import Window
from horizon_plugin_pytorch._runtime.native_build import library, processor
from horizon_plugin_pytorch._runtime.one_pass_conv import OnePassConv
from horizon_plugin_pytorch._runtime.tail import Chain, Tail, whole_range
from horizon_plugin_pytorch.dtype import qint8
from horizon_plugin_pytorch.kernels import load

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "clang", "cc"))), reason="no C compiler")

TILES = pytest.param(
    "tiles", marks=pytest.mark.skipif("amx_int8" not in processor(), reason="a processor without matrix tiles")
)
KINDS = ["dense", TILES, "depthwise"]
DENSE = [  # images, channels in, out, height, width, window, stride, padding, dilation
    (2, 3, 5, 7, 6, (3, 3), 1, 1, 1),
    (1, 3, 64, 20, 20, (7, 7), 2, 3, 1),
    (3, 24, 40, 9, 9, (1, 1), 1, 0, 1),
    (2, 8, 130, 5, 5, (1, 1), 2, 0, 1),
    (2, 8, 48, 5, 4, (1, 1), 1, 1, 1),
    (2, 17, 33, 8, 8, (3, 3), 2, 1, 1),
    (1, 16, 16, 9, 9, (3, 3), 1, 2, 2),
    (1, 4, 20, 9, 8, (1, 5), 1, 0, 1),
    (9, 64, 16, 16, 16, (3, 3), 1, 1, 1),  # more than is copied at once
    (1, 65, 16, 1, 1, (1, 1), 1, 0, 1),
    (3, 4, 70, 11, 9, (1, 1), 1, 0, 1),
    (2, 24, 24, 9, 7, (1, 1), (2, 1), 0, 1),
    (2, 5, 24, 9, 7, (3, 3), (2, 1), 1, 1),
]
DEPTHWISE = [
    (2, 20, 20, 9, 8, (3, 3), 1, 1, 1),
    (2, 64, 64, 8, 8, (3, 3), 2, 1, 1),
    (2, 37, 37, 9, 9, (5, 5), 2, 2, 1),
    (1, 16, 16, 12, 12, (7, 7), 1, 3, 1),
    (1, 16, 16, 12, 12, (3, 3), 1, 2, 2),
    (1, 33, 33, 5, 9, (2, 3), 1, 0, 1),
]


def integers(*shape: int) -> Tensor:
    """int8 with many extreme values, channels last."""
    values = torch.randint(-140, 140, shape).clamp(-128, 127).to(torch.int8)
    return values.contiguous(memory_format=torch.channels_last)


def tail_of(march: str, weight: Tensor, adds: bool) -> Tail:
    """A tail whose results saturate seldom."""
    kernels, (out, *_) = load(march), weight.shape
    s_w = (torch.rand(out, 1, 1) + 0.1) / weight[0].numel() ** 0.5
    bias = torch.randn(out, 1, 1) * 20
    bound = torch.tensor([128 * 128 * weight[0].numel()])
    ends = [(-bound, bound)]
    one, s_out = torch.ones(1), torch.tensor([64.0])
    if adds:
        p = kernels.derive_weighted_add(one, s_w, torch.tensor([0.7]), s_out, bias, output=qint8)
        ends.append(whole_range(qint8))
    else:
        p = kernels.derive_weighted(one, s_w, s_out, bias, output=qint8)
    chain = Chain((kernels.weighted_add if adds else kernels.weighted, kernels.relu))
    return Tail.prove(chain, p, tuple(ends), {"output": qint8})


def check(march: str, shape: tuple, kind: str, adds: bool) -> None:
    torch.manual_seed(0)
    images, channels, out, high, wide, size, stride, padding, dilation = shape
    depthwise = kind == "depthwise"
    weight = integers(out, 1 if depthwise else channels, *size)
    tail = tail_of(march, weight, adds)
    window = Window(_pair(stride), _pair(padding), _pair(dilation), channels if depthwise else 1)
    conv = OnePassConv.prove(weight, window, tail.program, adds, (kind,))
    assert conv is not None
    x = integers(images, channels, high, wide)
    sums = functional.conv2d(x.double(), weight.double(), None, stride, padding, dilation, window.groups)
    others = [integers(*sums.shape)] * adds
    made = conv(x, *others)
    assert made is not None
    assert made.is_contiguous(memory_format=torch.channels_last)
    expected = tail.defined(sums.long(), *others)
    assert expected.unique().numel() > min(20, expected.numel() // 4)
    assert torch.equal(made, expected)


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("shape", DENSE, ids=str)
@pytest.mark.parametrize("kind", ["dense", TILES])
def test_all_channels_together(shape: tuple, adds: bool, kind: str) -> None:
    check("bayes", shape, kind, adds)


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("shape", DEPTHWISE, ids=str)
def test_each_channel_by_itself(shape: tuple, adds: bool) -> None:
    check("bayes", shape, "depthwise", adds)


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("kind", KINDS)
def test_on_every_march(march: str, kind: str) -> None:
    check(march, (DEPTHWISE if kind == "depthwise" else DENSE)[0], kind, True)


@pytest.mark.parametrize("march", MARCH_IDS)
@pytest.mark.parametrize("kind", KINDS)
def test_accumulators_come_out_whole(march: str, kind: str) -> None:
    weight = integers(20, 1 if kind == "depthwise" else 20, 3, 3)
    kernels, groups = load(march), 20 if kind == "depthwise" else 1
    p = kernels.derive_weighted_accumulator(torch.ones(1), torch.full((20, 1, 1), 0.01), torch.randn(20, 1, 1))
    bound = torch.tensor([128 * 128 * 180])
    tail = Tail.prove(Chain((kernels.weighted_accumulator,)), p, ((-bound, bound),), {})
    conv = OnePassConv.prove(weight, Window((1, 1), (1, 1), (1, 1), groups), tail.program, 0, (kind,))
    assert conv is not None
    x = integers(2, 20, 5, 6)
    sums = functional.conv2d(x.double(), weight.double(), None, 1, 1, 1, groups)
    made = conv(x)
    assert made is not None
    assert made.dtype == torch.int32
    assert torch.equal(made, tail.defined(sums.long()))


@pytest.mark.parametrize("kind", ["dense", "depthwise"])
def test_the_plain_c_of_other_processors_has_the_same_bits(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def portable(finish: str, kind: str) -> Any:
        run = library(one_pass_conv.source(finish, kind, portable=True)).run
        run.argtypes = one_pass_conv.ARGUMENTS
        return run

    monkeypatch.setattr(one_pass_conv, "_compiled", portable)
    for shape in (DEPTHWISE if kind == "depthwise" else DENSE)[:4]:
        check("bayes", shape, kind, False)


@pytest.mark.parametrize("kind", KINDS)
def test_two_threads_have_the_same_bits(kind: str) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for shape in (DEPTHWISE if kind == "depthwise" else DENSE)[-3:]:
            check("bayes", shape, kind, False)
    finally:
        torch.set_num_threads(before)


def test_extreme_products_do_not_saturate() -> None:
    weight = torch.full((16, 64, 3, 3), 127, dtype=torch.int8)
    sums = torch.tensor([128 * 127 * 576])
    kernels = load("bayes")
    p = kernels.derive_weighted(*torch.tensor([1.0, 1.0, 2.0**17, 0.0]).unsqueeze(1), output=qint8)
    tail = Tail.prove(Chain((kernels.weighted,)), p, ((-sums, sums),), {"output": qint8})
    conv = OnePassConv.prove(weight, Window((1, 1), (0, 0), (1, 1), 1), tail.program, 0)
    assert conv is not None
    for value in (-128, 127):
        x = torch.full((1, 64, 3, 3), value, dtype=torch.int8)
        assert conv(x).unique().tolist() == [round(value * 127 * 576 / 2**17)]


def test_operands_that_it_is_not_for_are_left_to_others() -> None:
    weight = integers(16, 16, 1, 1)
    conv = OnePassConv.prove(weight, Window((1, 1), (0, 0), (1, 1), 1), tail_of("bayes", weight, True).program, 1)
    assert conv is not None
    x = integers(2, 16, 4, 4)
    assert conv(x, integers(1, 16, 4, 4)) is None
    assert conv(x, x.to(torch.int16)) is None
    assert conv(x.to(torch.int16), x) is None
    assert conv(integers(2, 16, 0, 4), integers(2, 16, 0, 4)) is None


def test_features_on_another_device_are_left_to_others() -> None:
    weight = integers(32, 32, 1, 1)
    conv = OnePassConv.prove(weight, Window((1, 1), (0, 0), (1, 1), 1), tail_of("bayes", weight, False).program, 0)
    assert conv is not None
    assert conv(integers(1, 32, 4, 4).to("meta")) is None


def test_some_groups_of_channels_are_left_to_others() -> None:
    weight = integers(16, 8, 3, 3)
    window = Window((1, 1), (1, 1), (1, 1), 2)
    assert OnePassConv.prove(weight, window, tail_of("bayes", weight, False).program, 0) is None


def test_the_result_is_written_where_it_is_wanted() -> None:
    weight = integers(16, 16, 1, 1)
    conv = OnePassConv.prove(weight, Window((1, 1), (0, 0), (1, 1), 1), tail_of("bayes", weight, False).program, 0)
    assert conv is not None
    x, out = integers(2, 16, 4, 4), integers(2, 16, 4, 4)
    assert conv(x, out=out) is out
    assert torch.equal(out, conv(x))


def test_the_plan_names_the_layers_and_the_proof() -> None:
    plan = str(converted(Net(), "bayes", IMAGES, "qint8", fast_mode=True).kernel_plan())
    assert "one pass, " in plan
    assert "compiled int32" in plan
