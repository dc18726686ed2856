# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/nn/__init__.py
"""Modules: float containers (intrinsic), QAT modules (qat), integer modules (quantized)."""

from . import intrinsic, qat, quantized
from .identity import Identity

__all__ = ["Identity", "intrinsic", "qat", "quantized"]
