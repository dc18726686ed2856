# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/quantization/misc.py
"""Old location of the QAT mode; use `horizon_plugin_pytorch.qat_mode`."""

from ..qat_mode import QATMode, ReLUMode, get_qat_mode, set_qat_mode, tricks

__all__ = ["QATMode", "ReLUMode", "get_qat_mode", "set_qat_mode", "tricks"]
