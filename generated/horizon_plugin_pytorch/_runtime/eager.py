# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/eager.py
"""`prepare_qat` and `convert`: the flow without tracing. The user's own forward runs in every stage.

In: a float model, fused by `fuse_modules`, whose `qconfig` attributes say what is quantized. Out: the same class with its
modules swapped. What the code of a forward computes by functions is seen when it runs, so hybrid mode is a matter of running.
"""

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.ao.quantization import FakeQuantizeBase

from .._tables import TABLES
from .convert import convert_modules, convertible, finish, warn_uncollected
from .fake_quant_state import never_observed
from .graph_module import GraphModuleWithAttr
from .hybrid_run import allow_float_operations, require_quantized_inputs
from .march import require_march
from .module_tree import swappable
from .prepare import check_is_float, prepare_modules, quantized_choices, warn_of_rules
from .qconfig_resolution import resolve
from .twins import ClassTable
from .user_input import did_you_mean

_OPTIMIZE_KEYS = ("opt_types", "module_prefixes", "module_types", "functions", "methods")


def prepare_qat(
    model: nn.Module,
    mapping: ClassTable | None = None,
    inplace: bool = False,
    optimize_graph: bool = False,
    hybrid: bool = False,
    optimize_kwargs: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Swap every module that a `qconfig` attribute covers to its QAT class. Set the march first.

    Args:
        model: a float model with `qconfig` attributes: of itself, of containers, of modules; the innermost holds, and
            None means: not quantized.
        mapping: float class -> QAT class; None: all that there are.
        inplace: change the model itself instead of a deep copy.
        optimize_graph: accepted; scales are never unified.
        hybrid: let modules without a qconfig, and functions without a quantized form, compute in float on dequantized
            values. For accuracy only: such a model is no integer model when it is converted.
        optimize_kwargs: its keys are checked; scales are never unified.

    Returns:
        The prepared model; its `qconfig_report` says what gave which module its qconfig.

    Raises:
        RuntimeError: no march is set.
        TypeError: `model` is no module.
        ValueError: the model is prepared already, or traced; no module has a qconfig; or calibration and QAT presets meet.
        NotImplementedError: an operator that the march does not support.
    """
    require_march("prepare_qat")
    if not isinstance(model, nn.Module):
        raise TypeError(f"prepare_qat takes an nn.Module, not {type(model).__name__}")
    _check_optimize(optimize_kwargs)
    check_is_float(model, "prepare_qat")
    if isinstance(model, GraphModuleWithAttr):
        raise ValueError("prepare_qat takes a model that is not traced; for the result of fuse_fx use prepare_qat_fx")  # noqa: TRY004 - a module, but of the other flow
    own = model if inplace else copy.deepcopy(model)
    choices, report = resolve(own, (), mapping or TABLES.qat_modules)
    quantized = quantized_choices(choices, "set model.qconfig before prepare_qat")
    warn_of_rules(own, report)
    prepare_modules(own, quantized, mapping or TABLES.qat_modules)
    own.qconfig_report = report  # type: ignore[assignment]  # an attribute that is no tensor
    if hybrid:
        allow_float_operations(own)
    return own


def convert(
    module: nn.Module,
    mapping: ClassTable | None = None,
    inplace: bool = False,
    remove_qconfig: bool = True,
    fast_mode: bool = False,
) -> nn.Module:
    """Swap every QAT module by its quantized class.

    Args:
        module: the result of `prepare_qat`, calibrated or trained.
        mapping: QAT class -> quantized class; None: all that there are.
        inplace: change the model itself instead of a deep copy.
        remove_qconfig: delete the qconfig attributes.
        fast_mode: as of `convert_fx`.

    Returns:
        The quantized model in eval mode. Modules with `preserve_qat_mode=True` stay QAT modules.

    Raises:
        TypeError: not the result of `prepare_qat`.
    """
    if isinstance(module, GraphModuleWithAttr):
        raise TypeError("convert takes the result of prepare_qat; for that of prepare_qat_fx use convert_fx")
    if not isinstance(module, nn.Module) or not any(isinstance(m, FakeQuantizeBase) for m in module.modules()):
        raise TypeError(
            f"convert takes the result of prepare_qat, not a {type(module).__name__}: call prepare_qat first"
        )
    own = module if inplace else copy.deepcopy(module)
    own.eval()
    layers = swappable(own, TABLES.quantized_modules)
    warn_uncollected(((name, layer) for name, layer in layers if never_observed(layer)), stacklevel=3)
    table = mapping or TABLES.quantized_modules
    convert_modules(own, dict(convertible(own, table)), table, fast_mode)
    finish(own, remove_qconfig)
    require_quantized_inputs(own)
    return own


def _check_optimize(optimize_kwargs: Mapping[str, Any] | None) -> None:
    for key in optimize_kwargs or {}:
        if key not in _OPTIMIZE_KEYS:
            near = did_you_mean(str(key), _OPTIMIZE_KEYS)
            raise ValueError(f"optimize_kwargs has the unknown key {key!r}; known: {', '.join(_OPTIMIZE_KEYS)}{near}")
