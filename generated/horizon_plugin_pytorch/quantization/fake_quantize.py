# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/fake_quantize.py
"""Fake quantizers and their states."""

from .._runtime.fake_quant_state import FakeQuantState, freeze_activation_scale, set_fake_quantize
from .._runtime.fake_quantize import FakeQuantize
from .._runtime.learnable import PACTFakeQuantize, _LearnableFakeQuantize

__all__ = [
    "FakeQuantState",
    "FakeQuantize",
    "PACTFakeQuantize",
    "_LearnableFakeQuantize",
    "freeze_activation_scale",
    "set_fake_quantize",
]
