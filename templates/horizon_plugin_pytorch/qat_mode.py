# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/qat_mode.py
"""How batch normalization is treated in QAT, and the process-wide tricks of fusing."""

from ._runtime.qat_mode import QATMode, ReLUMode, get_qat_mode, set_qat_mode, tricks

__all__ = ["QATMode", "ReLUMode", "get_qat_mode", "set_qat_mode", "tricks"]
