# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/prepare.py
"""`prepare_qat_fx`: a float model becomes a model for calibration or QAT.

In: a float model, or what `fuse_fx` made of it, and the user's qconfigs. Out: a copy in which every module with a QAT
class and a qconfig is an instance of that class; parameters, device and mode are the model's.
"""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn
from torch.ao.quantization import FakeQuantizeBase

from .._tables import TABLES
from .fuse import fused_copy
from .graph_module import GraphModuleWithAttr, ObservedGraphModule, QuantizedGraphModule, become
from .host import HostModule
from .hybrid import insert_stubs, parse_cpu_rules, quantized_side
from .march import require_march
from .module_tree import all_modules, named_modules, swap
from .qconfig_resolution import Choice, QConfigReport, check_stages, parse_rules, qconfig_at, resolve
from .recognize import replace_recognized
from .shared_calls import watch_shared
from .support import require_operator
from .twins import ClassTable, twins
from .unconverted import unconverted
from .user_input import check_config_dict


def prepare_qat_fx(
    model: nn.Module,
    qconfig_dict: dict[str, Any] | None = None,
    prepare_custom_config_dict: dict[str, Any] | None = None,
    optimize_graph: bool = False,
    hybrid: bool = False,
    hybrid_dict: dict[str, Any] | None = None,
) -> ObservedGraphModule:
    """Trace, replace, fuse and swap to QAT modules. Set the march first.

    Args:
        model: a float model or a fused graph module. It is copied, not changed.
        qconfig_dict: "" (all modules), "module_type" (pairs of class and qconfig) and "module_name" (pairs or a dict
            of qualified name and qconfig; a name covers what lies in it). A qconfig of None means: not quantized.
            None: only `qconfig` attributes count, of the model and its modules.
        prepare_custom_config_dict: `preserved_attributes` is accepted; all attributes are preserved.
        optimize_graph: accepted; scales are never unified.
        hybrid: keep on the CPU, in float, what `hybrid_dict` names and what the march does not support, with stubs where
            values change sides. Such a model is for accuracy only: no BPU computes all of it.
        hybrid_dict: "module_type" (classes) and "module_name" (a name covers what lies in it) of what stays on the CPU.

    Returns:
        The prepared model; its `qconfig_report` says which rule gave which module its qconfig.

    Raises:
        RuntimeError: no march is set.
        ValueError: the model is prepared already, no module has a qconfig, calibration and QAT presets are mixed, or an
            unknown key.
        TypeError: an argument of the wrong type.
        NotImplementedError: an operator that the march does not support, without `hybrid`.
    """
    march = require_march("prepare_qat_fx")
    if hybrid_dict is not None and not hybrid:
        raise ValueError("prepare_qat_fx: hybrid_dict has an effect with hybrid=True only")
    if not isinstance(model, nn.Module):
        raise TypeError(f"prepare_qat_fx takes an nn.Module, not {type(model).__name__}")
    check_config_dict(prepare_custom_config_dict, "prepare_custom_config_dict")
    rules = parse_rules(qconfig_dict)
    check_is_float(model, "prepare_qat_fx")
    fused = fused_copy(model)
    replace_recognized(fused)
    choices, report = resolve(fused, rules, TABLES.qat_modules)
    quantized = quantized_choices(choices, 'pass prepare_qat_fx(model, {"": qconfig}) or set model.qconfig')
    if hybrid:
        quantized = quantized_side(fused, quantized, parse_cpu_rules(fused, hybrid_dict), march)
        quantized |= insert_stubs(fused, quantized, partial(qconfig_at, fused, rules))
    else:
        _check_host_modules(fused, march)
    warn_of_rules(fused, report)
    for text in () if hybrid else unconverted(fused, quantized):
        warnings.warn(text, UserWarning, stacklevel=2)
    prepare_modules(fused, quantized, TABLES.qat_modules)
    observed = become(fused, ObservedGraphModule, fused.graph)
    observed.recompile()
    watch_shared(observed)
    observed.qconfig_report = report
    return observed


