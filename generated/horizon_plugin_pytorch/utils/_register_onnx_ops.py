# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/utils/_register_onnx_ops.py
"""Imported for its effect before `torch.onnx.export`; there is none: models export with standard operators only."""
