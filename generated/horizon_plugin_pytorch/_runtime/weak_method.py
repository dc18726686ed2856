# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/weak_method.py
"""Bound methods that do not keep their object.

In: a method of a module. Out: the same for the module to hold itself, without a cycle that would keep it, and its weights, until
the garbage collector comes.
"""

import weakref
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import TypeVar

T = TypeVar("T")


def weakly(method: Callable[..., T]) -> Callable[..., T]:
    """A method as a function that raises ReferenceError once its object is gone."""
    assert isinstance(method, MethodType)
    return partial(method.__func__, weakref.proxy(method.__self__))
