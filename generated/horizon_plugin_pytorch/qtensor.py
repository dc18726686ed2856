# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/qtensor.py
"""QTensor: a tensor that carries its scale and its quantized dtype."""

from ._runtime.qtensor import QTensor

__all__ = ["QTensor"]
