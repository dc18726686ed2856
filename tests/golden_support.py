"""What all goldens share: how to name marches, call a kernel with plain values, and set a march for a while.

In: the generated package. Out: `run`, which derives and computes one kernel, and `Golden`, a fact that a build must meet.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Protocol

import torch
from torch import Tensor

from horizon_plugin_pytorch._runtime import march as march_state
from horizon_plugin_pytorch.dtype import DTYPES, QuantDType

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
MARCHES = ("bernoulli", "bernoulli2", "bayes", "bayes-e")
COMMON = ""
"""Stands for a march where no march changes anything."""


class Build(Protocol):
    """What a golden asks; `golden.builds` has one of the package on disk, and one made in memory."""

    @property
    def functional(self) -> Any:
        """The module of colour functions."""

    @property
    def color(self) -> Any:
        """The mechanism of colour functions, and `.tables` with the colour spaces."""

    @property
    def presets(self) -> Any:
        """The module of named qconfigs."""

    def kernels(self, march: str) -> Any:
        """The kernels of a march, or for COMMON those of no march."""

    def mode(self, name: str) -> Any:
        """A rounding mode by itself: `.real(x)` and `.shift(x, n=n)`."""

    def at_sites(self, march: str, role: str, sites: Mapping[str, str]) -> Any:
        """A kernel of a march with other rounding modes at some sites."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A fact that no spec generated: `check` raises AssertionError when a build contradicts it.

    Attributes:
        name: Unique, for reports.
        march: The march that it speaks of, or COMMON.
        check: Takes a build.
    """

    name: str
    march: str
    check: Callable[[Build], None]


def run(
    kernels: Any, role: str, dtypes: Mapping[str, QuantDType] = DTYPES, **values: Any
) -> tuple[dict[str, Any], Any]:
    """Derive and compute one kernel from plain values.

    Args:
        kernels: A namespace of kernels.
        role: The kernel.
        dtypes: The dtypes that names stand for.
        values: Every argument of both functions by name: strings are dtypes; floats and lists are tensors (float32 or
            int64), ints of tensors' names too.

    Returns:
        (derived parameters as plain values, result as plain values); a result is None when a tensor is missing.
    """
    derive, compute = getattr(kernels, f"derive_{role}", None), getattr(kernels, role)
    given = {name: _argument(value, dtypes) for name, value in values.items()}
    params: Any = None
    if derive is not None:
        params = derive(**{name: given[name] for name in parameters(derive)})
    needed = [name for name in parameters(compute) if name != "p"]
    if any(name not in given for name in needed):
        return _plain_params(params), None
    for name in needed:
        if isinstance(given[name], int) and not isinstance(given[name], bool) and name in _positional(compute):
            given[name] = torch.tensor(given[name])
    extra = {} if params is None else {"p": params}
    return _plain_params(params), plain(compute(**{name: given[name] for name in needed}, **extra))


def plain(value: Any) -> Any:
    """A tensor as a number or as nested lists of numbers."""
    return value.tolist() if isinstance(value, Tensor) else value


def f32(*values: float) -> Tensor:
    """A float32 tensor: 0-d for one value."""
    return torch.tensor(values[0] if len(values) == 1 else values, dtype=torch.float32)


@contextmanager
def current_march(march: str) -> Iterator[None]:
    """Set the process-wide march for a while."""
    before = march_state.get_march()
    march_state.set_march(march)
    try:
        yield
    finally:
        march_state._Process.march = before


def _plain_params(params: Any) -> dict[str, Any]:
    return {} if params is None else {name: plain(value) for name, value in params._asdict().items()}


def _argument(value: Any, dtypes: Mapping[str, QuantDType]) -> Any:
    if isinstance(value, str):
        return dtypes[value]
    if isinstance(value, (float, list, tuple)):
        tensor = torch.tensor(value)
        return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
    return value


def parameters(function: Any) -> tuple[str, ...]:
    """The names of a function's arguments."""
    code: CodeType = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _positional(function: Any) -> tuple[str, ...]:
    code: CodeType = function.__code__
    return code.co_varnames[: code.co_argcount]


def accepted(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a function has."""
    return {name: arguments[name] for name in parameters(function) if name in arguments}
