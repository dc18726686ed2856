# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/recording.py
"""While somebody records the operators that a model runs: `torch.jit.trace`, `torch.export`, `torch.compile`, `capture`.

In: the state of torch's recorders. Out: what modules do differently then: they run plain operators only, and integers that
follow from scales are constants of the recorded graph. An exporter puts stand-ins in the place of buffers, from which nothing
can be derived, so there the integers must have been derived before.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._C import _len_torch_dispatch_stack
from torch._ops import _len_torch_dispatch_stack_pre_dispatch
from torch.utils._python_dispatch import _disable_current_modes

_TRACER: Any = torch._C
_REAL = (Tensor, torch.nn.Parameter)

Observe = Callable[[torch.nn.Module, Tensor], None]
"""What lets a fake quantizer observe a stand-in: a node of the graph that will do it."""


class _Capture(threading.local):
    active = False
    observe: Observe | None = None


_CAPTURE = _Capture()


def is_recorded() -> bool:
    """Whether anything looks at what runs, so that it must be plain operators."""
    return _TRACER._get_tracing_state() is not None or torch.compiler.is_compiling() or _CAPTURE.active


def is_exporting() -> bool:
    """Whether `torch.export` or `torch.compile` looks at what runs, and shows stand-ins for buffers."""
    return torch.compiler.is_compiling() and not _CAPTURE.active


def is_tracing() -> bool:
    """Whether `torch.jit.trace` looks at what runs."""
    return _TRACER._get_tracing_state() is not None


@contextmanager
def capturing(observe: Observe | None = None) -> Iterator[None]:
    """Tell modules that operators are recorded, where torch itself does not.

    Args:
        observe: how fake quantizers observe meanwhile; None: by the operators that are recorded.
    """
    before = _CAPTURE.active, _CAPTURE.observe
    _CAPTURE.active, _CAPTURE.observe = True, observe
    try:
        yield
    finally:
        _CAPTURE.active, _CAPTURE.observe = before


def graph_observer() -> Observe | None:
    """How fake quantizers observe in a graph of `torch.compile` that may train; None where none is made."""
    return _CAPTURE.observe


def is_on(switch: Tensor) -> bool:
    """A tensor that says how a module runs: in a recorded graph no datum, but a constant."""
    if not _CAPTURE.active:
        return bool(switch.item())
    with unrecorded():
        return bool(switch.item())


@contextmanager
def deriving(module: object, *scales: Tensor) -> Iterator[None]:
    """Compute the constants of a module, which follow from its tensors and `scales`: no recorder sees what runs here.

    Raises:
        RuntimeError: under an exporter, which leaves nothing to derive them from.
    """
    if is_exporting() or any(type(scale) not in _REAL for scale in scales):
        raise RuntimeError(
            f"{module.__class__.__name__} has not met these scales or sizes yet, and integers cannot be derived while a graph is "
            f"recorded: run the model once with the example inputs before torch.export or torch.compile"
        )
    with torch.no_grad(), unrecorded():
        yield


@contextmanager
def unrecorded() -> Iterator[None]:
    """No recorder sees what runs here."""
    modes = _len_torch_dispatch_stack() or _len_torch_dispatch_stack_pre_dispatch()  # type: ignore[no-untyped-call]
    with _disable_current_modes() if modes else nullcontext(), _untraced():  # it takes longer than small derivations
        yield


@contextmanager
def _untraced() -> Iterator[None]:
    state = _TRACER._get_tracing_state()
    if state is None:  # within a custom operator nothing may be set
        yield
        return
    _TRACER._set_tracing_state(None)
    try:
        yield
    finally:
        _TRACER._set_tracing_state(state)


def as_constant(size: Tensor) -> int:
    """A size, which is a tensor while `torch.jit.trace` looks."""
    with unrecorded():
        return int(size)
