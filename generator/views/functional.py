"""Views of FloatFunctional and of the stubs: operators whose module is given, not one of their own.

In: the catalog and the compiled kernels. Out: views; every call and docstring is final.
"""

from dataclasses import dataclass

from generator.compile import CompiledMarches
from generator.link import Catalog
from generator.schema_op import Op
from generator.views.modules import of_family
from generator.views.names import sentence


@dataclass(frozen=True, slots=True)
class FunctionView:
    """One method of FloatFunctional."""

    op: str
    method: str
    doc: str
    formula: str
    function: str
    kernel: str
    compute_dtypes: str


@dataclass(frozen=True, slots=True)
class FunctionalView:
    """The methods of FloatFunctional by shape: two operands, a list of operands, a reduction."""

    together: tuple[str, ...]
    each: tuple[str, ...]
    binary: tuple[FunctionView, ...]
    concat: tuple[FunctionView, ...]
    reduction: tuple[FunctionView, ...]


@dataclass(frozen=True, slots=True)
class StubView:
    """One stub."""

    op: str
    doc: str
    float_class: str
    kernel: str


@dataclass(frozen=True, slots=True)
class StubsView:
    """Both stubs."""

    quant: StubView
    dequant: StubView


def functional_view(catalog: Catalog, compiled: CompiledMarches) -> FunctionalView:
    """The methods of FloatFunctional."""
    return FunctionalView(
        together=tuple(op.python.method or "" for op in of_family(catalog, "binary")),
        each=tuple(op.python.method or "" for op in of_family(catalog, "concat")),
        binary=tuple(_function(op, compiled) for op in of_family(catalog, "binary")),
        concat=tuple(_function(op, compiled) for op in of_family(catalog, "concat")),
        reduction=tuple(_function(op, compiled) for op in of_family(catalog, "reduction")),
    )


def _function(op: Op, compiled: CompiledMarches) -> FunctionView:
    values = {"input": "x.dtype", "other": "y.dtype", "output": "self.dtype"}
    return FunctionView(
        op=op.id,
        method=op.python.method or "",
        doc=sentence(op.doc),
        formula=op.formula or "",
        function=op.float.functions[0],
        kernel=op.kernel or "",
        compute_dtypes=", ".join(f"{name}={values[name]}" for name in compiled.compute_dtypes(op.kernel or "")),
    )


def stubs_view(catalog: Catalog) -> StubsView:
    """Both stubs."""
    return StubsView(
        *(_stub(next(iter(of_family(catalog, family)))) for family in ("quantize_stub", "dequantize_stub"))
    )


def _stub(op: Op) -> StubView:
    return StubView(op.id, sentence(op.doc), op.float.modules[0], op.kernel or "")
