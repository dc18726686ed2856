# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/uncompiled.py
"""Modules that `torch.compile` calls as they are: the graph breaks around them.

In: modules whose scales, integers and observers are Python objects. Out: the same, called outside of the compiler, wherever they
stand: in a model of the eager interface, or in one of the user's own. A graph as a whole is compiled: a converted one by
`in_graph`, a prepared one by `qat_in_graph`.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Uncompiled(nn.Module):
    """A module that the compiler does not look into."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As of every module."""
        if torch.compiler.is_dynamo_compiling():
            from .in_graph import apart  # it imports the compiler

            return apart(type(self).__call__, self, *args, **kwargs)
        return super().__call__(*args, **kwargs)


def uncompiled(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that the compiler does not look into."""

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            from .in_graph import apart

            return apart(method, *args, **kwargs)
        return method(*args, **kwargs)

    return run
