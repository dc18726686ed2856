"""QTensor: its metadata, its values, and what torch functions do with it."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import qint8, qint16, qint32
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor

HALF = torch.tensor([0.5])


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def make(*shape: int, dtype: torch.dtype = torch.int8) -> QTensor:
    count = torch.Size(shape).numel()
    return QTensor(torch.arange(count).reshape(shape).to(dtype), HALF, qint8)


def per_channel(*shape: int, axis: int = 1) -> QTensor:
    return QTensor(
        torch.arange(torch.Size(shape).numel()).reshape(shape), torch.arange(1.0, shape[axis] + 1), qint32, axis
    )


class TestMetadata:
    def test_of_integers(self) -> None:
        q = make(2, 3)
        assert isinstance(q, Tensor)
        assert q.dtype is qint8
        assert q.qtype is qint8
        assert q.is_quantized
        assert q.q_scale() is HALF is q.scale is q.q_per_channel_scales()
        assert torch.equal(q.q_zero_point(), torch.zeros(1, dtype=torch.int64))
        assert q.q_per_channel_axis() == -1
        assert q.qscheme() == torch.per_tensor_symmetric

    def test_of_channels(self) -> None:
        q = per_channel(2, 3)
        assert q.qscheme() == torch.per_channel_symmetric
        assert torch.equal(q.q_per_channel_zero_points(), torch.zeros(3, dtype=torch.int64))

    @pytest.mark.parametrize("given", ["qint8", torch.qint8, qint8])
    def test_dtype_spellings(self, given: Any) -> None:
        assert QTensor(torch.zeros(2), HALF, given).dtype is qint8

    def test_no_scale_no_zero_point(self) -> None:
        assert QTensor(torch.zeros(2), None, qint8).zero_point is None  # type: ignore[arg-type]

    def test_several_scales_need_an_axis(self) -> None:
        with pytest.raises(AssertionError, match="3 scales need per_channel_axis"):
            QTensor(torch.zeros(2, 3), torch.ones(3), qint8)

    @pytest.mark.parametrize(("axis", "count"), [(0, 3), (1, 2), (2, 3)])
    def test_one_scale_for_each_channel(self, axis: int, count: int) -> None:
        with pytest.raises(ValueError, match=r"per_channel_axis \d of a tensor \[2, 3\] needs as many scales"):
            QTensor(torch.zeros(2, 3), torch.ones(count), qint8, axis)

    def test_of_a_qtensor(self) -> None:
        assert torch.equal(QTensor(make(3), torch.ones(1), qint16).int_repr(), torch.arange(3).to(torch.int8))

    def test_repr(self) -> None:
        shown = repr(make(2))
        for part in ("data = tensor([0, 1]", "scale = tensor([0.5", "zero_point", "dtype = qint8", "axis = -1", "True"):
            assert part in shown
        assert f"{make(2)}" == shown

    def test_python_attributes(self) -> None:
        q = make(2, 3)
        assert (q.shape, q.ndim, q.dim(), q.size(), q.size(1), q.numel(), len(q)) == ((2, 3), 2, 2, (2, 3), 3, 6, 2)
        assert (q.device.type, q.is_cuda, q.requires_grad, q.grad, q.is_leaf) == ("cpu", False, False, None, True)
        assert q.is_contiguous()
        assert hash(q) == id(q)


class TestValues:
    def test_integers(self) -> None:
        data = torch.tensor([-128, 0, 127], dtype=torch.int8)
        q = QTensor(data, HALF, qint8)
        assert q.int_repr() is data
        assert q.dequantize().tolist() == [-64.0, 0.0, 63.5]
        assert type(q.dequantize()) is Tensor

    @pytest.mark.parametrize(
        ("march", "expected"), [("bayes", [1, 0, 2, 127, -128]), ("bernoulli", [0, -1, 1, 127, -128])]
    )
    def test_floats_are_quantized_by_the_march(self, march: str, expected: list[int]) -> None:
        set_march(march)
        q = QTensor(torch.tensor([0.25, -0.25, 0.75, 100.0, -100.0]), HALF, qint8)
        assert q.int_repr().tolist() == expected
        assert q.int_repr().dtype == torch.int8
        assert not q.is_quantized

    def test_floats_dequantize_to_themselves(self) -> None:
        data = torch.tensor([0.25], requires_grad=True)
        assert QTensor(data, HALF, qint8).dequantize() is data

    def test_channels(self) -> None:
        q = QTensor(torch.tensor([[2.0, 2.0], [-4.0, 9.0]]), torch.tensor([1.0, 2.0]), qint8, 1)
        assert q.int_repr().tolist() == [[2, 1], [-4, 5]]
        assert QTensor(q.int_repr(), q.scale, qint8, 1).dequantize().tolist() == [[2.0, 2.0], [-4.0, 10.0]]

    def test_no_dimensions(self) -> None:
        q = QTensor(torch.tensor(3, dtype=torch.int8), HALF, qint8)
        assert q.dequantize().shape == ()
        assert QTensor(torch.tensor(1.5), HALF, qint8).int_repr().shape == ()

    def test_as_subclass(self) -> None:
        q = make(2)
        assert q.as_subclass(Tensor) is q.int_repr()
        assert type(Tensor.as_subclass(q, Tensor)) is Tensor

    def test_gradients_flow(self) -> None:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        QTensor(x * 3, HALF, qint8).reshape(2, 1).dequantize().sum().backward()
        assert x.grad.tolist() == [3.0, 3.0]
        y = QTensor(x * 3, HALF, qint8)
        assert y.requires_grad
        assert y.grad_fn is not None


class TestCopies:
    def test_deepcopy_and_pickle(self) -> None:
        for twin in (copy.deepcopy(make(2, 2)), pickle.loads(pickle.dumps(make(2, 2)))):
            assert isinstance(twin, QTensor)
            assert (twin.dtype, twin.per_channel_axis) == ("qint8", -1)
            assert torch.equal(twin.int_repr(), make(2, 2).int_repr())
        assert copy.deepcopy([q := make(1), q])[0].scale is not q.scale

    @pytest.mark.parametrize("move", [Tensor.clone, Tensor.detach, Tensor.cpu, torch.clone, lambda q: q.to("cpu")])
    def test_copies_keep_everything(self, move: Any) -> None:
        for q in (make(2, 2), per_channel(2, 2)):
            moved = move(q)
            assert isinstance(moved, QTensor)
            assert moved.scale is q.scale
            assert (moved.dtype, moved.per_channel_axis) == (q.dtype, q.per_channel_axis)

    def test_to_another_dtype_is_refused(self) -> None:
        with pytest.raises(
            NotImplementedError, match=r"cannot become torch.int16: take .dequantize\(\) or .int_repr\(\)"
        ):
            make(2).to(torch.int16)

    def test_requires_grad(self) -> None:
        q = QTensor(torch.zeros(2), HALF, qint8)
        q.requires_grad = True
        assert q.dequantize().requires_grad


class TestFunctions:
    @pytest.mark.parametrize(
        "call",
        [
            lambda q: q.reshape(3, 4),
            lambda q: q.view(-1),
            torch.flatten,
            lambda q: q.permute(1, 0),
            lambda q: q.unsqueeze(0),
            lambda q: q[1],
            lambda q: q[:, 1:],
            lambda q: q.T,
            lambda q: q.data,
        ],
    )
    def test_pass_through(self, call: Any) -> None:
        q = make(4, 3)
        out = call(q)
        assert isinstance(out, QTensor)
        assert out.scale is q.scale
        assert out.dtype is qint8
        assert torch.equal(out.int_repr(), call(q.int_repr()))

    def test_lists(self) -> None:
        parts = make(4, 3).split(2)
        assert [type(part) for part in parts] == [QTensor, QTensor]
        assert parts[1].int_repr().tolist() == [[6, 7, 8], [9, 10, 11]]

    def test_plain(self) -> None:
        assert make(4).argmax().item() == 3
        assert type(make(4).argmax()) is Tensor

    def test_refusal_says_where_and_what(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(nn.Identity(), nn.Conv2d(1, 1, 1))

            def forward(self, x: Tensor) -> Any:
                return self.body(x)

        with pytest.raises(NotImplementedError) as info:
            Net()(make(1, 1, 2, 2))
        text = str(info.value)
        assert text.startswith("torch.nn.functional.conv2d is not implemented for QTensor in body.1 (Conv2d)")
        for part in (
            "at `return self.body(x)`",
            "march: bayes",
            "Support of conv2d: qint8 ->",
            "DeQuantStub",
            "qconfig None",
        ):
            assert part in text
        assert "when calling function" in text

    def test_refusal_of_arithmetic(self) -> None:
        with pytest.raises(
            NotImplementedError, match=r"torch.Tensor.add is not implemented for QTensor .march: bayes.. Supp"
        ):
            make(2) + make(2)

    def test_errors_inside_name_the_function(self) -> None:
        with pytest.raises(RuntimeError) as info:
            make(4).reshape(3)
        assert "when calling function" in info.value.__notes__[0]

    def test_registering(self) -> None:
        @QTensor.register_func_impl(torch.logit)
        def logit(x: QTensor, eps: float = 0.0) -> str:
            return f"logit of {x.dtype} {eps}"

        QTensor.patch_torch_func(torch.Tensor.logit, logit)
        assert torch.logit(make(2), eps=0.5) == "logit of qint8 0.5"
        assert make(2).logit() == "logit of qint8 0.0"


class TestChannels:
    """The scale follows its channels."""

    @pytest.mark.parametrize(
        ("call", "axis"),
        [
            (lambda q: q.permute(0, 2, 3, 1), 3),
            (lambda q: q.transpose(1, 0), 0),
            (lambda q: q.flatten(2), 1),
            (lambda q: q[0], 0),
            (lambda q: q.unsqueeze(0), 2),
            (lambda q: q[..., 0], 1),
            (lambda q: q.permute(0, 2, 3, 1).reshape(2, 16, 3), 2),
            (lambda q: q.split(1)[1], 1),
        ],
    )
    def test_axis_moves(self, call: Any, axis: int) -> None:
        q = per_channel(2, 3, 4, 4)
        out = call(q)
        assert out.per_channel_axis == axis
        assert out.scale is q.scale
        assert torch.equal(out.dequantize(), call(q.dequantize()))

    def test_channels_are_picked(self) -> None:
        q = per_channel(2, 3, 4)
        assert q[:, 1:].scale.tolist() == [2.0, 3.0]
        assert (q[:, 2].scale.tolist(), q[:, 2].per_channel_axis) == ([3.0], -1)
        assert q.split(2, dim=1)[1].scale.tolist() == [3.0]
        assert q[:, [2, 0]].scale.tolist() == [3.0, 1.0]

    def test_copied_channels(self) -> None:
        q = per_channel(2, 3, 4)
        for call in (lambda t: t.flatten(1), lambda t: t.flip(2), lambda t: t.flip(1), lambda t: t.contiguous()):
            assert torch.equal(call(q).dequantize(), call(q.dequantize()))
        assert q.flip(1).scale.tolist() == [3.0, 2.0, 1.0]

    def test_mixing_channels_is_refused(self) -> None:
        with pytest.raises(NotImplementedError, match=r"cannot mix its channels into \[2, 2, 2, 3\]"):
            per_channel(2, 4, 3).reshape(2, 2, 2, 3)


class TestExport:
    """Quantized models are traced and exported with QTensors inside."""

    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            q = QTensor((x / 0.5).floor().to(torch.int8), torch.tensor([0.5]), qint8)
            q = q.reshape(4, 2).permute(1, 0)
            return QTensor(q.int_repr().to(torch.int32) * 2, q.q_scale(), qint32).dequantize()

    def test_jit_trace(self) -> None:
        x = torch.rand(2, 4)
        assert torch.equal(torch.jit.trace(self.Net(), x)(x), self.Net()(x))

    def test_export(self) -> None:
        x = torch.rand(2, 4)
        assert torch.equal(torch.export.export(self.Net(), (x,), strict=False).module()(x), self.Net()(x))
