# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/qconfig_check.py
"""`check_qconfig`: which dtypes the layers of a prepared model have, and which of them are worth a second look.

In: a calibration or QAT model and its arguments. Out: tables of the outputs' and the weights' qconfigs, and of remarks.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from ..._tools import TOOLS
from ..check_model import as_inputs
from ..errors import ArgumentError
from ..observers import FixedScaleObserver
from ..qat_module import QATModule
from ..qtensor import QTensor
from .calls import LayerCall, run_layers
from .layers import settled, type_name
from .parameters import weight_of
from .text_table import draw, say, table_of, write

Check = Callable[[nn.Module, Any, Any], Any]
UNQUANTIZED = "qconfig = None"


def check_qconfig(
    model: nn.Module,
    example_inputs: Any,
    prefixes: tuple[str, ...] = (),
    types: tuple[type, ...] = (),
    custom_check_func: Check | None = None,
    out_dir: str | Path | None = None,
) -> None:
    """Write qconfig_info.txt and print its remarks.

    Args:
        model: a calibration or QAT model. It is copied, not changed.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        prefixes: only layers whose name starts with one of these, or whose class is one of `types`; both empty: all.
        types: see `prefixes`.
        custom_check_func: called with module, input and output of each layer; what it returns, if anything, is a remark.
        out_dir: where the file goes; None: the current directory.

    Raises:
        ArgumentError: the model has no QAT module.
    """
    twin = settled(model, "check_qconfig")
    if not any(isinstance(module, QATModule) for module in twin.modules()):
        raise ArgumentError("check_qconfig takes a calibration or QAT model; this one has no QAT module")
    calls: list[LayerCall] = []
    run_layers(twin, as_inputs(example_inputs), calls.append)
    chosen = [call for call in calls if _is_chosen(call, prefixes, types)]
    outputs = [(call.title, type_name(call.module), *_dtypes(call)) for call in chosen]
    weights = [row for call in chosen if not call.number for row in _weight_row(call)]
    remarks = [
        (call.title, type_name(call.module), text) for call in chosen for text in _remarks(call, custom_check_func)
    ]
    drawn = [
        (table_of("output_qconfig"), draw(table_of("output_qconfig"), outputs)),
        (table_of("weight_qconfig"), draw(table_of("weight_qconfig"), weights)),
        (table_of("unexpected_qconfig"), draw(table_of("unexpected_qconfig"), remarks)),
    ]
    write(out_dir, *drawn)
    say(drawn[-1][1])


def _is_chosen(call: LayerCall, prefixes: tuple[str, ...], types: tuple[type, ...]) -> bool:
    return not (prefixes or types) or call.name.startswith(tuple(prefixes)) or isinstance(call.module, tuple(types))


def _dtypes(call: LayerCall) -> tuple[str, str, str]:
    """(input dtypes, output dtypes, channel axis) as the table shows them."""
    inputs = [str(x.dtype) for x in call.inputs]
    outputs = ", ".join(str(x.dtype) for x in call.outputs)
    own = getattr(call.module, "activation_post_process", None)
    shown = outputs if own is not None or not isinstance(call.module, QATModule) else f"{UNQUANTIZED}, {outputs}"
    axes = [x.q_per_channel_axis() for x in call.outputs if isinstance(x, QTensor)]
    return str(inputs), shown, ", ".join(map(str, axes)) or UNQUANTIZED


def _weight_row(call: LayerCall) -> Iterator[tuple[str, str, str, str]]:
    weight = weight_of(call.module)
    if weight is not None and weight.scale is not None:
        yield call.name, type_name(call.module), weight.dtype, str(weight.ch_axis)


def _remarks(call: LayerCall, custom: Check | None) -> Iterator[str]:
    module, messages = call.module, TOOLS.messages
    fake_quant = getattr(module, "activation_post_process", None)
    inputs = [str(x.dtype) for x in call.inputs if isinstance(x, QTensor)]
    outputs = [str(x.dtype) for x in call.outputs if isinstance(x, QTensor)]
    if isinstance(module, QATModule) and inputs and not outputs and weight_of(module) is not None:
        yield messages.output_not_quantized
    if isinstance(getattr(fake_quant, "activation_post_process", None), FixedScaleObserver):
        scale: Any = fake_quant
        yield messages.fixed_scale.format(scale=scale.scale.tolist())
    weight = weight_of(module)
    if weight is not None and weight.scale is not None and weight.dtype not in TOOLS.expected_weight_dtypes:
        yield messages.weight_dtype.format(dtype=weight.dtype)
    if outputs and any(dtype != outputs[0] for dtype in inputs):
        yield messages.dtype_changes.format(inputs=inputs, output=outputs[0])
    if custom is not None and (said := custom(module, call.arguments[0], call.result)):
        yield str(said)
