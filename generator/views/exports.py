"""Views of `__init__` modules: what they re-export.

In: the catalog and the patterns. Out: per package the names of each of its modules.
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.patterns import Expanded
from generator.views.modules import class_name, of_family, weighted_view
from generator.views.package import ColorsView


@dataclass(frozen=True, slots=True)
class ModuleExportView:
    """The names that one module gives."""

    module: str
    names: str


@dataclass(frozen=True, slots=True)
class PackageExportsView:
    """What a package re-exports: of its own modules, and modules of torch that users know under our name too."""

    doc: str
    modules: tuple[ModuleExportView, ...]
    names: tuple[str, ...]
    torch_modules: str = ""


_DOCS = {
    "intrinsic": "Float containers of fused layers.",
    "qat": "QAT modules: float arithmetic on fake-quantized values.",
    "quantized": "Quantized modules: integers in, integers out.",
}
_FIXED = {
    "intrinsic": {},
    "qat": {"stubs": ["QuantStub", "DeQuantStub"], "functional_modules": ["FloatFunctional"]},
    "quantized": {"quantize": ["Quantize", "DeQuantize"], "functional_modules": ["FloatFunctional", "QFunctional"]},
}


def package_view(colors: ColorsView) -> PackageExportsView:
    """The package itself: colour functions at top level."""
    return PackageExportsView("", (ModuleExportView("functional", ", ".join(colors.exports)),), colors.exports)


def nn_views(catalog: Catalog, patterns: tuple[Expanded, ...]) -> dict[str, PackageExportsView]:
    """nn.intrinsic, nn.qat and nn.quantized."""
    return {folder: _folder(catalog, patterns, folder) for folder in _DOCS}


def nn_view(catalog: Catalog) -> PackageExportsView:
    """horizon_plugin_pytorch.nn: float modules of our own."""
    views = [
        ModuleExportView(op.python.file or "", class_name(op))
        for op in of_family(catalog, "runtime_module")
        if op.runtime and op.runtime.float
    ]
    views += [ModuleExportView("tables", class_name(op)) for op in of_family(catalog, "table")]
    views += [
        ModuleExportView("unary", op.python.module) for op in of_family(catalog, "unary", "power") if op.python.module
    ]
    views += [
        ModuleExportView("composites", o.python.module) for o in of_family(catalog, "composite") if o.python.module
    ]
    views.append(ModuleExportView("identity", "Identity"))
    shared = tuple(op.python.module for op in of_family(catalog, "passthrough") if op.python.module)
    doc = "Float modules; containers of fused layers (intrinsic), QAT modules (qat), integer modules (quantized)."
    names = tuple(sorted((*shared, *(v.names for v in views))))
    return PackageExportsView(doc, tuple(sorted(views, key=lambda v: v.module)), names, ", ".join(shared))


def _folder(catalog: Catalog, patterns: tuple[Expanded, ...], folder: str) -> PackageExportsView:
    modules: dict[str, list[str]] = {name: list(names) for name, names in _FIXED[folder].items()}
    for op in of_family(catalog, "weighted"):
        view = weighted_view(catalog, op, patterns)
        fused = view.quantized_fused if folder == "quantized" else view.fused
        kept = [] if folder == "quantized" else [f.name for f in view.with_norm]
        base = [] if folder == "intrinsic" else [view.base_class]
        modules.setdefault(op.python.file or "", []).extend([*base, *(f.name for f in fused), *kept])
    for op in of_family(catalog, "composite", "recurrent"):
        names = {"qat": op.python.class_, "quantized": op.python.quantized}
        if name := names.get(folder):
            modules.setdefault(op.python.file or "", []).append(name)
    if folder != "intrinsic":
        for op in of_family(
            catalog, "window_max", "window_mean", "clamp", "norm", "table", "unary", "slope", "tensor_module"
        ):
            if op.python.class_ and (op.python.file or op.family in ("unary", "slope")):
                modules.setdefault(op.python.file or op.id, []).append(class_name(op))
        for op in of_family(catalog, "runtime_module"):
            if getattr(op.runtime, folder):
                modules.setdefault(op.python.file or "", []).append(class_name(op))
    views = tuple(
        ModuleExportView(module, ", ".join(sorted(names))) for module, names in sorted(modules.items()) if names
    )
    return PackageExportsView(_DOCS[folder], views, tuple(sorted(name for names in modules.values() for name in names)))
