# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/dispatch.py
"""What a torch function does with a QTensor: looked up in tables, refused when it is in none.

In: the function and its arguments, as `__torch_function__` gets them, and the generated tables. Out: the result, or a
NotImplementedError that says where in the model, on which march, what the operator supports and what to do.

Four ways: a registered implementation; `plain`: run on the data, give a plain result; `keep`: run on the data, attach
scale and dtype again; `keep_list`: the same for each item of the result.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .channel_axis import follow_channels
from .locate import calling_place
from .march import get_march

if TYPE_CHECKING:
    from .qtensor import QTensor

Implementation = Callable[..., Any]
_Way = Callable[[type["QTensor"], Implementation, tuple[Any, ...], Mapping[str, Any]], Any]

_REGISTERED: dict[Implementation, Implementation] = {}
_WAYS: dict[Implementation, _Way] = {}

# The tensor protocol itself, not operators: attributes that are methods, autograd, copies and moves.
_PLAIN_METHODS = (
    *("size", "dim", "ndimension", "numel", "nelement", "stride", "storage_offset", "is_contiguous", "get_device"),
    *("element_size", "is_floating_point", "is_complex", "is_same_size", "__len__", "data_ptr", "untyped_storage"),
    *("backward", "retain_grad", "register_hook", "is_inference"),
)
_KEEP_METHODS = ("detach", "clone", "contiguous", "to", "cpu", "cuda", "requires_grad_")
_KEEP_PROPERTIES = ("T", "mT", "data")


def register(func: Implementation) -> Callable[[Implementation], Implementation]:
    """Decorate what is to run instead of `func` when an argument is a QTensor."""

    def remember(implementation: Implementation) -> Implementation:
        _REGISTERED[func] = implementation
        return implementation

    return remember


def dispatch(cls: type["QTensor"], func: Implementation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run `func` on arguments of which at least one is of class `cls`.

    Raises:
        NotImplementedError: no table says what `func` does with a QTensor.
    """
    registered = _REGISTERED.get(func)
    if registered is not None:
        return registered(*args, **kwargs)
    way = (_WAYS or _fill_ways()).get(func) or _property_way(func)
    if way is None:
        raise NotImplementedError(_refusal(func))
    try:
        return way(cls, func, args, kwargs)
    except Exception as error:
        error.add_note(f"when calling function {func}")
        raise


def has_quantized_form(func: Implementation) -> bool:
    """Whether a table says what `func` does with a QTensor."""
    return func in _REGISTERED or func in (_WAYS or _fill_ways())


def _fill_ways() -> dict[Implementation, _Way]:
    """Read the tables, once; they import the modules that import this one, so not before the first use."""
    from .._tables import TABLES

    _WAYS.update(dict.fromkeys(TABLES.plain, _plain))
    _WAYS.update(dict.fromkeys(TABLES.passthrough, _keep))
    _WAYS.update(dict.fromkeys(TABLES.passthrough_lists, _keep_list))
    _WAYS.update({getattr(Tensor, name): _plain for name in _PLAIN_METHODS})
    _WAYS.update({getattr(Tensor, name): _keep_in_place for name in _KEEP_METHODS})
    _WAYS.update({torch.clone: _keep_in_place, torch.detach: _keep_in_place})
    return _WAYS


def _property_way(func: Implementation) -> _Way | None:
    """Attributes of a tensor arrive as the getter or setter of their descriptor."""
    action = getattr(func, "__name__", "")
    if action not in {"__get__", "__set__", "__delete__"}:
        return None
    name = getattr(getattr(func, "__self__", None), "__name__", "")
    return _keep if action == "__get__" and name in _KEEP_PROPERTIES else _plain


def _plain(cls: type["QTensor"], func: Implementation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run on the data."""
    data = [_raw(cls, value) for value in args]
    return func(*data, **{key: _raw(cls, value) for key, value in kwargs.items()}) if kwargs else func(*data)


def _keep_in_place(cls: type["QTensor"], func: Implementation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """`_keep` for functions that move no element."""
    return _attach(cls, _first(cls, args, kwargs), _plain(cls, func, args, kwargs), None)


def _keep(cls: type["QTensor"], func: Implementation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run on the data, attach scale and dtype again."""
    source = _first(cls, args, kwargs)
    return _attach(cls, source, _plain(cls, func, args, kwargs), lambda x: _rerun(cls, func, source, x, args, kwargs))


def _keep_list(cls: type["QTensor"], func: Implementation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """`_keep` for each item of the result."""
    source = _first(cls, args, kwargs)
    results = _plain(cls, func, args, kwargs)
    kept = []
    for index, result in enumerate(results):

        def rerun(x: Tensor, index: int = index) -> Tensor:
            item: Tensor = _rerun(cls, func, source, x, args, kwargs)[index]
            return item

        kept.append(_attach(cls, source, result, rerun))
    return type(results)(kept)


def _attach(
    cls: type["QTensor"], source: "QTensor", result: Tensor, rerun: Callable[[Tensor], Tensor] | None
) -> "QTensor":
    """`result` with the dtype of `source` and its scale, on the result's device."""
    if result.dtype != source._data.dtype:
        raise NotImplementedError(
            f"a QTensor of {source.dtype} cannot become {result.dtype}: take .dequantize() or .int_repr() first"
        )
    scale, axis = source.scale, source.per_channel_axis
    if axis >= 0 and rerun is not None:
        scale, axis = follow_channels(source._data.shape, scale, axis, rerun)
    if scale is not None and scale.device != result.device:
        scale = scale.to(result.device)
    return cls(result, scale, source.qtype, axis)


def _rerun(
    cls: type["QTensor"],
    func: Implementation,
    source: "QTensor",
    probe: Tensor,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """The same call with `probe` in the place of `source`."""
    swap = [probe if value is source else value for value in args]
    return _plain(cls, func, tuple(swap), {key: probe if value is source else value for key, value in kwargs.items()})


def _raw(cls: type["QTensor"], value: Any) -> Any:
    if isinstance(value, cls):
        return value._data
    return type(value)(_raw(cls, item) for item in value) if type(value) in (list, tuple) else value


def _first(cls: type["QTensor"], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "QTensor":
    """The first QTensor among the arguments: the one whose scale the result keeps."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, cls):
            return value
    raise TypeError("a function that keeps the scale of one tensor was given several in a list")


def _refusal(func: Implementation) -> str:
    """The whole message for a function that no table knows."""
    place, march = calling_place(), get_march()
    name = torch.overrides.resolve_name(func) or getattr(func, "__qualname__", str(func))
    return (
        f"{name} is not implemented for QTensor"
        f"{f' in {place}' if place else ''} (march: {march or 'not set'}){_support_row(func, march)}. "
        "Insert a DeQuantStub before it, use a module that has a quantized form, wrap it, or set qconfig None "
        f"on the layers around it to leave them in float; when calling function {func}"
    )


def _support_row(func: Implementation, march: str | None) -> str:
    """What the support matrix says of the operator that `func` is, if it is one."""
    from .._support import SUPPORT
    from .._tables import TABLES
    from .support import support_row

    op = next((row.op for row in TABLES.replacements if func in row.functions), getattr(func, "__name__", ""))
    return f". Support of {op}: {support_row(op, march)}" if march is not None and (op, march) in SUPPORT else ""
