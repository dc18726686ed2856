# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/stubs.py
"""Stubs: where float32 enters the quantized region, and where it leaves it again."""

from torch.ao.quantization import DeQuantStub

from .._runtime.stubs import QuantStub

__all__ = ["DeQuantStub", "QuantStub"]
