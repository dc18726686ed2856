"""Functions of QTensors that no table or march knows: refusals, and the two ways around them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from small_qtensors import INTEGERS, SCALE, fake, integer
from torch import Tensor
from torch.nn import functional as nnf

from horizon_plugin_pytorch._runtime.dispatch import float_operations
from horizon_plugin_pytorch.dtype import qint16
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.qtensor import QTensor


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


class TestRefusals:
    @pytest.mark.parametrize(
        ("call", "reason"),
        [
            (torch.abs, "bernoulli2 takes no absolute value"),
            (lambda x: x > 0, "bernoulli2 compares nothing"),
            (lambda x: x.clamp(0, 1), "bernoulli2 clamps nothing"),
            (lambda x: torch.topk(x, 1), "bernoulli2 sorts nothing"),
            (lambda x: x.repeat(2, 1), "bernoulli2 repeats no elements"),
            (lambda x: x * 2.0, "bernoulli2 multiplies by no numbers"),
        ],
    )
    def test_a_march_without_the_operator(self, call: Callable[[Any], Any], reason: str) -> None:
        set_march("bernoulli2")
        for x in (integer(), fake()):
            with pytest.raises(NotImplementedError, match=reason) as info:
                call(x)
            for part in ("march: bernoulli2", "Support of", "DeQuantStub"):
                assert part in str(info.value)

    def test_int16_where_only_int8_is_filled(self) -> None:
        x = QTensor(torch.zeros(3, dtype=torch.int16), SCALE, qint16)
        with pytest.raises(NotImplementedError, match="masked_fill takes int8 features only"):
            x.masked_fill(torch.tensor([True, False, True]), 1.0)

    def test_reflect_pad(self) -> None:
        with pytest.raises(NotImplementedError, match="mode 'reflect' has no integer form"):
            nnf.pad(integer().reshape(1, 1, 3, 3), (1, 1, 1, 1), "reflect")

    def test_two_tensors_need_a_scale(self) -> None:
        for call in (torch.max, torch.mul):
            with pytest.raises(NotImplementedError):
                call(integer(), integer())

    def test_remainder(self) -> None:
        with pytest.raises(NotImplementedError, match="no march divides with a remainder"):
            integer() % 0.5


class TestFloatOperations:
    @pytest.fixture(autouse=True)
    def _restored(self) -> Iterator[None]:
        yield
        QTensor.allow_float_operation(False)

    def test_functions_without_a_rule_run_on_values(self) -> None:
        with pytest.raises(NotImplementedError):
            torch.exp(integer())
        with float_operations():
            assert torch.exp(integer()).equal(torch.exp(INTEGERS * 0.25))
            assert torch.abs(integer()).is_quantized
        with pytest.raises(NotImplementedError):
            torch.exp(integer())

    def test_what_the_march_lacks_runs_on_values(self) -> None:
        set_march("bernoulli2")
        QTensor.allow_float_operation(True)
        result = torch.abs(fake())
        assert type(result) is Tensor
        assert result.equal((INTEGERS * 0.25).abs())


def test_a_dispatcher_is_set() -> None:
    QTensor.set_dispatcher({torch.digamma: lambda x: f"digamma of {x.dtype}"})
    assert torch.digamma(integer()) == "digamma of qint8"
