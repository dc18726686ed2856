# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/qconfig.py
"""QConfigs under their short address; they live in `horizon_plugin_pytorch.quantization.qconfig`."""

from .quantization.qconfig import *  # noqa: F403 - everything that module exports
