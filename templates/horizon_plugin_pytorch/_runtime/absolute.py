# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/absolute.py
"""The absolute value with a choice of what becomes of the lowest integer, which has no positive counterpart.

In: a tensor or QTensor. Out: the same kind; a QTensor keeps its scale.
"""

import torch
from torch import Tensor

from ..kernels import load
from .errors import ArgumentError
from .march import require_march
from .qtensor import QTensor


def absolute(x: Tensor, overflow_mode: str = "saturate") -> Tensor:
    """|x|.

    Args:
        x: any tensor; of a QTensor integers or fake-quantized values.
        overflow_mode: "saturate": |-128| of int8 is 127; "trunc": it stays -128, as two's complement wraps.

    Raises:
        ArgumentError: another mode.
        NotImplementedError: the march takes no absolute value of this dtype.
    """
    if overflow_mode not in {"saturate", "trunc"}:
        raise ArgumentError(f"abs: overflow_mode is 'saturate' or 'trunc', not {overflow_mode!r}")
    saturated = torch.abs(x)
    if overflow_mode == "saturate" or not isinstance(x, QTensor):
        return saturated
    wrapped = load(require_march("abs")).abs_wrapped(x.int_repr(), input=x.dtype)
    if x.is_quantized:
        return QTensor(wrapped, x.q_scale(), x.dtype, x.q_per_channel_axis())
    lowest = wrapped < 0
    values = torch.where(lowest, wrapped * x.q_scale().detach(), saturated.as_subclass(Tensor))
    return QTensor(values, x.q_scale(), x.dtype, x.q_per_channel_axis())
