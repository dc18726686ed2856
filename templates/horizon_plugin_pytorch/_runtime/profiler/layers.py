# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/layers.py
"""The layers of a model in any stage: what the tools look at.

In: a float, calibration, QAT or converted model. Out: its layers by qualified name, and a copy in which tools may work.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from ..._tables import TABLES
from ..errors import ArgumentError
from ..fake_quant_state import FakeQuantState, set_fake_quantize
from ..functional_module import FunctionalModule
from ..fuse import fuse_fx
from ..fused_module import FusedModule
from ..graph_module import GraphModuleWithAttr
from ..module_copy import copy_model
from ..prepare import is_prepared
from ..qat_module import QATModule
from ..qtensor import QTensor
from ..quantized_module import QuantizedModule

_METHOD_MODULES: tuple[type[nn.Module], ...] = (FunctionalModule, *TABLES.leaf_method_modules)
_SWAPPED = frozenset({*TABLES.qat_modules, *TABLES.qat_modules.values(), *TABLES.quantized_modules.values()})


def layers_of(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(qualified name, module) of every layer, each module once, in the order of registration.

    A layer is a module of the flow's tables or one without children. What a module computes with (fake quantizers, the
    parts of a fused module or of a layer of torch.nn) is no layer.
    """
    seen: set[nn.Module] = set()

    def walk(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        for attribute, child in module._modules.items():
            if child is None or child in seen or isinstance(child, FakeQuantizeBase):
                continue
            seen.add(child)
            name = prefix + attribute
            inner = () if is_used_by_methods(child) or _is_whole(child) else tuple(walk(f"{name}.", child))
            if not inner or type(child) in _SWAPPED:
                yield name, child
            yield from inner

    yield from walk("", model)


def _is_whole(module: nn.Module) -> bool:
    """Whether the children of a module are its own business."""
    home = type(module).__module__
    of_torch = home.startswith(("torch.nn.", "torch.ao.nn.")) and not home.endswith(".container")
    return of_torch or isinstance(module, FusedModule)


def is_used_by_methods(module: nn.Module) -> bool:
    """Whether methods of a module are called, not the module itself."""
    return isinstance(module, _METHOD_MODULES)


def is_quantized(model: nn.Module) -> bool:
    """Whether a model holds a layer that quantizes or computes on integers."""
    return any(isinstance(module, QATModule | QuantizedModule) for module in model.modules())


def type_name(module: nn.Module | type[nn.Module]) -> str:
    """Full name of a module's class, as the tables show it."""
    cls = module if isinstance(module, type) else type(module)
    original = getattr(cls, "_original", None)
    cls = original if isinstance(original, type) else cls
    return f"{cls.__module__}.{cls.__qualname__}"


def short_type(module: nn.Module) -> str:
    """The class of a module and, where two stages have classes of one name, the stage."""
    stage = "qat." if isinstance(module, QATModule) else "quantized." if isinstance(module, QuantizedModule) else ""
    return f"{stage}{type(module).__name__}"


def settled(model: nn.Module, caller: str) -> nn.Module:
    """A copy in evaluation mode that observes nothing; a model that is being calibrated quantizes, as it will later.

    Raises:
        ArgumentError: not a module, or a trace, which has no layers any more.
    """
    if isinstance(model, torch.jit.ScriptModule) or not isinstance(model, nn.Module):
        raise ArgumentError(f"{caller} takes a model with its layers, not a {type(model).__name__}")
    twin, _ = copy_model(model, caller)  # which shares the parameters: nothing here changes them
    twin.eval()
    quantizers = [module for module in twin.modules() if isinstance(module, FakeQuantizeBase)]
    observing = any(bool(q.observer_enabled[0]) for q in quantizers)
    if observing and not any(bool(q.fake_quant_enabled[0]) for q in quantizers):
        set_fake_quantize(twin, FakeQuantState.VALIDATION)
    for quantizer in quantizers:
        quantizer.disable_observer()
    return twin


def aligned(model: nn.Module, other: nn.Module) -> nn.Module:
    """`model`, fused where `other` is, so that layers of one name compute the same."""
    if isinstance(model, GraphModuleWithAttr) or not isinstance(other, GraphModuleWithAttr) or is_prepared(model):
        return model
    return fuse_fx(model)


def values(x: Tensor) -> Tensor:
    """The float values of a tensor, detached."""
    plain = x.dequantize() if isinstance(x, QTensor) else x
    return plain.detach()


def with_tensors(value: Any, given: Iterator[Tensor]) -> Any:
    """A value (nested lists, tuples, dicts) with its tensors, in order, replaced by the given ones."""
    if isinstance(value, Tensor):
        return next(given)
    if isinstance(value, dict):
        return {key: with_tensors(item, given) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(with_tensors(item, given) for item in value))
    return type(value)(with_tensors(item, given) for item in value) if isinstance(value, list | tuple) else value
