"""Which outputs there are: one job an output, its template and its view.

In: the checked knowledge. Out: jobs. The tree of templates is the tree of outputs; a name in brackets fans out over
marches, kernels or the operators of a family.
"""

from collections.abc import Iterator
from functools import partial

from generator.decide import Decisions
from generator.inputs import Inputs
from generator.link import Catalog
from generator.memo import Memo
from generator.outputs_docs import docs_jobs
from generator.patterns import Expanded
from generator.plan import Job, Later
from generator.proven import CompiledMarches
from generator.schema_export import schema_jobs
from generator.views import (
    composite,
    exports,
    kernel_names,
    limits,
    modules,
    norm,
    package,
    presets,
    tables,
    tools,
    unary,
)
from generator.views import functional as functional_views
from generator.views.accuracy import GeneratedTests
from generator.views.from_formulas import FormulaViews
from generator.views.names import module_path
from generator.views.runtime_modules import runtime_files, runtime_functions_views

PACKAGE = "horizon_plugin_pytorch"


def jobs_of(
    catalog: Catalog,
    decisions: Decisions,
    patterns: tuple[Expanded, ...],
    compiled: CompiledMarches,
    memo: Memo | None = None,
) -> tuple[Job, ...]:
    """Every output of a build; a view that is costly says what it follows from, and is made only for what is new."""
    inputs = Inputs(catalog, compiled, memo or Memo())
    tests = GeneratedTests(catalog, decisions, compiled, inputs)
    return (
        *_package(catalog, decisions, patterns, compiled, inputs),
        *_kernels(catalog, compiled, inputs),
        *inputs.memo.known(("modules", inputs.tables), lambda: tuple(_modules(catalog, patterns, compiled))),
        *_headers(catalog, compiled, inputs),
        *_tests(catalog, compiled, tests, inputs),
        *docs_jobs(catalog, decisions, patterns, compiled, tests, inputs),
        *schema_jobs(),
    )


def _job(path: str, view: object, specs: tuple[str, ...], template: str = "") -> Job:
    return Job(f"{PACKAGE}/{path}", f"{PACKAGE}/{template or path}.j2", view, specs)


def _package(
    catalog: Catalog,
    decisions: Decisions,
    patterns: tuple[Expanded, ...],
    compiled: CompiledMarches,
    inputs: Inputs,
) -> Iterator[Job]:
    marches = package.marches_view(catalog)
    every_march = tuple(f"march/{name}" for name in catalog.marches)
    every_op = tuple(f"op/{name}" for name in catalog.ops)
    yield _job("_marches.py", marches, every_march)
    yield _job("march.py", marches, every_march)
    yield _job("kernels/__init__.py", marches, every_march)
    yield _job("dtype.py", package.dtypes_view(catalog), ("dtypes",))
    yield _job(
        "_support.py",
        Later(inputs.every_op, partial(package.support_view, catalog, decisions, inputs)),
        ("marches", "ops"),
    )
    yield _job("_limits.py", Later(inputs.every_op, partial(limits.limits_view, catalog, inputs)), ("marches", "ops"))
    in_tables = Later(inputs.tables, partial(tables.tables_view, catalog, patterns, compiled))
    yield _job("_tables.py", in_tables, ("ops", "patterns", "qtensor"))
    colors = package.colors_view(catalog)
    every_color = tuple(f"color/{name}" for name in catalog.colors)
    yield _job("_colors.py", colors, every_color)
    yield _job(
        "functional.py", colors, (*every_color, *(name for name in every_op if catalog.ops[name[3:]].spec.color))
    )
    yield _job("__init__.py", exports.package_view(colors), every_color)
    presets_view = presets.presets_view(catalog)
    yield _job("_observer_defaults.py", presets_view, ("observers",))
    yield _job("quantization/qconfig.py", presets_view, ("qconfigs", "observers"))
    yield _job("quantization/qconfig_factories.py", presets_view, ("qconfigs", "observers"))
    yield _job("quantization/quantizer_names.py", presets_view, ("observers",))
    yield _job("quantization/__init__.py", presets_view, ("qconfigs",))
    yield _job("_tools.py", tools.tools_view(catalog), ("tools",))


