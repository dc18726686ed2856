# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/check_model.py
"""`check_model`: whether a model keeps to the support table and the limits of a march.

In: a prepared or converted model and example inputs. Out: 0 and one line, or 1 and a table of what is violated, with layer,
rule, value, limit and remedy. The model runs once; nothing of it changes.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import nn

from .._limits import GENERAL, LIMITS
from .._marches import MARCH_IDS
from .._support import SUPPORT
from .layer_calls import LayerCall, Run, record_run
from .limit_values import found_outside
from .march import require_march
from .prepare import is_prepared
from .qtensor import QTensor
from .scale_findings import scale_findings
from .support import support_row
from .user_input import did_you_mean

SOURCES = ("ddr", "pyramid", "resizer")


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one layer does not keep to."""

    layer: str
    rule: str
    value: str
    limit: str
    remedy: str


def check_model(
    module: nn.Module,
    example_inputs: Any,
    march: str | None = None,
    input_source: str | Sequence[str] = "ddr",
    advice: int | None = None,
    check_quanti_param: bool = True,
) -> int:
    """Check every layer against the support table and its limits, and print what is violated.

    Args:
        module: a model from `prepare_qat_fx` or `convert_fx`, on the CPU. It is copied, not changed.
        example_inputs: a tensor, or a tuple or list of what its forward takes. Shapes count, values do not.
        march: the march to check for; the current one by default.
        input_source: "ddr", "pyramid" or "resizer", for all inputs or for each of them.
        advice: accepted; advice on performance needs the vendor's compiler.
        check_quanti_param: also print scales that look wrong. They do not change the result.

    Returns:
        0 when the model is supported, else 1.

    Raises:
        TypeError: a module that is neither prepared nor converted, such as a trace: it has no layers any more.
        ValueError: an unknown march or input source.
    """
    inputs = as_inputs(example_inputs)
    march = check_arguments(module, march, input_source, "check_model")
    run = record_run(module, inputs)
    found = tuple(violations(run, march))
    if check_quanti_param:
        _print(f"warning: {text}" for text in scale_findings(run))
    if found:
        _print(_table(found))
        _print([f"This model is not supported on {march}: {len(found)} of the rules above are violated."])
        return 1
    _print([f"This model is supported! {march}: {len(run.calls)} layers keep to the support table and its limits."])
    return 0


def violations(run: Run, march: str) -> Iterator[Violation]:
    """What the layers of a run violate, in the order of the run."""
    for call in run.calls:
        yield from _unsupported(call, march)
        for limit in LIMITS.get((call.op, march), GENERAL[march]):
            if outside := found_outside(limit, call, run):
                yield Violation(f"{call.name} ({call.op})", limit.rule, outside, limit.limit, limit.remedy)


def _unsupported(call: LayerCall, march: str) -> Iterator[Violation]:
    """The cell of the support table: each quantized input's dtype, and what may come out."""
    cells = SUPPORT.get((call.op, march), {})
    outputs = [str(x.dtype) for x in call.outputs if isinstance(x, QTensor)]
    for dtype in dict.fromkeys(str(x.dtype) for x in call.inputs if isinstance(x, QTensor)):
        cell = cells.get(dtype, ())
        wrong = [] if isinstance(cell, str) else [out for out in outputs if out not in cell]
        if isinstance(cell, str) or wrong:
            value = f"{dtype} -> {', '.join(dict.fromkeys(outputs)) or 'float32'}"
            remedy = cell if isinstance(cell, str) else "change the activation dtype in its qconfig"
            yield Violation(f"{call.name} ({call.op})", "dtypes", value, support_row(call.op, march), remedy)


def as_inputs(example_inputs: Any) -> tuple[Any, ...]:
    """The arguments of a forward: one tensor, or a tuple or list of arguments."""
    return tuple(example_inputs) if isinstance(example_inputs, list | tuple) else (example_inputs,)


def check_arguments(module: nn.Module, march: str | None, input_source: str | Sequence[str], caller: str) -> str:
    """The march that is meant, once the arguments that all of the compiler's functions share are valid."""
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(
            f"{caller} takes the quantized model itself, not its trace: a trace has no layers any more that rules could "
            f"be checked of. Pass the model that was traced"
        )
    if not isinstance(module, nn.Module) or not is_prepared(module):
        raise TypeError(
            f"{caller} takes a model from prepare_qat_fx or convert_fx; this {type(module).__name__} has no quantized layer"
        )
    sources = (input_source,) if isinstance(input_source, str) else tuple(input_source)
    for source in sources:
        if source not in SOURCES:
            near = did_you_mean(str(source), SOURCES)
            raise ValueError(f"{caller}: unknown input_source {source!r}; known: {', '.join(SOURCES)}{near}")
    march = march or require_march(caller)
    if march not in MARCH_IDS:
        raise ValueError(
            f"{caller}: unknown march {march!r}; known: {', '.join(MARCH_IDS)}{did_you_mean(march, MARCH_IDS)}"
        )
    if any(tensor.device.type != "cpu" for tensor in module.parameters()):
        raise ValueError(f"{caller} runs on the CPU: move the model and the example inputs there with .cpu()")
    return march


def _table(found: Sequence[Violation]) -> Iterator[str]:
    rows = [("layer", "rule", "value", "limit", "remedy"), *(astuple(violation) for violation in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in (rows[0], tuple("-" * width for width in widths), *rows[1:]):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _print(lines: Any) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
