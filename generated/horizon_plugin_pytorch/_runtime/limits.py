# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/limits.py
"""The shapes of the generated table of limits: what a layer keeps to on a march.

In: nothing; these are definitions. Out: the types of `horizon_plugin_pytorch._limits.LIMITS`, which the generator fills from
the specs. `limit_values` says what a quantity is of a layer, `check_model` compares.
"""

from dataclasses import dataclass

Number = int | float
Plain = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Derived:
    """The bound floor((attribute + plus) / over), element by element; `over` is a number or another attribute."""

    attribute: str
    plus: int = 0
    over: int | str = 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a value lies. None: not bounded so. `distinct` and `equal` speak of all elements together."""

    min: Number | Derived | None = None
    max: Number | Derived | None = None
    above: Number | None = None
    below: Number | None = None
    one_of: tuple[Plain, ...] | None = None
    none_of: tuple[Plain, ...] | None = None
    step: int | None = None
    distinct: bool = False
    equal: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One quantity of a layer within bounds.

    Attributes:
        quantity: "attribute", "sizes", "product", "scaling", "axes", "broadcast", "constants", "count", "dims", "bytes",
            "magnitude", "scale", "dtype" or "place".
        what: the attribute's name, the letters of dimensions, or the place.
        of: which tensors: "input", "second", "first", "inputs", "output", "outputs", "tensors" or "weight".
        item: one of several outputs; None: all of them.
    """

    quantity: str
    what: tuple[str, ...] = ()
    of: str = "input"
    item: int | None = None
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule of the support table; `when` restricts it to layers of which any element meets a condition.

    Attributes:
        rule: what is limited, for a reader.
        limit: the bounds, for a reader.
        remedy: what a reader can do.
    """

    condition: Condition
    rule: str
    limit: str
    remedy: str
    when: Condition | None = None
