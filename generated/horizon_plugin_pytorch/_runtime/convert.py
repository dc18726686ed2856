# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/convert.py
"""`convert_fx`: a calibrated or trained model becomes a model that computes on integers.

In: what `prepare_qat_fx` returned. Out: a graph module of quantized modules in eval mode. Unless `inplace`, all module
objects are new, so the QAT model stays usable; tensors of modules that are not swapped are shared with it.
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from torch import nn
from torch.ao.quantization import FakeQuantizeBase

from .._tables import TABLES
from .composite import QATComposite
from .fake_quant_state import never_observed
from .flat_run import attach
from .graph_module import GraphModuleWithAttr, ObservedGraphModule, QuantizedGraphModule, become
from .match import GraphView
from .module_tree import all_modules, attribute_of, swap, swappable
from .place import count_calls
from .shared_calls import warn_of_shared
from .twins import ClassTable, twins
from .user_input import check_config_dict
from .wrapped_use import uses_in_wrapped_methods


def convert_fx(
    graph_module: nn.Module,
    inplace: bool = False,
    convert_custom_config_dict: dict[str, Any] | None = None,
    _remove_qconfig: bool = True,
    fast_mode: bool = False,
) -> QuantizedGraphModule:
    """Swap every QAT module by its quantized class.

    Args:
        graph_module: the result of `prepare_qat_fx`, calibrated or trained.
        inplace: convert this very object instead of a copy of its structure.
        convert_custom_config_dict: `preserved_attributes` is accepted; all attributes are preserved.
        _remove_qconfig: delete the qconfig attributes.
        fast_mode: run kernels as compiled loops where a C compiler is at hand; the same bits, in a fraction of the time.

    Returns:
        The quantized model, in eval mode. Its graph may be edited and `recompile()`d. Modules with
        `preserve_qat_mode=True` stay QAT modules.

    Raises:
        TypeError: not the result of `prepare_qat_fx`.
        ValueError: the model is already converted.
    """
    check_config_dict(convert_custom_config_dict, "convert_custom_config_dict")
    observed = _checked(graph_module)
    warn_uncollected(_uncollected(observed), stacklevel=3)
    warn_of_shared(observed)
    chosen = dict(convertible(observed, TABLES.quantized_modules))
    model = observed if inplace else observed.structural_clone(chosen.values())
    convert_modules(model, chosen, TABLES.quantized_modules, fast_mode)
    model.eval()
    finish(model, _remove_qconfig)
    converted = become(model, QuantizedGraphModule, model.graph)
    converted.recompile()
    attach(converted)
    return converted


def _checked(model: nn.Module) -> ObservedGraphModule:
    if isinstance(model, QuantizedGraphModule):
        raise ValueError("convert_fx: the model is already converted")  # noqa: TRY004 - the right type, too late
    if not isinstance(model, ObservedGraphModule):
        remedy = "call prepare_qat_fx first"
        if isinstance(model, nn.Module) and any(isinstance(m, FakeQuantizeBase) for m in model.modules()):
            remedy = "it was prepared by the eager interface, so use quantization.convert"
        raise TypeError(f"convert_fx takes the result of prepare_qat_fx, not a {type(model).__name__}: {remedy}")
    return model


def convert_modules(model: nn.Module, chosen: Mapping[str, nn.Module], table: ClassTable, fast_mode: bool) -> None:
    """Swap QAT modules of a model, what `convertible` gives, to their quantized classes, in place."""
    new = twins(chosen.items(), table)
    for part in (part for module in new.values() if fast_mode for part in module.modules()):
        part.compiles = True  # type: ignore[assignment]
    swap(model, new)


def convertible(model: nn.Module, table: ClassTable) -> Iterator[tuple[str, nn.Module]]:
    """The modules that conversion swaps: not those with `preserve_qat_mode`, nor what lies in them."""
    preserved = _preserved(model)
    return ((name, module) for name, module in swappable(model, table) if id(module) not in preserved)


def finish(model: nn.Module, remove_qconfig: bool) -> None:
    """What is left to do once the modules of a model are swapped."""
    preserved = _preserved(model)
    for module in all_modules(model):
        if isinstance(module, QATComposite) and id(module) not in preserved:
            module.finish_conversion()
        if remove_qconfig:
            module.__dict__.pop("qconfig", None)


def _preserved(model: nn.Module) -> set[int]:
    roots = (module for module in all_modules(model) if attribute_of(module, "preserve_qat_mode", False))
    return {id(inner) for root in roots for inner in root.modules()}


def warn_uncollected(layers: Iterable[tuple[str, nn.Module]], stacklevel: int) -> None:
    """One warning that names layers without statistics; `stacklevel` as of `warnings.warn`, seen from the caller."""
    if names := ", ".join(f"{name} ({type(module).__name__})" for name, module in layers):
        warnings.warn(
            f"{names} has not collected any statistics of activations and its scale is 1, please check whether this is "
            f"intended!",
            UserWarning,
            stacklevel=stacklevel,
        )


def _uncollected(model: GraphModuleWithAttr) -> Iterator[tuple[str, nn.Module]]:
    """Every QAT module in use whose output quantizer still has the scale it was made with."""
    swapped = swappable(model, TABLES.quantized_modules)
    waiting = [(name, module) for name, module in swapped if never_observed(module)]
    called = (count_calls(GraphView(model.graph, {})) + uses_in_wrapped_methods(model)).keys() if waiting else ()
    for name, module in waiting:
        if _is_used(name, called) and not _is_optional(model, name):
            yield name, module


def _is_used(name: str, called: Collection[str]) -> bool:
    """Whether a module, or one that it lies in, is called."""
    return any(name == place or name.startswith(f"{place}.") for place in called)


def _is_optional(model: nn.Module, name: str) -> bool:
    """Whether a module serves an optional input of a composite, which no call may have given."""
    path, _, child = name.rpartition(".")
    parent = model.get_submodule(path)
    return isinstance(parent, QATComposite) and child in parent._OPTIONAL
