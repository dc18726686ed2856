# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/composite_functions.py
"""What graphs of composites call beside their children: functions that select or move elements.

In: plain tensors or QTensors. Out: the same kind, with the scale of the input.
"""

from torch import Tensor, nn

from .qat_module import like, raw


def largest(x: Tensor, dim: int) -> Tensor:
    """The largest value along a dimension, which stays with size 1."""
    return like(x, raw(x).amax(dim, keepdim=True))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[N, L, heads * D] -> [N * heads, L, D]."""
    data = raw(x)
    n, length, _ = data.shape
    return like(x, data.reshape(n, length, heads, -1).transpose(1, 2).reshape(n * heads, length, -1))


def group_heads(x: Tensor, heads: int) -> Tensor:
    """[N * heads, L, S] -> [N, heads, L, S]."""
    data = raw(x)
    return like(x, data.reshape(-1, heads, *data.shape[1:]))


def merge_heads(x: Tensor, heads: int) -> Tensor:
    """[N * heads, L, D] -> [N, L, heads * D]."""
    data = raw(x)
    rows, length, _ = data.shape
    return like(x, data.reshape(rows // heads, heads, length, -1).transpose(1, 2).reshape(rows // heads, length, -1))


def refuse(module: nn.Module, argument: str, value: object) -> None:
    """Raise ValueError for an argument that has no integer form, unless it is None."""
    if value is not None:
        raise ValueError(f"{type(module).__name__}: {argument}={value!r} has no integer form; only {argument}=None has")
