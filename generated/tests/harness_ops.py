# mirrored to generated/ by the generator; edit only templates/tests/harness_ops.py
"""The body of every operator test: float -> calibrate -> convert on one cell of the support matrix.

In: a table row that says how an operator is made and called, and the dtypes that enter and leave. The converted operator
is fed the integers that the QAT operator was fed: what comes out agrees within the steps of the case, and is exact as
`harness_exact` defines it.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from harness_exact import check_definitions, listed
from torch import Tensor, nn

from horizon_plugin_pytorch.dtype import get_horizon_quant_dtype, qint32
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.nn.quantized import FloatFunctional
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantize,
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
"""Without an activation quantizer: such outputs have none, such inputs enter through no stub."""
SUM_SCALE = 2.0**-12
"""Of accumulators that enter: exact in float32, so that QAT is fed the same values."""

FLOAT_SUMS = 2.0**-20
"""How exact QAT's sums are, float32 in any order, of the largest of them."""


@dataclass(frozen=True, slots=True)
class OpCase:
    """One cell of the matrix with one way to make and call the operator."""

    id: str
    op: str
    kind: str
    make: Callable[[], Any]
    shapes: tuple[tuple[int, ...], ...]
    given: tuple[tuple[str, object], ...]
    values: tuple[float, float] | None
    arguments: tuple[object, ...]
    keywords: tuple[tuple[str, object], ...]
    as_list: bool
    write: Callable[..., Any] | None
    expected: Callable[[Tensor], Tensor] | None
    source: str
    output: str
    steps: tuple[tuple[str, int], ...]
    cosine: float | None


class _OneOperator(nn.Module):
    """Stubs and one operator; its output stays a QTensor, so that integers can be compared."""

    def __init__(self, case: OpCase) -> None:
        super().__init__()
        stub = nn.Identity if case.source in UNQUANTIZED else QuantStub
        self.quants = nn.ModuleList(stub() for _ in case.shapes)
        target = case.make()
        self.op = target if case.kind == "module" else None
        self.functional = FloatFunctional()
        self.call = (case.kind, target, case.arguments, dict(case.keywords), case.as_list)
        self.write = case.write

    def forward_all(self, *operands: Tensor) -> Any:
        inputs = [quant(x) for quant, x in zip(self.quants, operands, strict=False)]
        return self.apply_operator(*inputs, *operands[len(inputs) :])

    def apply_operator(self, *inputs: Tensor) -> Any:
        kind, target, arguments, keywords, as_list = self.call
        if self.write is not None:
            return self.write(target if self.op is None else self.op, *inputs)
        if self.op is not None:
            return self.op(*inputs, *arguments, **keywords)
        if kind == "functional":
            return getattr(self.functional, target)(*inputs, *arguments, **keywords)
        if kind == "method":
            return getattr(inputs[0], target)(*inputs[1:], *arguments, **keywords)
        return target(*([list(inputs)] if as_list else inputs), *arguments, **keywords)


class _One(_OneOperator):
    def forward(self, a: Tensor) -> Any:
        return self.forward_all(a)


class _Two(_OneOperator):
    def forward(self, a: Tensor, b: Tensor) -> Any:
        return self.forward_all(a, b)


class _Three(_OneOperator):
    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Any:
        return self.forward_all(a, b, c)


class _Four(_OneOperator):
    def forward(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Any:
        return self.forward_all(a, b, c, d)


_MODELS = {1: _One, 2: _Two, 3: _Three, 4: _Four}


@dataclass(frozen=True, slots=True)
class _Run:
    """One operator before and after conversion, also as it was before it ran, what it was fed, and what came out."""

    model: nn.Module
    quantized: nn.Module
    untouched: nn.Module
    inputs: list[Tensor]
    qat: list[Any]
    integers: list[Any]


def check_supported(march: str, case: OpCase) -> None:
    """Assert that integers agree with QAT within the steps of the case, are exact, and depend on no memory layout."""
    run = _run(march, case)
    allowed = dict(case.steps)
    for dtype, worst in _worst_steps(run, case).items():
        assert worst <= allowed.get(dtype, 1), (
            f"{case.id}: {worst} steps apart, {allowed.get(dtype, 1)} allowed by steps of the operator and by ratchet.yaml"
        )
    if case.cosine is not None:
        assert _cosine(run) >= case.cosine, case.id
    stubs = 0 if case.source in UNQUANTIZED or case.expected else len(case.shapes)
    check_definitions(march, run.model, run.untouched, run.inputs, stubs)
    _check_layouts(run, len(case.shapes))


def _cosine(run: _Run) -> float:
    quants: Any = run.quantized.quants
    with torch.no_grad():
        expected = run.model(*(quant(x).dequantize() for quant, x in zip(quants.children(), run.inputs, strict=True)))
    pairs = zip(listed(expected), run.integers, strict=True)
    flat = [(a.flatten().to(torch.float64), b.dequantize().flatten().to(torch.float64)) for a, b in pairs]
    return min(float(nn.functional.cosine_similarity(a, b, dim=0)) for a, b in flat)


def measured(march: str, case: OpCase) -> tuple[dict[str, int], float | None]:
    """Output dtype -> how many steps integers are from QAT at worst; of a composite the cosine with the float operator."""
    run = _run(march, case)
    return _worst_steps(run, case), None if case.cosine is None else _cosine(run)


def _worst_steps(run: _Run, case: OpCase) -> dict[str, int]:
    """What is no QTensor counts as the case's output."""
    found: dict[str, int] = {}
    for expected, given in zip(run.qat, run.integers, strict=True):
        dtype, worst = case.output, 0
        if isinstance(given, QTensor):
            dtype, worst = str(given.dtype), _steps_apart(expected, given)
        else:  # masks, indices and what is computed on the host are equal
            assert type(given) is Tensor
            assert torch.equal(given, torch.as_tensor(expected.as_subclass(Tensor))), case.id
        found[dtype] = max(found.get(dtype, 0), worst)
    assert not isinstance(run.integers[0], QTensor) or str(run.integers[0].dtype) == case.output
    return found


def _steps_apart(expected: Tensor, given: QTensor) -> int:
    """Values that QAT left without a quantizer are as many steps apart as their difference holds."""
    assert given.is_quantized
    if isinstance(expected, QTensor):
        assert torch.equal(given.q_scale(), expected.q_scale())
        difference = given.int_repr().to(torch.int64) - expected.int_repr().to(torch.int64)
    else:
        steps = QTensor(torch.ones_like(given.int_repr()), given.q_scale(), given.dtype, given.per_channel_axis)
        exact = expected.to(torch.float64) / steps.dequantize().to(torch.float64)
        difference = (given.int_repr() - exact).abs() - exact.abs().max() * FLOAT_SUMS
        difference = difference.clamp(min=0).ceil()
    return int(difference.abs().max()) if difference.numel() else 0


def _check_layouts(run: _Run, count: int) -> None:
    """The same integers from inputs that lie in memory in reverse order, or with their channels last."""
    for layout in (_reversed, _channels_last):
        inputs = [layout(x) if number < count and type(x) is Tensor else x for number, x in enumerate(run.inputs)]
        try:
            with torch.no_grad():
                again = run.quantized(*inputs)
        except RuntimeError:
            with pytest.raises(RuntimeError):  # the float operator refuses this layout too
                run.model(*inputs)
            continue
        for given, expected in zip(listed(again), run.integers, strict=True):
            assert torch.equal(_integers(given), _integers(expected)), layout.__name__


def _integers(result: Tensor) -> Tensor:
    return result.int_repr() if isinstance(result, QTensor) else result


def _reversed(x: Tensor) -> Tensor:
    order = tuple(reversed(range(x.dim())))
    return x.permute(order).contiguous().permute(order)


def _channels_last(x: Tensor) -> Tensor:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.dim()]) if x.dim() in formats else x


