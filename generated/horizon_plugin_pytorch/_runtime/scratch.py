# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/scratch.py
"""How much of a tensor torch's operations work on at a time, and memory for it that a thread uses again and again.

In: an element count. Out: memory of this thread, the same at each call, so that it stays in the cache and is not touched anew.
"""

import threading

import torch
from torch import Tensor

PIECE = 1 << 17
"""Elements of a piece for each thread: its few buffers, of 32 bits, stay in a core's cache, and starting threads costs little beside."""


def piece() -> int:
    """Elements of a piece for all threads."""
    return PIECE * torch.get_num_threads()


class _Held(threading.local):
    def __init__(self) -> None:
        self.memory: dict[torch.dtype, Tensor] = {}


_HELD = _Held()


def memory(count: int, dtype: torch.dtype) -> Tensor:
    """At least so many elements, in one row; what is in it holds until the next call of this thread."""
    held = _HELD.memory.get(dtype)
    if held is None or held.numel() < count:
        with torch.inference_mode(False):  # it outlives the caller's mode
            held = _HELD.memory[dtype] = torch.empty(count, dtype=dtype)
    return held
