# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/recording.py
"""While somebody records the operations of a converted model: `torch.jit.trace`, `torch.export`, `torch.compile`.

In: the state of torch's recorders. Out: what modules do differently then. Integers that follow from scales are constants of
the recorded graph, so they must have been derived before: an exporter puts stand-ins in the place of buffers, from which
nothing can be derived.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_TRACER: Any = torch._C


def is_recording() -> bool:
    """Whether `torch.export` or `torch.compile` looks at what runs."""
    return torch.compiler.is_compiling()


def is_tracing() -> bool:
    """Whether `torch.jit.trace` looks at what runs."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


@contextmanager
def deriving(module: object) -> Iterator[None]:
    """Compute the constants of a module: `torch.jit.trace` does not see what runs here.

    Raises:
        RuntimeError: under an exporter, which leaves nothing to derive them from.
    """
    if is_recording():
        raise RuntimeError(
            f"{type(module).__name__} has not met these scales or sizes yet, and integers cannot be derived while a graph is "
            f"recorded: run the model once with the example inputs before torch.export or torch.compile"
        )
    with torch.no_grad(), _unseen():
        yield


@contextmanager
def _unseen() -> Iterator[None]:
    state = _TRACER._get_tracing_state()
    _TRACER._set_tracing_state(None)
    try:
        yield
    finally:
        _TRACER._set_tracing_state(state)


def as_constant(size: Tensor) -> int:
    """A size, which is a tensor while `torch.jit.trace` looks."""
    with _unseen():
        return int(size)