def check_unsupported(march: str, case: OpCase) -> None:
    """Assert that somewhere between prepare and inference an error names the march and the reason."""
    with pytest.raises(NotImplementedError, match=march):
        _run(march, case)


def _run(march: str, case: OpCase) -> _Run:
    torch.manual_seed(sum(map(ord, case.id)))
    set_march(march)
    values = [_values(shape, case.values) * (1 + index) for index, shape in enumerate(case.shapes)]
    if case.expected is not None:
        return _deployed(case, values[0].round())
    given = [torch.tensor(numbers, dtype=getattr(torch, dtype)) for dtype, numbers in case.given]
    entering = [_summed(x) for x in values] if case.source == ACCUMULATOR else values
    fake = [x.dequantize() if isinstance(x, QTensor) else x for x in entering]
    model = _MODELS[len(values) + len(given)](case).eval()
    qconfig = {"": _qconfig(case.output), "module_name": {"quants": _qconfig(case.source)}}
    prepared = prepare_qat_fx(model, qconfig).eval()
    _set_state(prepared, FakeQuantState.CALIBRATION)
    with torch.no_grad():
        for factor in (1.0, 0.7):
            prepared(*(factor * x for x in fake), *given)
        prepared.eval()
        _set_state(prepared, FakeQuantState.VALIDATION)
        qat = prepared(*fake, *given)
        quantized = convert_fx(prepared)
        inputs = [*entering, *given]
        untouched = copy.deepcopy(quantized)
        return _Run(model, quantized, untouched, inputs, listed(qat), listed(quantized(*inputs)))


def _set_state(prepared: nn.Module, state: FakeQuantState) -> None:
    """Of an operator that quantizes nothing there is none to set."""
    if any(isinstance(module, FakeQuantize) for module in prepared.modules()):
        set_fake_quantize(prepared, state)


class _Deployed(nn.Module):
    """An operator that is inserted into a converted model, where integers of scale 1 enter."""

    def __init__(self, case: OpCase) -> None:
        super().__init__()
        self.quants = nn.ModuleList()
        self.call = case.make()
        self.case = case

    def forward(self, x: Tensor) -> Any:
        dtype = get_horizon_quant_dtype(self.case.source)
        integers = QTensor(x.to(dtype.storage), torch.ones(1), dtype)
        return self.call(integers, *self.case.arguments, **dict(self.case.keywords))


def _deployed(case: OpCase, x: Tensor) -> _Run:
    """Beside its float values, quantized as the network was trained on them."""
    assert case.expected is not None
    model = _Deployed(case)
    given = model(x)
    scale, dtype = given.q_scale(), given.dtype
    trained = (case.expected(x) / scale + 0.5).floor().clamp(dtype.min, dtype.max) * scale
    return _Run(model, model, model, [x], [QTensor(trained, scale, dtype)], [given])


def _summed(x: Tensor) -> QTensor:
    """Accumulators of some values."""
    return QTensor((x / SUM_SCALE).round().to(torch.int32), torch.tensor([SUM_SCALE]), qint32)


def _values(shape: tuple[int, ...], ends: tuple[float, float] | None) -> Tensor:
    """Normal values, or uniform ones between two ends."""
    return torch.randn(shape) if ends is None else torch.empty(shape).uniform_(*ends)


def _qconfig(dtype: str) -> QConfig:
    full = get_default_qconfig(activation_qkwargs={"dtype": "qint8" if dtype in UNQUANTIZED else dtype})
    return QConfig(activation=None, weight=full.weight) if dtype in UNQUANTIZED else full
