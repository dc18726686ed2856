# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/utils/__init__.py
"""Helpers around the flow."""

from . import fx_helper, onnx_helper, quant_profiler

__all__ = ["fx_helper", "onnx_helper", "quant_profiler"]
