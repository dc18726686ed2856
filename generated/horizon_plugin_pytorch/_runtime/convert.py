# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/convert.py
"""`convert_fx`: a calibrated or trained model becomes a model that computes on integers.

In: what `prepare_qat_fx` returned. Out: a graph module of quantized modules in eval mode. Unless `inplace`, all module
objects are new, so the QAT model stays usable; tensors of modules that are not swapped are shared with it.
"""

import warnings
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from .._tables import TABLES
from .bind import bind_scales
from .composite import QATComposite
from .graph_module import GraphModuleWithAttr, ObservedGraphModule, QuantizedGraphModule, become
from .match import GraphView
from .module_tree import swap, swappable
from .place import count_calls
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
    _warn_uncollected(observed)
    model = observed if inplace else observed.structural_clone()
    model.eval()
    made: dict[nn.Module, nn.Module] = {}
    new: dict[str, nn.Module] = {}
    for name, module in swappable(model, TABLES.quantized_modules):
        if getattr(module, "preserve_qat_mode", False):
            continue
        if module not in made:
            made[module] = _quantized_module(name, module)
        new[name] = made[module]
    for module in made.values():
        module.compiles = fast_mode  # type: ignore[assignment]
    swap(model, new)
    for module in model.modules():
        if isinstance(module, QATComposite):
            module.finish_conversion()
    if _remove_qconfig:
        for module in model.modules():
            module.__dict__.pop("qconfig", None)
    converted = become(model, QuantizedGraphModule, model.graph)
    converted.recompile()
    bind_scales(converted)
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


def _quantized_module(name: str, module: nn.Module) -> nn.Module:
    quantized_class: Any = TABLES.quantized_modules[type(module)]
    try:
        made = quantized_class.from_float(module)
    except (NotImplementedError, ValueError, TypeError) as error:
        raise type(error)(f"{name}: {error}") from error
    assert isinstance(made, nn.Module)
    return made


def _warn_uncollected(model: GraphModuleWithAttr) -> None:
    if names := ", ".join(_uncollected(model)):
        warnings.warn(
            f"{names} has not collected any statistics of activations and its scale is 1, please check whether this is "
            f"intended!",
            UserWarning,
            stacklevel=3,
        )


def _uncollected(model: GraphModuleWithAttr) -> Iterator[str]:
    """Name and class of every QAT module in use whose output quantizer still has the scale it was made with."""
    view = GraphView(model.graph, {})
    called = (count_calls(view) + uses_in_wrapped_methods(model)).keys()
    for name, module in swappable(model, TABLES.quantized_modules):
        fake_quant = getattr(module, "activation_post_process", None)
        used = any(name == place or name.startswith(f"{place}.") for place in called)
        waits = _is_optional(model, name)
        if used and not waits and isinstance(fake_quant, FakeQuantizeBase) and _saw_nothing(fake_quant):
            yield f"{name} ({type(module).__name__})"


def _is_optional(model: nn.Module, name: str) -> bool:
    """Whether a module serves an optional input of a composite, which no call may have given."""
    path, _, child = name.rpartition(".")
    parent = model.get_submodule(path)
    return isinstance(parent, QATComposite) and child in parent._OPTIONAL


def _saw_nothing(fake_quant: nn.Module) -> bool:
    """Whether the observer has no data and the scale is still the one it was made with."""
    observer, scale = getattr(fake_quant, "activation_post_process", None), getattr(fake_quant, "scale", None)
    return not getattr(observer, "has_data", True) and isinstance(scale, Tensor) and bool((scale == 1).all())
