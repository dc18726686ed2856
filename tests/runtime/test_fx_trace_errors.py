"""What tracing cannot follow is one error with the line and the remedy."""

import warnings

import pytest
import torch
from fx_models import Parts, conv
from torch import Tensor, nn
from torch.fx.proxy import TraceError
from torch.nn import functional as nnf

from horizon_plugin_pytorch.quantization import fuse_fx

HERE = r"test_fx_trace_errors\.py:\d+"


def branch(_: nn.Module, x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


def loop(_: nn.Module, x: Tensor) -> Tensor:
    return sum(y for y in x)


def length(_: nn.Module, x: Tensor) -> Tensor:
    return x * len(x)


def integer(_: nn.Module, x: Tensor) -> Tensor:
    return x * int(x.max())


def constant(_: nn.Module, x: Tensor) -> Tensor:
    return torch.zeros(x.shape[0], 4) + torch.tensor(x.mean())


@pytest.mark.parametrize(
    ("run", "line"), [(branch, "return x if"), (loop, r"sum\(y for"), (length, r"len\(x\)"), (integer, r"int\(x\.max")]
)
def test_control_flow_names_the_line(run: object, line: str) -> None:
    with pytest.raises(TraceError, match=rf"(?s){HERE}: `.*{line}.*fx_helper\.wrap\(\)"):
        fuse_fx(Parts(run))


def test_a_module_that_is_not_registered() -> None:
    hidden = conv()
    with pytest.raises(TraceError, match=rf"{HERE}.*the Conv2d used here is not a sub-module"):
        fuse_fx(Parts(lambda _, x: hidden(x)))


def test_other_errors_pass() -> None:
    def run(_: nn.Module, __: Tensor) -> Tensor:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fuse_fx(Parts(run))


class Training(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else -x


@pytest.mark.parametrize("training", [True, False])
def test_a_frozen_branch_is_warned_of(training: bool) -> None:
    model = nn.Sequential(Training()).train(training)
    with pytest.warns(UserWarning, match=rf"{HERE}.*training of '0' is tested.*training={training} is kept"):
        fused = fuse_fx(model)
    assert fused.training is training
    assert fused(torch.ones(1)) == (1 if training else -1)
    assert model.training is training
    assert model[0].training is training


def test_a_training_flag_passed_on_is_read_when_the_graph_runs() -> None:
    drop = Parts(lambda m, x: nnf.dropout(x, 0.5, m.training))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fused = fuse_fx(Parts(lambda m, x: m.inner(nnf.dropout(x, training=m.training)), inner=nn.Sequential(drop)))
    x = torch.ones(100)
    assert fused.eval()(x).equal(x)
    assert not fused.train()(x).equal(x)
