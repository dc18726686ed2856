# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/fx/fx_helper.py
"""`wrap`: keep functions, classes and methods out of symbolic tracing."""

from .._runtime.wrap import wrap

__all__ = ["wrap"]
