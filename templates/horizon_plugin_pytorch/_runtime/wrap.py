# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/wrap.py
"""`wrap`: code that tracing keeps as one call instead of looking inside.

In: a function, a method, a module class or the name of a builtin. Out: the same thing, which records itself as one node
when a traced value is passed to it and runs as usual otherwise. A builtin, and a function that was wrapped where it is
used and not where it is defined, are only noted here; the tracer replaces them while it traces.
"""

import builtins
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from torch import fx, nn

T = TypeVar("T")

_LEAF_CLASS = "_fx_leaf_class"
_SKIP_COMPILE = "_fx_skip_compile"


@runtime_checkable
class LeafMethodTracer(Protocol):
    """A tracer that can record a call of a module's method as one node."""

    def call_leaf_method(self, owner: nn.Module, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the call."""


# what `wrap` was given and the tracer has to replace; a registry lives as long as the functions in it
_noted_builtins: list[tuple[dict[str, Any], str]] = []
_noted_functions: list[FunctionType] = []


def wrap(skip_compile: bool = False) -> Callable[[T], T]:
    """Keep a piece of code out of tracing: `@wrap()` on it, or `wrap()(it)`.

    A wrapped method stays a method: the graph calls it on the module it belongs to, the sub-modules it uses are found,
    get their qconfig and are swapped; fusing and replacing do not look inside. A wrapped module class is a leaf, and so
    are all methods defined in it.

    Args:
        skip_compile: mark the piece as one that is not compiled.

    Returns:
        A decorator. It raises ValueError for a string that names no builtin, RuntimeError for anything that is not a
        string, a function or a module class.
    """
    if not isinstance(skip_compile, bool):  # the old form: wrap(obj)
        warnings.warn("wrap(obj) is the old form; write wrap()(obj) or @wrap()", DeprecationWarning, stacklevel=2)
        return cast("Callable[[T], T]", _mark(skip_compile, False, _caller_globals()))

    def decorate(target: T) -> T:
        return cast("T", _mark(target, skip_compile, _caller_globals()))

    return decorate


def _caller_globals() -> dict[str, Any]:
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame else None
    return frame.f_globals if frame else {}


def _mark(target: object, skip_compile: bool, caller_globals: dict[str, Any]) -> object:
    if isinstance(target, str):
        if not callable(getattr(builtins, target, None)):
            raise ValueError(f"wrap({target!r}): a string must name a Python builtin function, such as 'len'")  # noqa: TRY004 - documented
        _noted_builtins.append((caller_globals, target))
        return target
    if isinstance(target, staticmethod):
        return staticmethod(_mark_function(target.__func__, skip_compile))
    if isinstance(target, FunctionType):
        return _mark_function(target, skip_compile)
    if isinstance(target, type) and issubclass(target, nn.Module):
        return _mark_class(target, skip_compile)
    raise RuntimeError(f"Wrap arg must be a str or function or class (of a module), not {target!r}")


def _mark_function(function: Any, skip_compile: bool) -> Callable[..., Any]:
    if isinstance(function, FunctionType):
        _noted_functions.append(function)
    leaf = leaf_call(function)
    setattr(leaf, _SKIP_COMPILE, skip_compile)
    return leaf


def _mark_class(cls: type[nn.Module], skip_compile: bool) -> type[nn.Module]:
    """A leaf is never traced, so forward needs no mark; what others call on it does."""
    for name, value in tuple(vars(cls).items()):
        if isinstance(value, FunctionType) and name != "forward" and not name.startswith("__"):
            setattr(cls, name, leaf_call(value))
    setattr(cls, _LEAF_CLASS, True)
    setattr(cls, _SKIP_COMPILE, skip_compile)
    return cls


def is_leaf_class(cls: type[nn.Module]) -> bool:
    """Whether `cls`, or a class it derives from, was wrapped."""
    return bool(getattr(cls, _LEAF_CLASS, False))


def leaf_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, except that a call with a traced value is recorded as one node."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        proxy = find_proxy((args, kwargs))
        return function(*args, **kwargs) if proxy is None else _record(call, proxy, args, kwargs)

    return call


def _record(call: Callable[..., Any], proxy: fx.Proxy, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    owner = args[0] if args else None
    if not isinstance(owner, nn.Module):
        return proxy.tracer.create_proxy("call_function", call, args, kwargs)
    if not isinstance(proxy.tracer, LeafMethodTracer):
        return vars(call)["__wrapped__"](*args, **kwargs)  # another tracer looks inside, as it would without wrap
    if _is_method(type(owner), call):
        return proxy.tracer.call_leaf_method(owner, call.__name__, args[1:], kwargs)
    return proxy.tracer.create_proxy("call_function", call, args, kwargs)


def _is_method(cls: type[nn.Module], call: Callable[..., Any]) -> bool:
    """Whether calling the method of that name on an instance runs `call`, and not an override of it."""
    found = inspect.getattr_static(cls, call.__name__, None)
    return isinstance(found, FunctionType) and inspect.unwrap(found, stop=lambda f: f is call) is call


def find_proxy(value: object) -> fx.Proxy | None:
    """The first traced value in an argument structure, or None."""
    if isinstance(value, fx.Proxy):
        return value
    items: tuple[object, ...] = ()
    if isinstance(value, dict):
        items = tuple(value.values())
    elif isinstance(value, list | tuple):
        items = tuple(value)
    elif isinstance(value, slice):
        items = (value.start, value.stop, value.step)
    return next((proxy for item in items if (proxy := find_proxy(item)) is not None), None)


def noted_functions() -> tuple[Callable[..., Any], ...]:
    """The functions given to `wrap`, as they were defined."""
    return tuple(_noted_functions)


@contextmanager
def noted_names_replaced() -> Iterator[None]:
    """While open, noted builtins and functions record themselves under the names they are called by."""
    undo: list[tuple[dict[str, Any], str, Any]] = []
    missing = object()
    for namespace, name in _noted_places():
        undo.append((namespace, name, namespace.get(name, missing)))
        namespace[name] = leaf_call(namespace[name] if name in namespace else getattr(builtins, name))
    try:
        yield
    finally:
        for namespace, name, value in reversed(undo):
            if value is missing:
                del namespace[name]
            else:
                namespace[name] = value


def _noted_places() -> Iterator[tuple[dict[str, Any], str]]:
    yield from _noted_builtins
    for function in _noted_functions:
        if function.__globals__.get(function.__name__) is function:
            yield function.__globals__, function.__name__


def _added_methods(cls: type[nn.Module]) -> tuple[tuple[str, FunctionType], ...]:
    """The public methods that a class adds to nn.Module."""
    found: dict[str, object] = {}
    for base in reversed([base for base in cls.__mro__ if not issubclass(nn.Module, base)]):
        found.update(vars(base))
    return tuple(
        (name, value)
        for name, value in found.items()
        if isinstance(value, FunctionType) and not name.startswith("_") and not hasattr(nn.Module, name)
    )


@functools.cache
def _recording(method: FunctionType) -> Callable[..., Any]:
    """`leaf_call` of a method of a class of ours, made once."""
    return leaf_call(method)


@contextmanager
def methods_recorded(classes: tuple[type[nn.Module], ...]) -> Iterator[None]:
    """While open, every public method that these classes add to nn.Module is recorded as one node."""
    undo: list[tuple[type[nn.Module], str, Any]] = []
    for cls in classes:
        for name, method in _added_methods(cls):
            undo.append((cls, name, vars(cls).get(name)))
            setattr(cls, name, _recording(method))
    try:
        yield
    finally:
        for cls, name, own in reversed(undo):
            if own is None:
                delattr(cls, name)
            else:
                setattr(cls, name, own)
