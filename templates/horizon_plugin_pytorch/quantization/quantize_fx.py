# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/quantize_fx.py
"""The FX flow: fuse, prepare, convert."""

from .._runtime.convert import convert_fx
from .._runtime.fuse import fuse_fx
from .._runtime.prepare import prepare_qat_fx

__all__ = ["convert_fx", "fuse_fx", "prepare_qat_fx"]
