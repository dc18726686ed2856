# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/limit_values.py
"""What the quantity of a limit is in one call of a layer, and whether that lies within the bounds.

In: a `LayerCall` and a `Condition`. Out: the values that leave the bounds, as text for a reader. A quantity that a layer
does not have (an attribute by another constructor, a dimension of a smaller tensor) leaves no bounds.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from ..dtype import DTYPES
from .layer_calls import LayerCall, Run, tensors_in
from .limits import Bounds, Condition, Derived, Limit
from .qtensor import QTensor

_LETTERS = {1: "C", 2: "NC", 3: "NCW", 4: "NCHW", 5: "NCDHW"}
_Value = tuple[str, Any]
"""A name for a reader, such as "C of input", and a value."""


def found_outside(limit: Limit, call: LayerCall, run: Run) -> str:
    """The values that break a limit, "" when it holds."""
    if limit.when is not None and not any(_judged(limit.when, call, run)):
        return ""
    values = tuple(_MEASURES[limit.condition.quantity](limit.condition, call, run))
    held = tuple(_judged(limit.condition, call, run))
    bad = dict.fromkeys(_text(value) for value, holds in zip(values, held, strict=True) if not holds)
    return ", ".join(bad)


def _judged(condition: Condition, call: LayerCall, run: Run) -> Iterator[bool]:
    """Whether each value lies within the bounds."""
    values = tuple(_MEASURES[condition.quantity](condition, call, run))
    bounds = condition.bounds
    plain = [value for _, value in values]
    together = not (bounds.distinct and len(set(plain)) < len(plain)) and not (bounds.equal and len(set(plain)) > 1)
    for index, value in enumerate(plain):
        yield together and _within(value, bounds, call, index)


def _within(value: Any, bounds: Bounds, call: LayerCall, index: int) -> bool:
    if isinstance(value, bool) and bounds.one_of is None:
        return value  # a quantity that holds or does not
    least, most = _bound(bounds.min, call, index), _bound(bounds.max, call, index)
    return (
        (least is None or value >= least)
        and (most is None or value <= most)
        and (bounds.above is None or value > bounds.above)
        and (bounds.below is None or value < bounds.below)
        and (bounds.one_of is None or value in bounds.one_of)
        and (bounds.none_of is None or value not in bounds.none_of)
        and (bounds.step is None or (value - (least or 0)) % bounds.step == 0)
    )


def _bound(bound: float | Derived | None, call: LayerCall, index: int) -> float | None:
    if not isinstance(bound, Derived):
        return bound
    value = _element(bound.attribute, call, index)
    over = _element(bound.over, call, index) if isinstance(bound.over, str) else bound.over
    return None if value is None or not over else math.floor((value + bound.plus) / over)


def _element(name: str, call: LayerCall, index: int) -> int | None:
    """One element of an attribute; a single one stands for all."""
    elements = [value for _, value in _attribute(Condition("attribute", (name,)), call)]
    numbers = [value for value in elements if isinstance(value, int)]
    return numbers[min(index, len(numbers) - 1)] if numbers else None


def _attribute(condition: Condition, call: LayerCall, run: Run | None = None) -> Iterator[_Value]:
    (name,) = condition.what
    value = call.arguments[name] if name in call.arguments else getattr(call.module, name, _MISSING)
    if value is _MISSING or isinstance(value, Tensor):
        return
    for element in value if isinstance(value, list | tuple) else (value,):
        yield name, element


def _tensors(condition: Condition, call: LayerCall) -> Iterator[tuple[str, Tensor]]:
    """The tensors that a condition names, each with words for a reader."""
    inputs = [(f"input {i}" if i else "input", x) for i, x in enumerate(call.inputs)]
    outputs = [(f"output {i}" if i else "output", x) for i, x in enumerate(call.outputs)]
    weight = getattr(call.module, "weight", None)
    named = {
        "input": inputs[:1], "second": inputs[1:2], "inputs": inputs, "first": _first(call), "output": outputs[:1], "outputs": outputs,
        "tensors": [*inputs, *outputs], "weight": [("weight", weight)] if isinstance(weight, Tensor) else [],
    }  # fmt: skip
    yield from named[condition.of] if condition.item is None else outputs[condition.item : condition.item + 1]


def _first(call: LayerCall) -> list[tuple[str, Tensor]]:
    """The tensors of the first argument, which may be a list or a dict."""
    return [(f"first {i}", x) for i, x in enumerate(tensors_in(next(iter(call.arguments.values()), ())))]


def _sizes(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    for name, tensor in _tensors(condition, call):
        shape = _shape(tensor)
        yield from ((f"{letter} of {name}", shape[letter]) for letter in condition.what if letter in shape)


def _product(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    for name, tensor in _tensors(condition, call):
        shape = _shape(tensor)
        yield f"{'*'.join(condition.what)} of {name}", math.prod(shape.get(letter, 1) for letter in condition.what)


def _scaling(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    if call.inputs and call.outputs:
        source, target = _shape(call.inputs[0]), _shape(call.outputs[0])
        for letter in condition.what:
            if letter in source and letter in target and source[letter]:
                yield f"{letter} of output / input", target[letter] / source[letter]


def _axes(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    (name,) = condition.what
    value = call.arguments.get(name, _MISSING)
    if value is _MISSING or not call.inputs:
        return
    letters = tuple(_shape(call.inputs[0]))
    named = range(len(letters)) if value is None else [value] if isinstance(value, int) else value
    yield from ((name, letters[axis]) for axis in named if -len(letters) <= axis < len(letters))


def _broadcast(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    """True where at most one operand is repeated, along the dimensions of the condition."""
    if not call.outputs:
        return
    target = _shape(call.outputs[0])
    repeated: dict[int, list[str]] = {}
    for number, tensor in enumerate(call.inputs):
        shape = dict(zip(reversed(tuple(target)), reversed(tensor.shape), strict=False))
        if axes := [letter for letter, size in target.items() if shape.get(letter, 1) == 1 < size]:
            repeated[number] = axes
    used = [letter for axes in repeated.values() for letter in axes]
    text = " and ".join(f"operand {number} along {', '.join(axes)}" for number, axes in repeated.items())
    yield text, len(repeated) <= 1 and set(used) <= set(condition.what)


def _constants(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    yield "constant operands", sum(not isinstance(tensor, QTensor) for tensor in call.inputs)


def _count(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    yield condition.of, len(tuple(_tensors(condition, call)))


def _dims(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    yield from ((f"dimensions of {name}", tensor.dim()) for name, tensor in _tensors(condition, call))


def _bytes(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    for name, tensor in _tensors(condition, call):
        width = DTYPES[str(tensor.dtype)].storage.itemsize if isinstance(tensor, QTensor) else tensor.element_size()
        yield f"bytes of {name}", tensor.numel() * width


def _magnitude(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    for name, tensor in _tensors(condition, call):
        values = tensor.dequantize() if isinstance(tensor, QTensor) else tensor
        yield f"magnitude of {name}", values.abs().max().item() if values.numel() else 0.0


def _scale(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    for name, tensor in _tensors(condition, call):
        if isinstance(tensor, QTensor):
            yield from ((f"scale of {name}", scale) for scale in tensor.q_scale().flatten().tolist())


def _dtype(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    for name, tensor in _tensors(condition, call):
        if isinstance(tensor, QTensor):
            yield f"dtype of {name}", str(tensor.dtype)


def _place(condition: Condition, call: LayerCall, run: Run) -> Iterator[_Value]:
    (place,) = condition.what
    for name, tensor in _tensors(condition, call):
        inside = run.reads(tensor)
        yield (
            f"{name} is read inside the model" if inside else f"{name} leaves the model",
            inside == (place == "inside"),
        )


def _shape(tensor: Tensor) -> Mapping[str, int]:
    """Letter -> size; dimensions beyond the fifth have no letter."""
    letters = _LETTERS.get(tensor.dim(), "NCDHW"[: tensor.dim()])
    return dict(zip(letters, tensor.shape, strict=False))


def _text(value: _Value) -> str:
    name, found = value
    return (
        name if isinstance(found, bool) else f"{name} = {found:g}" if isinstance(found, float) else f"{name} = {found}"
    )


_MISSING: Any = object()
_MEASURES: Mapping[str, Callable[[Condition, LayerCall, Run], Iterator[_Value]]] = {
    "attribute": _attribute, "sizes": _sizes, "product": _product, "scaling": _scaling, "axes": _axes,
    "broadcast": _broadcast, "constants": _constants, "count": _count, "dims": _dims, "bytes": _bytes,
    "magnitude": _magnitude, "scale": _scale, "dtype": _dtype, "place": _place,
}  # fmt: skip
