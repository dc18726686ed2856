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
    kernel: str
    doc: str
    class_name: str
    runtime: str
    float_base: str
    float_class: str
    float_classes: str
    function: str
    qat_base: str
    quantized_base: str
    requires: str
    uses: tuple[UseView, ...]


@dataclass(frozen=True, slots=True)
class RuntimeFileView:
    """The classes of one file below nn, nn.qat or nn.quantized."""

    title: str
    float_modules: tuple[str, ...]
    classes: tuple[RuntimeModuleView, ...]


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


def runtime_files(catalog: Catalog) -> dict[tuple[str, str], RuntimeFileView]:
    """(folder, file) -> what stands in it; the folders are "" (nn itself), "qat" and "quantized"."""
    files: dict[tuple[str, str], list[RuntimeModuleView]] = {}
    for op in of_family(catalog, "runtime_module"):
        view = _module(op)
        bases = {"": view.float_base, "qat": view.qat_base, "quantized": view.quantized_base}
        for folder in (folder for folder, base in bases.items() if base):
            files.setdefault((folder, op.python.file or ""), []).append(view)
    own = {file for folder, file in files if not folder}
    return {
        (folder, file): RuntimeFileView(
            ", ".join(view.class_name for view in views), (file,) if file in own else (), tuple(views)
        )
        for (folder, file), views in files.items()
    }


def float_classes(op: Op) -> tuple[str, ...]:
    """The float classes of an operator whose mechanism is written by hand: its own, and those of torch."""
    own = (f"nn.{class_name(op)}",) if op.runtime is not None and op.runtime.float else ()
    return (*own, *op.float.modules)


def _module(op: Op) -> RuntimeModuleView:
    assert op.runtime is not None
    classes = [
        name.replace("nn.", f"{op.python.file}.", 1) if name.startswith("nn.") else name for name in float_classes(op)
    ]
    return RuntimeModuleView(
        op=op.id,
        kernel=op.kernel or "",
        doc=sentence(op.doc),
        class_name=class_name(op),
        runtime=op.runtime.file,
        float_base=op.runtime.float or "",
        float_class=classes[0],
        float_classes="".join(f"{name}, " for name in classes),
        function=next(iter(op.float.functions), ""),
        qat_base=op.runtime.qat or "",
        quantized_base=op.runtime.quantized or "",
        requires=repr(op.requires) if op.requires else "",
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
