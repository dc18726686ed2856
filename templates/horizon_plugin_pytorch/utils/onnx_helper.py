# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/utils/onnx_helper.py
"""ONNX files of QAT models and of converted models; needs the optional extra `onnx`."""

from .._runtime.onnx_export import export_quantized_onnx, export_to_onnx, onnx_gaps

__all__ = ["export_quantized_onnx", "export_to_onnx", "onnx_gaps"]
