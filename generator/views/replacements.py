"""Traced calls that become modules, as rows of `_tables.py`.

In: the catalog. Out: a row an operator whose functions or methods are replaced; its fields are Python expressions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from generator.link import Catalog
from generator.schema_op import Op
from generator.views.composite import float_classes as composite_classes
from generator.views.modules import of_family
from generator.views.runtime_modules import float_classes

FUNCTIONAL = "quantized.FloatFunctional"
_METHOD_FAMILIES = {"binary": 2, "pairwise": 2, "concat": 0, "reduction": 1, "product": 2, "scalar": 2}
"""Families of FloatFunctional methods that functions are replaced by, and how many operands they take."""

_MODULE_FAMILIES = ("window_max", "window_mean", "clamp", "unary", "slope", "power", "tensor_module")
"""Families of modules that take one operand."""


@dataclass(frozen=True, slots=True)
class ReplacementView:
    """A traced call that becomes a sub-module."""

    op: str
    functions: str
    methods: tuple[str, ...]
    module: str
    method: str | None
    data_args: int
    numbers: str
    constructor_args: tuple[str, ...]
    drop_kwargs: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    number_first: bool = False


def as_tuple(names: Iterable[str]) -> str:
    """Names as the inside of a tuple, none twice."""
    return "".join(f"{name}, " for name in dict.fromkeys(names))


def replacements(catalog: Catalog) -> Iterable[ReplacementView]:
    """Every call that becomes a module, operator by operator."""
    for op in of_family(catalog, *_METHOD_FAMILIES):
        count = _METHOD_FAMILIES[op.family]
        yield ReplacementView(
            op=op.id,
            functions=as_tuple(
                (*op.float.functions, *(f for f in op.float.overloads if f not in tensor_overloads(op)))
            ),
            methods=(*op.float.methods, *tensor_overloads(op).values()),
            module=FUNCTIONAL,
            method=op.python.method,
            data_args=count,
            numbers=_numbers(op),
            constructor_args=(),
            drop_kwargs=(),
        )
    for op in of_family(catalog, *_MODULE_FAMILIES):
        form = op.float
        module = f"nn.{op.python.module}" if op.python.module else form.modules[0]
        yield ReplacementView(
            op=op.id,
            functions=as_tuple((*form.functions, *form.overloads)),
            methods=form.methods,
            module=module,
            method=None,
            data_args=1,
            numbers="none",
            constructor_args=form.constructor,
            parameters=form.parameters,
            number_first=form.number_first,
        )
    yield from _composites(catalog)
    for op in of_family(catalog, "runtime_module"):
        if op.float.functions:
            form, count = op.float, len(op.cases[0].inputs)
            yield ReplacementView(
                op.id,
                as_tuple(form.functions),
                form.methods,
                float_classes(op)[0],
                None,
                count,
                "none",
                form.constructor,
                (),
            )


def tensor_overloads(op: Op) -> dict[str, str]:
    """Overloads that are Tensor methods, by dotted name: their names as methods."""
    return {name: name.rpartition(".")[2] for name in op.float.overloads if name.startswith("torch.Tensor.")}


def _numbers(op: Op) -> str:
    """Which operands may be numbers: none, one of them, or the last one, which must be."""
    if op.family == "scalar":
        return "last"
    return "one" if op.numbers is not None and op.numbers.own_scale else "none"


def _composites(catalog: Catalog) -> Iterable[ReplacementView]:
    for op in of_family(catalog, "composite"):
        form, composite = op.float, op.composite
        assert composite is not None
        if form.functions or form.methods:
            yield ReplacementView(
                op=op.id,
                functions=as_tuple(form.functions),
                methods=form.methods,
                module=composite_classes(op)[0],
                method=None,
                data_args=len(composite.inputs),
                numbers="none",
                constructor_args=form.constructor,
                drop_kwargs=form.ignored,
                parameters=form.parameters,
            )
