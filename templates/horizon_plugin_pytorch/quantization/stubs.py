# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/stubs.py
"""QuantStub: where float32 enters the quantized region."""

from .._runtime.stubs import QuantStub

__all__ = ["QuantStub"]
