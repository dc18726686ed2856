# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/jit.py
"""Converted models outside of Python modules: TorchScript files, other devices, plain graphs of torch operators."""

from ._runtime.capture import Captured, capture
from ._runtime.script import load, save, to_device

__all__ = ["Captured", "capture", "load", "save", "to_device"]