def quantized_choices(choices: Mapping[str, Choice], remedy: str) -> dict[str, Choice]:
    """The choices that quantize.

    Raises:
        ValueError: there is none, which `remedy` helps against, or presets for calibration and for QAT meet.
    """
    check_stages(choices)
    quantized = {name: choice for name, choice in choices.items() if choice.qconfig is not None}
    if not quantized:
        raise ValueError(f"no module of the model has a qconfig: {remedy}")
    return quantized


def prepare_modules(model: nn.Module, quantized: Mapping[str, Choice], table: ClassTable) -> None:
    """Swap the chosen modules to their QAT classes, in place."""
    modules = {name: model.get_submodule(name) for name in quantized}
    for name, module in reversed(modules.items()):  # of a module with several names the first choice holds
        module.qconfig = quantized[name].qconfig
    swap(model, twins(modules.items(), table))


def _check_host_modules(fused: GraphModuleWithAttr, march: str) -> None:
    """Raise NotImplementedError when the model holds a host operator that the march's tools do not have."""
    if not any(isinstance(module, HostModule) for module in all_modules(fused)):
        return
    for name, module in fused.named_modules():
        if isinstance(module, HostModule):
            require_operator(module._OP, march, f"{name}: {type(module).__name__}")


def check_is_float(model: nn.Module, caller: str) -> None:
    """Raise ValueError when a model was prepared or converted before, by this interface or the eager one."""
    if isinstance(model, QuantizedGraphModule):
        raise ValueError(f"{caller} takes a float model; this one is already converted")  # noqa: TRY004 - right type
    qat = set(TABLES.qat_modules.values()) - TABLES.qat_modules.keys()
    integer = set(TABLES.quantized_modules.values()) - TABLES.qat_modules.keys() - qat - {TABLES.identity}
    for name, module in named_modules(model):
        if type(module) in integer:
            raise ValueError(f"{caller} takes a float model; {name!r} is a quantized {type(module).__name__} already")
        if type(module) in qat or isinstance(module, FakeQuantizeBase | ObservedGraphModule):
            raise ValueError(
                f"{caller} takes a float model, but this one is already prepared: {name!r} is a {_path(type(module))}. "
                f"Eager and FX interfaces must not be mixed: prepare the float model"
            )


def is_prepared(model: nn.Module) -> bool:
    """Whether a model holds at least one QAT or quantized module."""
    swapped = {*TABLES.qat_modules.values(), *TABLES.quantized_modules.values()} - {
        TABLES.identity,
        *TABLES.qat_modules,
    }
    return any(type(module) in swapped for module in model.modules())


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def warn_of_rules(model: nn.Module, report: QConfigReport) -> None:
    """Warn of rules that match nothing, and of classes that look as if they were quantized and are not."""
    if report.unmatched:
        warnings.warn(
            f"qconfig_dict has rules that match nothing in the model: {', '.join(report.unmatched)}",
            UserWarning,
            stacklevel=3,
        )
    bases = {cls: _swapped_base(cls) for cls in set(map(type, all_modules(model)))}
    for name, module in model.named_modules() if any(bases.values()) else ():
        if name and (base := bases[type(module)]) is not None:
            warnings.warn(
                f"{name!r} is a {type(module).__name__}, a sub-class of {base.__name__}: classes are matched exactly, "
                f"so it is not quantized and stays float. Hold a {base.__name__} in a module of your own instead",
                UserWarning,
                stacklevel=3,
            )


def _swapped_base(cls: type[nn.Module]) -> type[nn.Module] | None:
    """The class with a QAT form that a user's class derives from, if that has none itself."""
    if cls in TABLES.qat_modules or cls.__module__.startswith("torch."):
        return None
    return next((base for base in cls.__mro__[1:] if base in TABLES.qat_modules), None)