def _kernels(catalog: Catalog, compiled: CompiledMarches, inputs: Inputs) -> Iterator[Job]:
    from_formulas = FormulaViews(catalog, compiled)
    for march in (*catalog.marches, None):
        specs = ("kernels", f"march/{march}", "rounding") if march else ("kernels",)
        view = Later(inputs.kernel_module(march), partial(from_formulas.torch_module, march))
        yield _job(f"kernels/{module_path(march)}.py", view, specs, "kernels/[march].py")
    for march in catalog.marches:
        specs = ("kernels", f"march/{march}", "rounding")
        in_c = Later(inputs.kernel_module(march), partial(from_formulas.element_functions, march))
        yield _job(f"kernels/{module_path(march)}.h", in_c, specs, "kernels/[march].h")
    names = Later(inputs.every_op, partial(kernel_names.kernel_names_view, catalog, compiled))
    yield _job("_kernel_names.py", names, ("kernels", "ops"))


def _headers(catalog: Catalog, compiled: CompiledMarches, inputs: Inputs) -> Iterator[Job]:
    for march in (*catalog.marches, None):
        specs = ("kernels", f"march/{march}", "rounding") if march else ("kernels", "colors")
        view = Later(inputs.kernel_module(march), partial(FormulaViews(catalog, compiled).c_header, march))
        yield Job(f"c/{module_path(march)}.h", "c/[march].h.j2", view, specs)


def _modules(catalog: Catalog, patterns: tuple[Expanded, ...], compiled: CompiledMarches) -> Iterator[Job]:
    for op in modules.of_family(catalog, "weighted"):
        view = modules.weighted_view(catalog, op, patterns)
        yield from _classes("weighted", op.python.file, view, (f"op/{op.id}", "patterns"), "intrinsic")
    for op in modules.of_family(catalog, "window_max", "window_mean"):
        yield from _classes(op.family, op.python.file, modules.window_view(catalog, op), (f"op/{op.id}",))
    for op in modules.of_family(catalog, "clamp"):
        yield from _classes("clamp", op.python.file, modules.clamp_view(op), (f"op/{op.id}",))
    for op in modules.of_family(catalog, "tensor_module"):
        yield from _classes("tensor_module", op.python.file, modules.tensor_module_view(op), (f"op/{op.id}",))
    yield from _tables(catalog)
    norms = tuple(op for op in modules.of_family(catalog, "norm") if op.python.file)
    specs = tuple(f"op/{op.id}" for op in norms)
    yield from _classes("norm", norms[0].python.file if norms else None, norm.norm_view(catalog), specs)
    yield from _composites(catalog)
    functional = functional_views.functional_view(catalog, compiled)
    shapes = (functional.binary, functional.scalar, functional.pairwise, functional.concat, functional.product)
    methods = tuple(f"op/{f.op}" for shape in (*shapes, functional.reduction) for f in shape)
    yield _job("nn/quantized/functional_joins.py", functional, methods)
    methods += tuple(f"op/{f.op}" for shape in (functional.tables, functional.delegated) for f in shape)
    files = (
        "qat/functional_modules",
        "qat/functional_tables",
        "quantized/functional_modules",
        "quantized/functional_tables",
    )
    for file in ("float_functional", *files):
        yield _job(f"nn/{file}.py", functional, methods)
    stubs = functional_views.stubs_view(catalog)
    for path in ("nn/qat/stubs.py", "nn/quantized/quantize.py"):
        yield _job(path, stubs, (f"op/{stubs.quant.op}", f"op/{stubs.dequant.op}"))
    yield from _runtime_modules(catalog)
    yield _job("nn/__init__.py", exports.nn_view(catalog), ("ops",))
    for folder, exported in exports.nn_views(catalog, patterns).items():
        yield _job(f"nn/{folder}/__init__.py", exported, ("ops", "patterns"), "nn/[folder]/__init__.py")


