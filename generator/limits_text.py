"""Limits in words: what `check_model` prints, and the pages of operators say.

In: a limit. Out: its rule as one clause ("kernel_size from 1 to 7") and its remedy as one clause. Both follow from the
fields, unless the spec says them itself.
"""

from generator.limits import quantity
from generator.schema_limits import Bounded, Derived, Limit

_TENSORS = {
    "input": "of the input", "second": "of the second input", "inputs": "of each input", "output": "of the output",
    "outputs": "of each output", "tensors": "of each input and output", "weight": "of the weight",
}  # fmt: skip
_NOUNS = {
    "constants": "number of constant operands", "count": "number of tensors", "dims": "number of dimensions",
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


def rule_text(limit: Limit) -> str:
    """The rule as a clause without a full stop."""
    text = limit.says or _bounded(limit)
    return f"{text}, if {_bounded(limit.when)}" if limit.when and not limit.says else text


def remedy_text(limit: Limit) -> str:
    """What to do, as an imperative without a full stop."""
    return limit.remedy or _REMEDIES[quantity(limit)].format(name=limit.attribute or limit.axes)


def _bounded(bounded: Bounded) -> str:
    name = quantity(bounded)
    if name == "place":
        return "used as an output of the model" if bounded.place == "output" else "used further inside the model"
    if name == "broadcast":
        return f"only one operand is broadcast, along {_letters(bounded.broadcast)}"
    return f"{_subject(bounded, name)} {_bounds(bounded)}".strip()


def _subject(bounded: Bounded, name: str) -> str:
    value = getattr(bounded, name)
    if name == "attribute":
        return str(value)
    if name == "axes":
        return f"dimensions that {value} names:"
    tensor = _TENSORS[bounded.of] + ("" if bounded.item is None else f" {bounded.item}")
    if name == "scaling":
        return f"output / input of {_letters(value)}"
    if name == "product":
        return f"{'*'.join(value)} {tensor}"
    return f"{_letters(value) if name == 'sizes' else _NOUNS[name]} {tensor}"


def _bounds(bounded: Bounded) -> str:
    parts = []
    if bounded.min is not None and bounded.max is not None:
        parts.append(f"from {_value(bounded.min)} to {_value(bounded.max)}")
    else:
        parts += [f"at least {_value(bounded.min)}"] if bounded.min is not None else []
        parts += [f"at most {_value(bounded.max)}"] if bounded.max is not None else []
    parts += [f"above {bounded.above:g}"] if bounded.above is not None else []
    parts += [f"below {bounded.below:g}"] if bounded.below is not None else []
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
