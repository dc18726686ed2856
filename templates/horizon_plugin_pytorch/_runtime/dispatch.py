# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/dispatch.py
"""What a torch function does with a QTensor: looked up in tables, refused when it is in none.

In: the function and its arguments, as `__torch_function__` gets them, and the generated tables. Out: the result, or a
NotImplementedError that says where in the model, on which march, what the operator supports and what to do.

A registered implementation goes first; then the behaviour that the tables give the function, if the march supports its
operator for this dtype; then, where float operations are allowed, the function itself on the values.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import tensor_arithmetic, tensor_moves
from .march import get_march
from .support import refuse_call, refuse_input
from .tables import TensorRule
from .tensor_call import Call, Function

if TYPE_CHECKING:
    from .qtensor import QTensor

Implementation = Callable[..., Any]
Behaviour = Callable[[Call], Any]

_REGISTERED: dict[Implementation, Implementation] = {}
_RULES: dict[Implementation, tuple[TensorRule, Behaviour]] = {}
_ADMITTED: set[tuple[str, str, str]] = set()

# The tensor protocol itself, not operators: attributes that are methods, autograd, copies and moves.
_PLAIN_METHODS = (
    *("size", "dim", "ndimension", "numel", "nelement", "stride", "storage_offset", "is_contiguous", "get_device"),
    *("element_size", "is_floating_point", "is_complex", "is_same_size", "__len__", "data_ptr", "untyped_storage"),
    *("backward", "retain_grad", "register_hook", "is_inference"),
)
_KEEP_METHODS = ("detach", "clone", "contiguous", "cpu", "cuda", "requires_grad_")
_KEEP_PROPERTIES = ("T", "mT", "data")
_MODULES = (tensor_moves, tensor_arithmetic)
_UNMARKED = frozenset({"", "plain", "dequantize", "take_in", "refuse"})
"""Behaviours whose results are no QTensors, or written into one."""
_MOVES = frozenset({"keep", "keep_list", "inert"})
"""Behaviours that change no value."""
_PROTOCOL = TensorRule(op="", behaviour="", kernel="", dtypes=(), functions=())


class _Switch:
    """Whether functions without a rule run on values."""

    float_allowed = False
    regions = 0


def register(func: Implementation) -> Callable[[Implementation], Implementation]:
    """Decorate what is to run instead of `func` when an argument is a QTensor."""

    def remember(implementation: Implementation) -> Implementation:
        _REGISTERED[func] = implementation
        return implementation

    return remember


def set_dispatcher(implementations: Mapping[Implementation, Implementation]) -> None:
    """Register several implementations at once: function -> what runs instead of it."""
    _REGISTERED.update(implementations)


def allow_float_operations(allowed: bool) -> None:
    """Whether a function that has no rule runs on the dequantized values, and gives a plain float tensor.

    For models of which a part stays in float; off, such a function is an error, so that nothing leaves the integers
    unnoticed.
    """
    _Switch.float_allowed = allowed


def float_region(change: int) -> None:
    """Enter (1) or leave (-1) a part of a run in which functions without a rule run on values."""
    _Switch.regions += change


@contextmanager
def float_operations() -> Iterator[None]:
    """`allow_float_operations` for a while."""
    before = _Switch.float_allowed
    allow_float_operations(True)
    try:
        yield
    finally:
        allow_float_operations(before)


def dispatch(cls: type["QTensor"], func: Implementation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run `func` on arguments of which at least one is of class `cls`.

    Raises:
        NotImplementedError: no rule says what `func` does with a QTensor, or the march does not support it.
    """
    registered = _REGISTERED.get(func)
    if registered is not None:
        return registered(*args, **kwargs)
    rule, behaviour = rule_of(func)
    call = Call(cls, rule, func, args, kwargs)
    refusal = _refusal(call, behaviour)
    if refusal and (_Switch.float_allowed or _Switch.regions):
        return tensor_moves.dequantize(call)
    if refusal or behaviour is None:
        raise NotImplementedError(refusal)
    try:
        return _written_back(call, _computed(call, behaviour))
    except Exception as error:
        error.add_note(f"when calling function {func}")
        raise


def rule_of(func: Implementation) -> tuple[TensorRule, Behaviour | None]:
    """The rule of a function with its mechanism; None where it has none."""
    return (_RULES or _fill_rules()).get(func) or _property_rule(func)


def has_quantized_form(func: Implementation) -> bool:
    """Whether something says what `func` does with a QTensor."""
    return func in _REGISTERED or rule_of(func)[1] is not None


def _refusal(call: Call, behaviour: Behaviour | None) -> str:
    """Why a call cannot run on integers; empty when it can."""
    if behaviour is None and not call.rule.op:
        return refuse_call(call.func)
    march = get_march()
    if not call.rule.op or march is None:
        return ""
    key = (call.rule.op, march, str(call.source.qtype))
    if key in _ADMITTED:
        return ""
    refusal = refuse_input(*key, call.func)
    if not refusal:
        _ADMITTED.add(key)
    return refusal


def _computed(call: Call, behaviour: Behaviour) -> Any:
    """The result; of values that an exact module made, again with the values of its integers."""
    result = behaviour(call)
    if not any(tensor._exact for tensor in call.tensors) or call.rule.behaviour in _UNMARKED:
        return result
    from .exact_qat import exact_call, marked  # it imports modules that import this one

    return marked(result if call.rule.behaviour in _MOVES else exact_call(call, behaviour, result))


def _written_back(call: Call, result: Any) -> Any:
    """The result; of a function that works in place, written into the source."""
    name = getattr(call.func, "__name__", "")
    if result is None or not name.endswith("_") or name.endswith("__") or not call.rule.behaviour:
        return result
    call.source._data.copy_(result._data)
    return call.source


def _fill_rules() -> dict[Implementation, tuple[TensorRule, Behaviour]]:
    """Read the tables, once; they import the modules that import this one, so not before the first use."""
    from .._tables import TABLES

    for rule in TABLES.tensor_rules:
        found: Any = _behaviour(rule.behaviour)
        _RULES.update(dict.fromkeys(rule.functions, (rule, found)))
    _RULES.update({getattr(Tensor, name): (_PROTOCOL, tensor_moves.plain) for name in _PLAIN_METHODS})
    _RULES.update({getattr(Tensor, name): (_PROTOCOL, tensor_moves.keep_in_place) for name in _KEEP_METHODS})
    _RULES.update(dict.fromkeys((torch.clone, torch.detach), (_PROTOCOL, tensor_moves.keep_in_place)))
    _RULES[Tensor.to] = (_PROTOCOL, tensor_moves.move)
    return _RULES


def _behaviour(name: str) -> Behaviour | None:
    from . import tensor_module  # it imports modules that import this one

    modules = (*_MODULES, tensor_module)
    return next((getattr(module, name) for module in modules if hasattr(module, name)), None)


def _property_rule(func: Function) -> tuple[TensorRule, Behaviour | None]:
    """Attributes of a tensor arrive as the getter or setter of their descriptor."""
    action = getattr(func, "__name__", "")
    if action not in {"__get__", "__set__", "__delete__"}:
        return _PROTOCOL, None
    name = getattr(getattr(func, "__self__", None), "__name__", "")
    keeps = action == "__get__" and name in _KEEP_PROPERTIES
    return _PROTOCOL, tensor_moves.keep if keeps else tensor_moves.plain
