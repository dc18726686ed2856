# mirrored to generated/ by the generator; edit only templates/tests/harness_ops.py
"""The body of every operator test: float -> calibrate -> convert on one cell of the support matrix.

In: a table row that says how an operator is made and called, and the dtypes that enter and leave. The converted operator
is fed the integers that the QAT operator was fed; they agree within one step of the output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn.quantized import FloatFunctional
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)
from horizon_plugin_pytorch.quantization.qconfig import QConfig

ACCUMULATOR = "qint32"
UNQUANTIZED = (ACCUMULATOR, "float32")
"""Outputs without an activation quantizer."""


@dataclass(frozen=True, slots=True)
class OpCase:
    """One cell of the matrix with one way to make and call the operator."""

    id: str
    op: str
    kind: str
    make: Callable[[], Any]
    shapes: tuple[tuple[int, ...], ...]
    values: tuple[float, float] | None
    arguments: tuple[object, ...]
    keywords: tuple[tuple[str, object], ...]
    as_list: bool
    source: str
    output: str
    steps: int


class _OneOperator(nn.Module):
    """Stubs and one operator; its output stays a QTensor, so that integers can be compared."""

    def __init__(self, case: OpCase) -> None:
        super().__init__()
        self.quants = nn.ModuleList(QuantStub() for _ in case.shapes)
        target = case.make()
        self.op = target if case.kind == "module" else None
        self.functional = FloatFunctional()
        self.call = (case.kind, target, case.arguments, dict(case.keywords), case.as_list)

    def apply_operator(self, *inputs: Tensor) -> Any:
        kind, target, arguments, keywords, as_list = self.call
        if self.op is not None:
            return self.op(*inputs, *arguments, **keywords)
        if kind == "functional":
            return getattr(self.functional, target)(*inputs, *arguments, **keywords)
        if kind == "method":
            return getattr(inputs[0], target)(*inputs[1:], *arguments, **keywords)
        return target(*([list(inputs)] if as_list else inputs), *arguments, **keywords)


class _One(_OneOperator):
    def forward(self, x: Tensor) -> Any:
        return self.apply_operator(self.quants[0](x))


class _Two(_OneOperator):
    def forward(self, x: Tensor, y: Tensor) -> Any:
        return self.apply_operator(self.quants[0](x), self.quants[1](y))


class _Three(_OneOperator):
    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> Any:
        return self.apply_operator(self.quants[0](x), self.quants[1](y), self.quants[2](z))


_MODELS = {1: _One, 2: _Two, 3: _Three}


@dataclass(frozen=True, slots=True)
class _Run:
    """One operator before and after conversion, what it was fed, and what came out."""

    model: nn.Module
    quantized: nn.Module
    inputs: list[Tensor]
    qat: list[Any]
    integers: list[Any]


def check_supported(march: str, case: OpCase) -> None:
    """Assert that QAT and integers agree within the steps of the case, and that integers depend on no memory layout."""
    run = _run(march, case)
    worst = _worst_steps(run, case)
    assert worst <= case.steps, (
        f"{case.id}: {worst} steps apart, {case.steps} allowed by steps of the operator and by ratchet.yaml"
    )
    _check_layouts(run)


def worst_steps(march: str, case: OpCase) -> int:
    """How many steps of the output integers are from QAT at worst."""
    return _worst_steps(_run(march, case), case)


def _worst_steps(run: _Run, case: OpCase) -> int:
    worst = 0
    for expected, given in zip(run.qat, run.integers, strict=True):
        if not isinstance(given, QTensor):  # masks and indices are equal
            assert type(expected) is type(given) is Tensor
            assert torch.equal(given, expected), case.id
            continue
        assert given.is_quantized
        assert str(given.dtype) == case.output
        if case.output == ACCUMULATOR and case.source != ACCUMULATOR:
            step = given.q_scale().max().item()
            values = expected.as_subclass(Tensor)
            torch.testing.assert_close(given.dequantize(), values, rtol=1e-4, atol=max(4, case.steps) * step)
        else:
            assert torch.equal(given.q_scale(), expected.q_scale())
            difference = given.int_repr().to(torch.int64) - expected.int_repr().to(torch.int64)
            worst = max(worst, int(difference.abs().max()))
    return worst


def _check_layouts(run: _Run) -> None:
    """The same integers from inputs that lie in memory in reverse order, or with their channels last."""
    for layout in (_reversed, _channels_last):
        inputs = [layout(x) for x in run.inputs]
        try:
            with torch.no_grad():
                again = run.quantized(*inputs)
        except RuntimeError:
            with pytest.raises(RuntimeError):  # the float operator refuses this layout too
                run.model(*inputs)
            continue
        for given, expected in zip(_listed(again), run.integers, strict=True):
            assert torch.equal(_integers(given), _integers(expected)), layout.__name__


def _integers(result: Tensor) -> Tensor:
    return result.int_repr() if isinstance(result, QTensor) else result


def _reversed(x: Tensor) -> Tensor:
    order = tuple(reversed(range(x.dim())))
    return x.permute(order).contiguous().permute(order)


def _channels_last(x: Tensor) -> Tensor:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.dim()]) if x.dim() in formats else x


def _listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def check_unsupported(march: str, case: OpCase) -> None:
    """Assert that somewhere between prepare and inference an error names the march and the reason."""
    with pytest.raises(NotImplementedError, match=march):
        _run(march, case)


def _run(march: str, case: OpCase) -> _Run:
    torch.manual_seed(sum(map(ord, case.id)))
    set_march(march)
    inputs = [_values(shape, case.values) * (1 + index) for index, shape in enumerate(case.shapes)]
    model = _MODELS[len(inputs)](case).eval()
    qconfig = {"": _qconfig(case.output), "module_name": {"quants": _qconfig(case.source)}}
    prepared = prepare_qat_fx(model, qconfig).eval()
    set_fake_quantize(prepared, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        for factor in (1.0, 0.7):
            prepared(*(factor * x for x in inputs))
        prepared.eval()
        set_fake_quantize(prepared, FakeQuantState.VALIDATION)
        qat = prepared(*inputs)
        quantized = convert_fx(prepared)
        return _Run(model, quantized, inputs, _listed(qat), _listed(quantized(*inputs)))


def _values(shape: tuple[int, ...], ends: tuple[float, float] | None) -> Tensor:
    """Normal values, or uniform ones between two ends."""
    return torch.randn(shape) if ends is None else torch.empty(shape).uniform_(*ends)


def _qconfig(dtype: str) -> QConfig:
    full = get_default_qconfig(activation_qkwargs={"dtype": "qint8" if dtype in UNQUANTIZED else dtype})
    return QConfig(activation=None, weight=full.weight) if dtype in UNQUANTIZED else full
