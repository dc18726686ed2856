# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/sensitivity.py
"""`sensitivity`: which layer costs how much when it alone is quantized.

In: a calibrated or QAT model and inputs, or an evaluation. Out: a ranking of its activations and weights, the most costly
first. Everything computes in float but the one quantizer that is measured.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from ..._tools import TOOLS
from ..check_model import as_inputs
from ..errors import ArgumentError
from ..fake_quant_state import FakeQuantState, set_fake_quantize
from ..layer_calls import tensors_in
from ..progress import progress
from ..qat_module import QATModule
from .layers import settled, type_name, values
from .measures import measure_named
from .policy import Table
from .text_table import draw, table_of, write

_WEIGHT = "weight_fake_quant"


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What quantizing one tensor costs.

    Attributes:
        layer: qualified name.
        kind: "activation" or "weight".
        type: full name of the layer's class.
        value: the metric of the model's output, or the result of the evaluation, with this tensor alone quantized.
        dtype: of the tensor.
    """

    layer: str
    kind: str
    type: str
    value: float
    dtype: str


def sensitivity(
    model: nn.Module,
    example_inputs: Any = None,
    metric: str | Callable[..., Any] | None = None,
    evaluate: Callable[[nn.Module], float] | None = None,
    out_dir: str | Path | None = None,
) -> tuple[Sensitivity, ...]:
    """Quantize one tensor after the other and see what becomes of the output; write the ranking and print its head.

    Args:
        model: a calibrated or QAT model. It is copied, not changed.
        example_inputs: a tensor, or a tuple or list of the arguments of forward; of no use with `evaluate`.
        metric: "SQNR" (None), "Cosine", "MSE", "L1", "KL", or a function of two tensors where more is better.
        evaluate: what counts instead, such as an accuracy: called with the model, more is better.
        out_dir: where the file goes; None: the current directory.

    Returns:
        The most costly first.

    Raises:
        ArgumentError: the model has no fake quantizers, or there is nothing to judge by.
    """
    if evaluate is None and example_inputs is None:
        raise ArgumentError("sensitivity needs example_inputs, or evaluate")
    name = TOOLS.sensitivity_metric if metric is None else metric
    label = "evaluation" if evaluate else name if isinstance(name, str) else getattr(name, "__name__", "metric")
    twin = settled(model, "sensitivity")
    found = _ranked(twin, evaluate or _similarity(twin, as_inputs(example_inputs), name), name if not evaluate else "")
    table = _table(label)
    rows = [(s.layer, s.kind, s.type, s.value, s.dtype) for s in found]
    write(out_dir, (table, draw(table, rows)))
    return found


def _table(label: str) -> Table:
    table = table_of("sensitivity")
    columns = tuple(column.format(metric=label) for column in table.columns)
    return Table(table.file.format(metric=label), table.style, table.title, columns)


def _ranked(twin: nn.Module, judge: Callable[[nn.Module], float], metric: Any) -> tuple[Sensitivity, ...]:
    units = list(_units(twin))
    if not units:
        raise ArgumentError("sensitivity takes a calibrated or QAT model; this one has no fake quantizers")
    higher = not isinstance(metric, str) or not metric or TOOLS.metrics[metric].higher_is_better
    found = []
    for name, kind, layer, quantizer in progress(units, "sensitivity"):
        set_fake_quantize(twin, FakeQuantState._FLOAT)
        quantizer.enable_fake_quant()
        if isinstance(layer, QATModule):
            layer.quantizes = kind == "activation"
        with torch.no_grad():
            value = float(judge(twin))
        found.append(Sensitivity(name, kind, type_name(layer), value, str(quantizer.dtype)))
    return tuple(sorted(found, key=lambda s: s.value, reverse=not higher))


def _units(model: nn.Module) -> Iterator[tuple[str, str, nn.Module, FakeQuantizeBase]]:
    """(layer, kind, layer's module, quantizer) of everything that is quantized on its own."""
    for name, module in model.named_modules():
        if isinstance(module, FakeQuantizeBase):
            layer, _, attribute = name.rpartition(".")
            yield layer, "weight" if attribute == _WEIGHT else "activation", model.get_submodule(layer), module


def _similarity(twin: nn.Module, inputs: tuple[Any, ...], metric: Any) -> Callable[[nn.Module], float]:
    """How alike the output is to that of the model in float."""
    measure = measure_named(metric)
    set_fake_quantize(twin, FakeQuantState._FLOAT)
    with torch.no_grad():
        reference = _flat(twin(*inputs))
    return lambda model: measure(reference, _flat(model(*inputs)))


def _flat(result: Any) -> Tensor:
    return torch.cat([values(x).reshape(-1).float() for x in tensors_in(result)])
