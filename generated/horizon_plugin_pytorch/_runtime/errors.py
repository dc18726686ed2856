# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/errors.py
"""Errors of the public API whose type callers may rely on.

In: nothing. Out: exception classes. A documented assertion is raised as a class that is both an AssertionError (what
existing scripts catch) and a ValueError (what it is), and it is raised under `python -O` too.
"""


class ArgumentError(AssertionError, ValueError):
    """An argument that the API's documentation forbids; the message names the argument and the remedy."""


class CompilerUnavailableError(RuntimeError):
    """A function of the vendor's compiler was called; the message says what to do."""


class DataDependentError(RuntimeError):
    """A graph was to be recorded of a model that asks for the values of tensors; the message names the operator."""