def _composites(catalog: Catalog) -> Iterator[Job]:
    """Operators that are graphs of others: a QAT module, and what torch or the quantized form lacks."""
    ops = tuple(modules.of_family(catalog, "composite"))
    every = tuple(f"op/{op.id}" for op in ops)
    yield _job(f"nn/{composite.FILE}.py", composite.float_composites_view(ops), every)
    for op in ops:
        folders = ("qat", *(["quantized"] if op.python.quantized else []))
        for folder in folders:
            view = composite.composite_view(catalog, op)
            yield _job(f"nn/{folder}/{op.python.file}.py", view, ("ops",), f"nn/{folder}/[composite].py")
    for op in modules.of_family(catalog, "recurrent"):
        layer = composite.recurrent_view(catalog, op)
        yield _job(f"nn/qat/{op.python.file}.py", layer, (f"op/{op.id}",), "nn/qat/[recurrent].py")


def _tables(catalog: Catalog) -> Iterator[Job]:
    """Functions of one variable."""
    every = tuple(f"op/{op.id}" for op in modules.of_family(catalog, "table", "unary", "power"))
    yield _job(f"nn/{unary.FILE}.py", unary.table_modules_view(catalog), every)
    yield _job("nn/unary.py", unary.function_modules_view(catalog), every)
    for op in modules.of_family(catalog, "table"):
        yield from _classes("table", op.python.file, unary.table_view(op), (f"op/{op.id}",))
    for op in modules.of_family(catalog, "unary", "slope"):
        if op.python.class_:
            yield from _classes(op.family, op.python.file or op.id, unary.unary_view(catalog, op), (f"op/{op.id}",))


def _runtime_modules(catalog: Catalog) -> Iterator[Job]:
    """Classes and functions that give a mechanism its operator."""
    for (folder, file), view in runtime_files(catalog).items():
        path = f"nn/{folder}/" if folder else "nn/"
        specs = tuple(f"op/{c.op}" for c in view.classes)
        yield _job(f"{path}{file}.py", view, specs, f"{path}[runtime_module].py")
    for file, functions in runtime_functions_views(catalog).items():
        yield _job(f"nn/{file}.py", functions, ("ops",), "nn/[runtime_function].py")


def _classes(family: str, file: str | None, view: object, specs: tuple[str, ...], *further: str) -> Iterator[Job]:
    """The QAT and the quantized module of a family's operators; nothing for an operator without a file of its own."""
    for folder in (*further, "qat", "quantized"):
        if file is not None:
            yield _job(f"nn/{folder}/{file}.py", view, specs, f"nn/{folder}/[{family}].py")


def _tests(catalog: Catalog, compiled: CompiledMarches, tests: GeneratedTests, inputs: Inputs) -> Iterator[Job]:
    for march in (*catalog.marches, None):
        name, own = module_path(march), inputs.kernel_module(march)
        specs = ("kernels", f"march/{march}", "rounding") if march else ("kernels",)
        reference = Later(own, partial(FormulaViews(catalog, compiled).reference_module, march))
        yield Job(f"tests/reference/{name}.py", "tests/reference/[march].py.j2", reference, specs)
        cases = Later(own, partial(tests.kernels, march))
        yield Job(f"tests/test_kernels_{name}.py", "tests/test_kernels_[march].py.j2", cases, specs)
    for march in catalog.marches:
        view = Later(inputs.every_op, partial(tests.ops, march))
        path = f"tests/test_ops_{module_path(march)}.py"
        yield Job(path, "tests/test_ops_[march].py.j2", view, (f"march/{march}", "ops"))
