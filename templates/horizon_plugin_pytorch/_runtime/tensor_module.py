# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/tensor_module.py
"""Modules that are a tensor function, and tensor functions that are a module.

In: a module with a row of its own whose computation a QTensor's function already has, or the other way round. Out: the
result on the input's grid. Both directions exist so that neither is written twice.
"""

import functools
from typing import Any

from torch import Tensor

from .dispatch import rule_of
from .fake_quantize import FakeQuantize
from .march import require_march
from .observers import FixedScaleObserver
from .qconfig import QConfig
from .qtensor import QTensor
from .recording import is_recorded
from .tables import Replacement
from .tensor_call import Call, Function

_MOST_KEPT = 64
_KEPT: dict[tuple[str, int, int, str], tuple[Tensor, Any]] = {}
"""Modules that stand for functions, by operator, scale and settings, with the scale, so that its id stays its own."""


def on_grid(function: Function, *args: Any) -> Any:
    """A function with the behaviour that it has on QTensors, for a module whose own row says where it is supported."""
    tensor = args[0]
    if not isinstance(tensor, QTensor):
        return function(*args)
    rule, behaviour = rule_of(function)
    assert behaviour is not None, "a module's function has a rule"
    return behaviour(Call(type(tensor), rule, function, args, {}))


def as_module(call: Call) -> Any:
    """Run the module that stands for the function, with the input's scale where it needs one for its output."""
    source, replacement = call.one_scale(), _replacement(call.rule.op)
    data, constructor = _sorted_arguments(call, replacement)
    scale = source.q_scale()
    settings = tuple(sorted(constructor.items())), str(source.dtype), source.is_quantized, require_march(call.rule.op)
    key = (call.rule.op, id(scale), scale._version, repr(settings))
    if is_recorded() or any(isinstance(value, Tensor) for value in constructor.values()):
        return _made(source, replacement, constructor)(*data)
    if key not in _KEPT:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = (scale, _made(source, replacement, constructor))
    return _KEPT[key][1](*data)


@functools.cache
def _replacement(op: str) -> Replacement:
    from .._tables import TABLES

    return next(row for row in TABLES.replacements if row.op == op)


def _made(source: QTensor, replacement: Replacement, constructor: dict[str, Any]) -> Any:
    """The module, quantized where the data are."""
    from .._tables import TABLES

    float_module: Any = replacement.module(**constructor).eval()
    float_module.qconfig = _fixed(source)
    module: Any = TABLES.qat_modules[type(float_module)].from_float(float_module)  # type: ignore[attr-defined]
    if not source.is_quantized:
        return module
    return TABLES.quantized_modules[type(module)].from_float(module)  # type: ignore[attr-defined]


def _sorted_arguments(call: Call, replacement: Replacement) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(data, arguments of the module's constructor)."""
    keywords = dict(call.kwargs)
    named = [key for key, value in keywords.items() if isinstance(value, Tensor)]
    args = (*call.args, *(keywords.pop(key) for key in named[: max(replacement.data_args - len(call.args), 0)]))
    data, rest = args[: replacement.data_args], args[replacement.data_args :]
    return data, {**dict(zip(replacement.constructor_args, rest, strict=False)), **keywords}


def _fixed(x: QTensor) -> QConfig:
    """A qconfig whose outputs have the scale and dtype of a tensor."""
    fake_quant = FakeQuantize.with_args(observer=FixedScaleObserver, scale=x.q_scale().detach(), dtype=x.dtype)
    return QConfig(activation=fake_quant, weight=None)
