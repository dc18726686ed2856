# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/march.py
"""The current march: which hardware generation models are prepared for.

In: what the user calls `set_march` with. Out: the march for whatever is built afterwards; what is built keeps the march
it was built with. It is process-global, as the API documents it, and None until it is set.
"""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from .user_input import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")


class _Process:
    march: str | None = None


def set_march(march: str) -> None:
    """Set the march for everything that is prepared, converted or checked from now on.

    Args:
        march: a constant of `March`, or its value.

    Raises:
        TypeError: not a string.
        ValueError: not a known march.
    """
    from .._marches import MARCH_IDS

    if not isinstance(march, str):
        raise TypeError(f"set_march takes a march's name, not {type(march).__name__}; known: {', '.join(MARCH_IDS)}")
    if march not in MARCH_IDS:
        near = did_you_mean(march.lower(), MARCH_IDS)
        raise ValueError(f"unknown march {march!r}; known: {', '.join(MARCH_IDS)}{near}")
    _Process.march = march


def get_march() -> str | None:
    """The current march; None until `set_march` is called."""
    return _Process.march


def require_march(caller: str) -> str:
    """The current march.

    Args:
        caller: what needs the march, for the message.

    Raises:
        RuntimeError: no march is set.
    """
    if _Process.march is None:
        from .._marches import MARCH_IDS

        known = ", ".join(repr(march) for march in MARCH_IDS)
        raise RuntimeError(f"{caller} needs a march: call set_march(...) first, with one of {known}")
    return _Process.march


def with_march(func: Callable[P, R]) -> Callable[P, R]:
    """Pass the current march as the last parameter of `func` where the caller leaves that out."""
    signature = inspect.signature(func)
    last = tuple(signature.parameters)[-1]

    @functools.wraps(func)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if last not in signature.bind_partial(*args, **kwargs).arguments:
            kwargs[last] = require_march(func.__qualname__)
        return func(*args, **kwargs)

    return wrapper
