"""Limits in words: what `check_model` prints, and the pages of operators say.

In: a limit. Out: what is limited ("kernel_size"), the bounds ("from 1 to 7") and the remedy, each a clause. They follow
from the fields, unless the spec says them itself.
"""

from generator.limits import quantity, tensors_of
from generator.schema_limits import Bounded, Derived, Limit

_TENSORS = {
    "input": "of the input", "second": "of the second input", "first": "of the first argument", "inputs": "of each input", "output": "of the output",
    "outputs": "of each output", "tensors": "of each input and output", "weight": "of the weight",
}  # fmt: skip
_NOUNS = {
    "constants": "number of constant operands", "dims": "number of dimensions",
    "bytes": "size in bytes", "magnitude": "largest absolute value", "scale": "scale", "dtype": "dtype",
}  # fmt: skip
_REMEDIES = {
    "attribute": "give this layer another {name}",
    "sizes": "change the sizes of its tensors, for example by cropping, padding or splitting them",
    "product": "make its tensors smaller, for example by splitting them",
    "scaling": "resize in several steps",
    "axes": "permute the input, so that other dimensions are meant",
    "broadcast": "expand one of the operands to the shape of the other",
    "constants": "pass the constant through a QuantStub as a further input of the model",
    "count": "split the layer into several ones",
    "dims": "reshape the input before this layer",
    "bytes": "split the tensor",
    "magnitude": "scale the input down before this layer",
    "scale": "fix the scale of the layer before",
    "dtype": "change the qconfig of the layer that this tensor comes from",
    "place": "let the result leave the model, or use another operator",
}


def subject_text(limit: Limit) -> str:
    """What is limited; the whole rule where the spec says it."""
    return limit.says or _subject(limit)


def bounds_text(limit: Limit) -> str:
    """The bounds, and the condition under which they hold."""
    text = _bounds(limit)
    return f"{text}, if {_subject(limit.when)} {_bounds(limit.when)}" if limit.when else text


def remedy_text(limit: Limit) -> str:
    """What to do, as an imperative without a full stop."""
    return limit.remedy or _REMEDIES[quantity(limit)].format(name=limit.attribute or limit.axes)


def _subject(bounded: Bounded) -> str:
    name = quantity(bounded)
    value = getattr(bounded, name)
    if name == "attribute":
        return str(value)
    if name == "broadcast":
        return "broadcasting"
    if name == "axes":
        return f"dimensions that {value} names"
    tensor = _TENSORS[tensors_of(bounded)] if bounded.item is None else f"of output {bounded.item}"
    if name == "place":
        return tensor.removeprefix("of ")
    if name == "scaling":
        return f"output / input of {_letters(value)}"
    if name == "product":
        return f"{'*'.join(value)} {tensor}"
    if name == "count":
        return f"number of {tensors_of(bounded)}"
    if name == "constants":
        return _NOUNS[name]
    return f"{_letters(value) if name == 'sizes' else _NOUNS[name]} {tensor}"


def _bounds(bounded: Bounded) -> str:
    if bounded.place is not None:
        return "leaves the model" if bounded.place == "output" else "is read inside the model"
    if bounded.broadcast is not None:
        return f"of one operand only, along {_letters(bounded.broadcast)}"
    parts = []
    if bounded.min is not None and bounded.max is not None:
        parts.append(f"from {_value(bounded.min)} to {_value(bounded.max)}")
    else:
        parts += [f"at least {_value(bounded.min)}"] if bounded.min is not None else []
        parts += [f"at most {_value(bounded.max)}"] if bounded.max is not None else []
    parts += [f"above {_value(bounded.above)}"] if bounded.above is not None else []
    parts += [f"below {_value(bounded.below)}"] if bounded.below is not None else []
    parts += [f"in steps of {bounded.step}"] if bounded.step is not None else []
    parts += [f"{_choice(bounded.one_of)}"] if bounded.one_of is not None else []
    parts += [f"not {_choice(bounded.none_of)}"] if bounded.none_of is not None else []
    parts += ["without repetition"] if bounded.distinct else []
    parts += ["the same in all dimensions"] if bounded.equal else []
    return " and ".join(parts)


def _value(bound: float | Derived) -> str:
    if not isinstance(bound, Derived):
        return f"{bound:g}" if isinstance(bound, float) else str(bound)
    text = f"{bound.attribute} {'-' if bound.plus < 0 else '+'} {abs(bound.plus)}" if bound.plus else bound.attribute
    if bound.over == 1:
        return text
    return f"({text}) / {bound.over}" if bound.plus else f"{text} / {bound.over}"


def _choice(values: tuple[object, ...]) -> str:
    return " or ".join(str(value) for value in values)


def _letters(axes: tuple[str, ...] | None) -> str:
    return ", ".join(axes or ())
