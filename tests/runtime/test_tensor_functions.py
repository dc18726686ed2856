"""What torch functions do with QTensors: integers by plain rules, and fake-quantized values equal to them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_qtensors import INDEX, INTEGERS, MASK, OTHERS, SCALE, fake, flat, integer, plain
from torch import Tensor
from torch.nn import functional as nnf

from horizon_plugin_pytorch import functional
from horizon_plugin_pytorch.dtype import qint8, qint32
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


KEEPING: list[tuple[str, Callable[[Any], Any]]] = [
    ("roll", lambda x: torch.roll(x, 1, 0)),
    ("roll method", lambda x: x.roll(1, 0)),
    ("flip", lambda x: torch.flip(x, (1,))),
    ("flip method", lambda x: x.flip(1)),
    ("gather", lambda x: torch.gather(x, 0, INDEX)),
    ("gather method", lambda x: x.gather(0, INDEX)),
    ("index_select", lambda x: torch.index_select(x, 1, INDEX[0])),
    ("index_select method", lambda x: x.index_select(1, INDEX[0])),
    ("masked_select", lambda x: torch.masked_select(x, MASK)),
    ("masked_select method", lambda x: x.masked_select(MASK)),
    ("repeat_interleave", lambda x: torch.repeat_interleave(x, 2, 1)),
    ("repeat_interleave method", lambda x: x.repeat_interleave(2, 1)),
    ("tril", torch.tril),
    ("triu method", lambda x: x.triu()),
    ("expand", lambda x: x.reshape(3, 1, 3).expand(3, 2, 3)),
    ("expand_as", lambda x: x.reshape(1, 3, 3).expand_as(torch.zeros(2, 3, 3))),
    ("repeat", lambda x: x.repeat(2, 1)),
    ("tile", lambda x: torch.tile(x, (2, 1))),
    ("tile method", lambda x: x.tile(2, 1)),
    ("t", torch.t),
    ("t method", lambda x: x.t()),
    ("T", lambda x: x.T),
    ("transpose", lambda x: torch.transpose(x, 0, 1)),
    ("clone", torch.clone),
    ("unbind", torch.unbind),
    ("unbind method", lambda x: x.unbind(1)),
    ("iteration", list),
    ("chunk", lambda x: torch.chunk(x, 2)),
    ("chunk method", lambda x: x.chunk(2)),
    ("split", lambda x: torch.split(x, 2)),
    ("split method", lambda x: x.split(2)),
    ("max", torch.max),
    ("max of a dimension", lambda x: torch.max(x, 1)),
    ("max method", lambda x: x.max(dim=1)),
    ("min of a dimension", lambda x: torch.min(x, dim=0)),
    ("min method", lambda x: x.min(0)),
    ("argmax", lambda x: torch.argmax(x, 1)),
    ("argmax method", lambda x: x.argmax(dim=0)),
    ("argmin", lambda x: torch.argmin(x, 1)),
    ("argmin method", lambda x: x.argmin(1)),
    ("relu", nnf.relu),
    ("relu of torch", torch.relu),
    ("relu method", lambda x: x.relu()),
    ("max_pool1d", lambda x: nnf.max_pool1d(x, 2)),
    ("max_pool2d", lambda x: nnf.max_pool2d(x.reshape(1, 1, 3, 3), 2)),
    ("adaptive_max_pool2d", lambda x: nnf.adaptive_max_pool2d(x.reshape(1, 1, 3, 3), 2)),
    ("replicate pad", lambda x: nnf.pad(x.reshape(1, 1, 3, 3), (1, 2, 0, 1), "replicate")),
    ("circular pad", lambda x: nnf.pad(x.reshape(1, 1, 3, 3), (1, 1, 1, 1), mode="circular")),
    ("zero pad", lambda x: nnf.pad(x, (1, 2))),
    ("pixel_shuffle", lambda x: nnf.pixel_shuffle(x[:2, :2].reshape(1, 4, 1, 1), 2)),
    ("pixel_unshuffle", lambda x: nnf.pixel_unshuffle(x[:2, :2].reshape(1, 1, 2, 2), 2)),
    ("channel_shuffle", lambda x: nnf.channel_shuffle(x[:2].reshape(1, 6, 1, 1), 2)),
    ("ordered", lambda x: torch.logical_and(x, x)),
    ("logical_not", lambda x: x.logical_not()),
]


@pytest.mark.parametrize(("name", "call"), KEEPING, ids=[name for name, _ in KEEPING])
def test_elements_are_moved(name: str, call: Callable[[Any], Any]) -> None:
    expected = plain(call(INTEGERS.to(torch.float32)))
    for x in (integer(), fake()):
        result = call(x)
        assert plain(result) == expected
        kept = [
            part for part in (result if isinstance(result, (list, tuple)) else [result]) if isinstance(part, QTensor)
        ]
        assert all(part.scale is SCALE and part.dtype is qint8 for part in kept)
        assert all(part.is_quantized is x.is_quantized for part in kept)
        assert bool(kept) is (name not in PLAIN)


PLAIN = {"argmax", "argmax method", "argmin", "argmin method", "ordered", "logical_not"}


@pytest.mark.parametrize("make", [integer, fake])
class TestOrder:
    def test_ties_have_the_lowest_index(self, make: Callable[..., QTensor]) -> None:
        x = make(torch.tensor([[3, 7, 7, -2, -2]], dtype=torch.int8))
        assert (x.max(1).indices.item(), x.min(1).indices.item(), x.argmax(1).item(), x.argmin(1).item()) == (
            1,
            3,
            1,
            3,
        )

    @pytest.mark.parametrize("descending", [False, True])
    def test_sort_is_stable(self, make: Callable[..., QTensor], descending: bool) -> None:
        data = torch.tensor([3, 7, 3, -2, 7, 3, -128, 127], dtype=torch.int8)
        values, indices = torch.sort(make(data), descending=descending)
        order = sorted(range(8), key=lambda i: -flat(data)[i] if descending else flat(data)[i])
        assert indices.tolist() == order == make(data).argsort(descending=descending).tolist()
        assert plain(values) == [flat(data)[i] for i in order]

    @pytest.mark.parametrize("largest", [False, True])
    def test_topk_takes_the_first_of_equals(self, make: Callable[..., QTensor], largest: bool) -> None:
        data = torch.tensor([3, 7, 3, -2, 7, 3, -128, 127], dtype=torch.int8)
        order = sorted(range(8), key=lambda i: -flat(data)[i] if largest else flat(data)[i])[:4]
        for result in (torch.topk(make(data), 4, largest=largest), make(data).topk(4, 0, largest)):
            assert result.indices.tolist() == order
            assert plain(result.values) == [flat(data)[i] for i in order]


COMPARE = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "greater": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "greater_equal": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "less": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "less_equal": lambda a, b: a <= b,
}


@pytest.mark.parametrize("make", [integer, fake])
@pytest.mark.parametrize("name", COMPARE)
class TestCompare:
    def test_at_the_larger_scale(self, name: str, make: Callable[..., QTensor]) -> None:
        """At 0.25 and 0.5, integers of the first are halved, ties upward."""
        x, y = make(INTEGERS), make(OTHERS, SCALE * 2)
        halves = [(a + 1) // 2 for a in flat()]
        expected = [COMPARE[name](a, b) for a, b in zip(halves, flat(OTHERS), strict=True)]
        for result in (getattr(torch, name)(x, y), getattr(x, name)(y)):
            assert type(result) is Tensor
            assert result.flatten().tolist() == expected

    def test_with_a_number(self, name: str, make: Callable[..., QTensor]) -> None:
        """1.3 is 5 steps of 0.25; a number beyond the range stays beyond it."""
        for number, steps in ((1.3, 5), (1000.0, 4000), (-1000, -4000)):
            result = getattr(torch, name)(make(), number)
            assert result.flatten().tolist() == [COMPARE[name](a, steps) for a in flat()]

    def test_operators(self, name: str, make: Callable[..., QTensor]) -> None:
        x, y = make(INTEGERS), make(OTHERS)
        assert COMPARE[name](x, y).flatten().tolist() == [
            COMPARE[name](a, b) for a, b in zip(flat(), flat(OTHERS), strict=True)
        ]


@pytest.mark.parametrize("make", [integer, fake])
class TestArithmetic:
    def test_abs_saturates(self, make: Callable[..., QTensor]) -> None:
        expected = [min(abs(a), 127) for a in flat()]
        for result in (torch.abs(make()), make().abs(), abs(make()), functional.abs(make())):
            assert result.int_repr().flatten().tolist() == expected

    def test_abs_wraps_on_request(self, make: Callable[..., QTensor]) -> None:
        expected = [a if a == -128 else abs(a) for a in flat()]
        assert functional.abs(make(), overflow_mode="trunc").int_repr().flatten().tolist() == expected

    def test_negation_saturates(self, make: Callable[..., QTensor]) -> None:
        expected = [min(-a, 127) for a in flat()]
        for result in (-make(), torch.neg(make()), torch.negative(make()), make().neg()):
            assert result.int_repr().flatten().tolist() == expected

    def test_sign(self, make: Callable[..., QTensor]) -> None:
        for result in (torch.sign(make()), make().sign()):
            assert result.int_repr().flatten().tolist() == [(a > 0) - (a < 0) for a in flat()]
            assert (result.q_scale().item(), result.dtype) == (1.0, qint8)

    @pytest.mark.parametrize("factor", [2, 0.5, -3.0, 0])
    def test_times_a_number(self, make: Callable[..., QTensor], factor: float) -> None:
        sign = (factor > 0) - (factor < 0)
        for result in (make() * factor, factor * make(), torch.mul(make(), factor), make().mul(factor)):
            assert result.q_scale().item() == max(0.25 * abs(factor), 2**-23)
            assert result.int_repr().flatten().tolist() == [min(a * sign, 127) for a in flat()]

    def test_times_a_mask(self, make: Callable[..., QTensor]) -> None:
        result = make() * MASK
        assert result.int_repr().equal(INTEGERS * MASK)
        assert result.q_scale() is SCALE

    def test_clamp(self, make: Callable[..., QTensor]) -> None:
        """-1.0 and 0.9 are -4 and 4 steps of 0.25 (3.6 rounded)."""
        expected = [max(-4, min(a, 4)) for a in flat()]
        bounds = make(torch.tensor(-4, dtype=torch.int8)), torch.tensor(0.9)
        for result in (torch.clamp(make(), -1.0, 0.9), make().clip(min=-1.0, max=0.9), make().clamp(*bounds)):
            assert result.int_repr().flatten().tolist() == expected
            assert result.q_scale() is SCALE
        assert torch.clip(make(), max=0.9).int_repr().flatten().tolist() == [min(a, 4) for a in flat()]

    def test_clamp_by_another_scale(self, make: Callable[..., QTensor]) -> None:
        high = make(torch.tensor(3, dtype=torch.int8), SCALE * 2)
        assert make().clamp(max=high).int_repr().flatten().tolist() == [min(a, 6) for a in flat()]

    def test_fill(self, make: Callable[..., QTensor]) -> None:
        """0.3 is one step of 0.25, 0.375 two: ties upward."""
        for value, steps in ((0.3, 1), (0.375, 2), (-1000.0, -128)):
            for result in (torch.masked_fill(make(), MASK, value), make().masked_fill(MASK, value)):
                assert result.int_repr().equal(INTEGERS.masked_fill(MASK, steps))

    def test_where_takes_the_larger_scale(self, make: Callable[..., QTensor]) -> None:
        result = torch.where(MASK, make(INTEGERS), make(OTHERS, SCALE * 2))
        assert result.q_scale().item() == 0.5
        pairs = zip(flat(), flat(OTHERS), flat(MASK), strict=True)
        assert result.int_repr().flatten().tolist() == [(a + 1) // 2 if m else b for a, b, m in pairs]

    def test_where_with_a_number(self, make: Callable[..., QTensor]) -> None:
        for result in (torch.where(MASK, make(), 0.3), make().where(MASK, 0.3)):
            assert result.int_repr().equal(torch.where(MASK, INTEGERS, 1))
            assert result.q_scale() is SCALE

    def test_elements_are_assigned(self, make: Callable[..., QTensor]) -> None:
        x = make()
        x[0] = make(OTHERS, SCALE * 2)[0]
        x[1, 1] = 0.3
        assert x.int_repr().tolist() == [[-6, 8, 8], [0, 1, 127], [5, 5, -7]]

    def test_masked_scatter(self, make: Callable[..., QTensor]) -> None:
        result = torch.masked_scatter(make(), MASK, make(OTHERS))
        assert result.int_repr().equal(INTEGERS.masked_scatter(MASK, OTHERS))

    def test_constant_pad(self, make: Callable[..., QTensor]) -> None:
        result = nnf.pad(make(), (1, 0, 0, 1), value=0.375)
        assert result.int_repr().equal(nnf.pad(INTEGERS, (1, 0, 0, 1), value=2))

    def test_tensors_like_it(self, make: Callable[..., QTensor]) -> None:
        made = {torch.ones_like: 4, torch.zeros_like: 0, lambda x: x.new_ones(2): 4, lambda x: x.new_zeros(2): 0}
        for call, steps in made.items():
            result = call(make())
            assert set(result.int_repr().flatten().tolist()) == {steps}
            assert (result.dtype, result.q_scale(), result.is_quantized) == (qint8, SCALE, make().is_quantized)
        assert make().new_tensor([0.5, 1.0]).int_repr().tolist() == [2, 4]

    def test_values_leave(self, make: Callable[..., QTensor]) -> None:
        values = INTEGERS * 0.25
        assert make().float().equal(values)
        assert make().to(torch.float32).equal(values)
        assert make().long().equal(values.long())
        assert make().int().equal(values.int())

    def test_average_keeps_the_scale(self, make: Callable[..., QTensor]) -> None:
        """(-128 - 127 + 0 + 1) / 4 = -63.5, a tie."""
        result = nnf.avg_pool2d(make().reshape(1, 1, 3, 3), 2)
        assert result.int_repr().item() == -63
        assert result.q_scale().item() == 0.25


@pytest.mark.parametrize("make", [integer, fake])
class TestSampling:
    """Functions that are modules when traced, called outside of a traced model."""

    def test_nearest_repeats(self, make: Callable[..., QTensor]) -> None:
        result = nnf.interpolate(make().reshape(1, 1, 3, 3), scale_factor=2)
        assert result.int_repr()[0, 0].equal(INTEGERS.repeat_interleave(2, 0).repeat_interleave(2, 1))
        assert result.q_scale().item() == 0.25
        assert result.is_quantized == make().is_quantized

    @pytest.mark.parametrize("named", [False, True])
    def test_grid_of_corners(self, make: Callable[..., QTensor], named: bool) -> None:
        corners = make(torch.tensor([[-4, -4, 4, 4]], dtype=torch.int8).reshape(1, 1, 2, 2))
        x, settings = make().reshape(1, 1, 3, 3), {"mode": "nearest", "align_corners": True}
        result = nnf.grid_sample(x, grid=corners, **settings) if named else nnf.grid_sample(x, corners, **settings)
        assert result.int_repr().flatten().tolist() == [-128, -7]


def test_int32_is_sorted() -> None:
    x = QTensor(torch.tensor([2**30, -5, 2**31 - 1], dtype=torch.int32), SCALE, qint32)
    assert x.topk(2).values.int_repr().tolist() == [2**31 - 1, 2**30]


def test_gradients_pass() -> None:
    values = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
    x = QTensor(values * 1, SCALE, qint8)
    (abs(x) * 2.0).clamp(0.5, 1.0).dequantize().sum().backward()
    assert values.grad.tolist() == [2.0, 0.0, 0.0]
