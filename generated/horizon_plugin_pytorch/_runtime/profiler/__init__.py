# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/__init__.py
"""Analysis tools: where a quantized model leaves the float one, and why. The public face is `utils.quant_profiler`."""
