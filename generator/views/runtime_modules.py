"""Views of operators whose mechanism is written by hand: thin classes and functions that give it its operator.

In: the catalog. Out: views. An example of what is made of one::

    class Scatter(PillarScatter):
        _OP = "scatter"
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.schema_op import Op
from generator.views.modules import class_name, of_family
from generator.views.names import sentence


@dataclass(frozen=True, slots=True)
class UseView:
    """A class attribute that holds a function."""

    name: str
    function: str


@dataclass(frozen=True, slots=True)
class RuntimeModuleView:
    """One operator with its float, QAT and quantized class; a base is empty where there is no such class."""

    op: str
    doc: str
    file: str
    class_name: str
    runtime: str
    float_base: str
    qat_base: str
    quantized_base: str
    uses: tuple[UseView, ...]


@dataclass(frozen=True, slots=True)
class RuntimeFunctionView:
    """One function."""

    op: str
    name: str
    doc: str
    runtime: str
    function: str


@dataclass(frozen=True, slots=True)
class RuntimeFunctionsView:
    """The functions of one module."""

    names: tuple[str, ...]
    modules: str
    functions: tuple[RuntimeFunctionView, ...]


def runtime_module_view(op: Op) -> RuntimeModuleView:
    """The classes of one operator."""
    assert op.runtime is not None
    return RuntimeModuleView(
        op=op.id,
        doc=sentence(op.doc),
        file=op.python.file or "",
        class_name=class_name(op),
        runtime=op.runtime.file,
        float_base=op.runtime.float or "",
        qat_base=op.runtime.qat or "",
        quantized_base=op.runtime.quantized or "",
        uses=tuple(UseView(name, function) for name, function in op.runtime.uses.items()),
    )


def runtime_functions_views(catalog: Catalog) -> dict[str, RuntimeFunctionsView]:
    """File below nn -> its functions."""
    files: dict[str, list[RuntimeFunctionView]] = {}
    for op in of_family(catalog, "runtime_function"):
        assert op.runtime is not None
        view = RuntimeFunctionView(
            op.id, op.python.function or "", sentence(op.doc), op.runtime.file, op.runtime.function or ""
        )
        files.setdefault(op.python.file or "", []).append(view)
    return {
        file: RuntimeFunctionsView(
            tuple(sorted(v.name for v in views)), ", ".join(sorted({v.runtime for v in views})), tuple(views)
        )
        for file, views in files.items()
    }
