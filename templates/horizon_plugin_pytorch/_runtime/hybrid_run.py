# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/hybrid_run.py
"""Hybrid mode of models that are not traced: what is not quantized computes in float while the model runs.

In: a prepared or converted model. Out: the same model with hooks. Inside of its forward a function that has no quantized
form, or a float layer, works on dequantized values; the way back into the integers needs a stub, which a hook says.
"""

from typing import Any

from torch import Tensor, nn

from .dispatch import float_region
from .errors import ArgumentError
from .locate import calling_place
from .qtensor import QTensor
from .quantized_module import QuantizedModule


def allow_float_operations(model: nn.Module) -> None:
    """Let everything that has no quantized form compute on dequantized values inside of the model's forward."""
    model.register_forward_pre_hook(_enter)
    model.register_forward_hook(_leave, always_call=True)


def require_quantized_inputs(model: nn.Module) -> None:
    """Let each quantized module of a hybrid model refuse float inputs, by its name and with the remedy."""
    if _enter not in model._forward_pre_hooks.values():
        return
    for module in model.modules():
        if isinstance(module, QuantizedModule) and not module.takes_float:
            module.register_forward_pre_hook(_refuse_float)


def _enter(module: nn.Module, args: Any) -> None:
    float_region(1)


def _leave(module: nn.Module, args: Any, output: Any) -> None:
    float_region(-1)


def _refuse_float(module: nn.Module, args: tuple[Any, ...]) -> None:
    if any(isinstance(x, Tensor) and x.is_floating_point() and not isinstance(x, QTensor) for x in args):
        raise ArgumentError(
            f"{calling_place() or type(module).__name__}: a quantized layer was given the output of a float layer; put "
            f"a QuantStub between them before the model is prepared"
        )
