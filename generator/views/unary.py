"""Views of functions of one variable: the modules whose function a user gives, and one pair of classes an operator.

In: the catalog. Out: views; the settings of a table are the final text of a call, for example::

    TableOptions(auto_divide_strategy="curvature", is_centrosymmetric=True)
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.schema_op import Op, Table
from generator.views.modules import class_name, of_family
from generator.views.names import sentence


@dataclass(frozen=True, slots=True)
class TableView:
    """A module of any function."""

    op: str
    doc: str
    class_name: str
    takes_options: bool


@dataclass(frozen=True, slots=True)
class TableModulesView:
    """Every module of any function, and the sizes of segment tables."""

    tables: tuple[TableView, ...]
    entries: int
    points: int


@dataclass(frozen=True, slots=True)
class FormulaFunctionView:
    """A function that torch does not have."""

    name: str
    doc: str
    arguments: str
    formula: str


@dataclass(frozen=True, slots=True)
class FunctionView:
    """A function in module form."""

    op: str
    doc: str
    class_name: str
    function: str
    options: str
    takes_inplace: bool
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PowerView:
    """Powers in module form."""

    op: str
    doc: str
    class_name: str


@dataclass(frozen=True, slots=True)
class FunctionModulesView:
    """Every function in module form."""

    table_file: str
    table_class: str
    formulas: tuple[FormulaFunctionView, ...]
    functions: tuple[FunctionView, ...]
    powers: tuple[PowerView, ...]


@dataclass(frozen=True, slots=True)
class UnaryView:
    """A module of torch.nn that is a function of one variable."""

    op: str
    doc: str
    class_name: str
    float_class: str
    function: str
    arguments: tuple[str, ...]
    options: str
    table_file: str
    table_class: str


FILE = "tables"
"""The module of nn that holds the modules of any function."""


def table_view(op: Op) -> TableView:
    """A module of any function."""
    return TableView(op.id, sentence(op.doc), class_name(op), bool(op.float.constructor))


def table_modules_view(catalog: Catalog) -> TableModulesView:
    """Every module of any function."""
    sizes = next((m.spec.segments for m in catalog.marches.values() if m.spec.segments is not None), None)
    return TableModulesView(
        tables=tuple(table_view(op) for op in of_family(catalog, "table")),
        entries=sizes.entries if sizes else 0,
        points=sizes.tables + 2 if sizes else 0,
    )


def _segment_class(catalog: Catalog) -> str:
    """The module of any function whose settings a user gives."""
    return next((class_name(op) for op in of_family(catalog, "table") if op.float.constructor), "")


def _segment_file(catalog: Catalog) -> str:
    return next((op.python.file or "" for op in of_family(catalog, "table") if op.float.constructor), "")


def function_modules_view(catalog: Catalog) -> FunctionModulesView:
    """Every function in module form."""
    ops = [op for op in of_family(catalog, "unary") if op.python.module]
    return FunctionModulesView(
        table_file=FILE,
        table_class=_segment_class(catalog),
        formulas=tuple(formula for op in ops for formula in _formulas(op)),
        functions=tuple(
            FunctionView(
                op=op.id,
                doc=sentence(op.doc),
                class_name=op.python.module or "",
                function=_function(op),
                options=_options(op),
                takes_inplace="inplace" in op.float.constructor,
                numbers=_numbers(op),
            )
            for op in ops
        ),
        powers=tuple(PowerView(op.id, sentence(op.doc), op.python.module or "") for op in of_family(catalog, "power")),
    )


def unary_view(catalog: Catalog, op: Op) -> UnaryView:
    """A module of torch.nn."""
    return UnaryView(
        op=op.id,
        doc=sentence(op.doc),
        class_name=class_name(op),
        float_class=op.float.modules[0],
        function=_function(op),
        arguments=tuple(name for name in op.float.constructor if name != "inplace"),
        options=_options(op),
        table_file=_segment_file(catalog),
        table_class=_segment_class(catalog),
    )


def _formulas(op: Op) -> tuple[FormulaFunctionView, ...]:
    """The functions of an operator that torch does not have: its own, its inverse."""
    inverse = op.table.inverse_formula if op.table else None
    named = ((_function(op), sentence(op.doc), op.formula), (_inverse(op), f"The inverse of {op.title}.", inverse))
    arguments = "".join(f", {name}: float" for name in _numbers(op))
    return tuple(FormulaFunctionView(name, doc, arguments, formula) for name, doc, formula in named if formula)


def _numbers(op: Op) -> tuple[str, ...]:
    """Settings of the function that its module is made with."""
    return tuple(name for name in op.float.constructor if name != "inplace")


def _inverse(op: Op) -> str:
    return f"_{op.id}_inverse"


def _function(op: Op) -> str:
    """The float function: one of torch, or the one made of the operator's formula."""
    return op.float.functions[0] if op.formula is None else f"_{op.id}"


def _options(op: Op) -> str:
    """The settings that differ from the defaults, as a call."""
    table = op.table or Table()
    settings = {
        "auto_divide_strategy": repr(table.divide) if table.divide != "evenly" else None,
        "is_centrosymmetric": "True" if table.odd else None,
        "dividing_points": repr(table.points) if table.points else None,
        "input_range": repr(table.range) if table.range else None,
        "gradients": repr(table.gradients) if table.gradients else None,
        "inverse_func": _inverse(op) if table.inverse_formula else table.inverse,
        "upper_inverse": table.upper_inverse,
        "kernel": repr(op.kernel) if op.kernel and op.python.module else None,
        "least_steps": repr(tuple(table.least_steps.items())) if table.least_steps else None,
    }
    return f"TableOptions({', '.join(f'{name}={text}' for name, text in settings.items() if text is not None)})"
