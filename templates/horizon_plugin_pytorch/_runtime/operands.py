# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/operands.py
"""What integers are derived for: scales, recognized as objects, and numbers, also where a recorder shows something else.

In: the operands of a derivation. Out: by what they are recognized, and the operands as a derivation takes them.
"""

from typing import Any

import torch
from torch import Tensor

from .qtensor import QTensor
from .recording import as_constant


def identity_of(x: Any) -> float | tuple[int, int]:
    """A scale as an object at a version; a number as itself."""
    if isinstance(x, (int, float)):
        return x
    return int(x) if isinstance(x, torch.SymInt) else (id(x.q_scale()), x.q_scale()._version)


def as_known(x: Any) -> Any:
    """A scaled operand as it is; a number, which is a tensor in `torch.jit.trace` and a symbol in `torch.compile`."""
    if isinstance(x, torch.SymInt):
        return int(x)
    return as_constant(x) if isinstance(x, Tensor) and not isinstance(x, QTensor) else x
