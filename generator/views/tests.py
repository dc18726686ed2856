"""Views of the generated tests: tables of cases; the test bodies are in templates/tests/harness*.py.

In: compiled kernels and decisions. Out: for each march the kernels with the ranges of their operands, and every cell of
the support matrix with the cases of its operator.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

from generator.decide import Decision, Decisions, feature_dtypes
from generator.inputs import Inputs
from generator.link import Catalog, KernelEntry
from generator.proven import CompiledMarches, KernelFacts
from generator.ratchet import worst_steps
from generator.schema_case import Case
from generator.schema_op import Op
from generator.views.modules import class_name
from generator.views.names import label_of, module_path
from generator.views.runtime_modules import float_classes

_WIDEST_FEATURE = 16
_COMPARED_WITH_FLOAT = "qint16"  # composites: their results in 8 bits are as coarse as those of any operator
_LIST_FAMILIES = frozenset({"concat"})
_MODULE_FAMILIES = frozenset(
    {
        "weighted",
        "norm",
        "window_max",
        "window_mean",
        "clamp",
        "identity",
        "unary",
        "slope",
        "runtime_module",
        "tensor_module",
        "composite",
        "recurrent",
        "quantize_stub",
        "dequantize_stub",
    }
)
_PASSES_INTEGERS = "quantize_stub"  # what another stub quantized already
_OWN_CLASS = frozenset({"table"})


@dataclass(frozen=True, slots=True)
class KernelCaseView:
    """One kernel with one combination of dtypes, as keyword arguments of the harness."""

    id: str
    kernel: str
    tensors: tuple[tuple[str, int, int], ...]
    reals: tuple[str, ...]
    tables: tuple[tuple[str, int, int, int], ...]
    scales: tuple[str, ...]
    integers: tuple[tuple[str, int, int], ...]
    derive_dtypes: tuple[tuple[str, str], ...]
    compute_dtypes: tuple[tuple[str, str], ...]
    derived: bool


@dataclass(frozen=True, slots=True)
class KernelTestsView:
    """Every kernel of one march."""

    march: str
    module: str
    cases: tuple[KernelCaseView, ...]


@dataclass(frozen=True, slots=True)
class OpCaseView:
    """One cell of the support matrix with one case: how the operator is made and called."""

    id: str
    op: str
    kind: str
    make: str
    shapes: tuple[tuple[int, ...], ...]
    given: tuple[tuple[str, object], ...]
    values: tuple[float, float] | None
    arguments: tuple[object, ...]
    keywords: tuple[tuple[str, object], ...]
    as_list: bool
    write: str
    expected: str
    source: str
    output: str
    steps: tuple[tuple[str, int], ...]
    cosine: float | None


@dataclass(frozen=True, slots=True)
class OpTestsView:
    """The support matrix of one march as tests."""

    march: str
    supported: tuple[OpCaseView, ...]
    unsupported: tuple[OpCaseView, ...]


def kernel_tests(catalog: Catalog, compiled: CompiledMarches, inputs: Inputs, march: str | None) -> KernelTestsView:
    """Every kernel of a march, once for each combination of its dtypes."""
    make = partial(_kernel_tests, catalog, compiled, march)
    return inputs.memo.known(("kernel tests", inputs.kernel_module(march)), make)


def _kernel_tests(catalog: Catalog, compiled: CompiledMarches, march: str | None) -> KernelTestsView:
    kernels = compiled.by_march[march] if march else compiled.common
    entries = {label_of(entry.kernel): entry for entry in catalog.kernels}
    cases = []
    for role, kernel in kernels.facts.items():
        entry = entries[kernel.label]
        for values in product(*entry.kernel.types.values()):
            types = dict(zip(entry.kernel.types, values, strict=True))
            cases.append(_kernel_case(catalog, entry, role, kernel, types, compiled.compute_dtypes(role)))
    return KernelTestsView(march or "", module_path(march), tuple(cases))


def _kernel_case(
    catalog: Catalog,
    entry: KernelEntry,
    role: str,
    kernel: KernelFacts,
    types: dict[str, str],
    compute: tuple[str, ...],
) -> KernelCaseView:
    spec = entry.kernel
    tensors, reals = [], []
    for name, kind in spec.tensors.items():
        if kind == "real":
            reals.append(name)
        elif isinstance(kind, tuple):
            tensors.append((name, *kind))
        else:
            dtype = catalog.dtypes.spec.dtypes[types.get(kind, kind)]
            tensors.append((name, dtype.min, dtype.max))
    return KernelCaseView(
        id="-".join([role, *types.values()]),
        kernel=role,
        tensors=tuple(tensors),
        reals=tuple(reals),
        tables=tuple(_table(catalog, name, kind, size, types) for name, (kind, size) in spec.tables.items()),
        scales=tuple(spec.scales),
        integers=tuple((name, lo, hi) for name, (lo, hi) in spec.integers.items()),
        derive_dtypes=tuple((name, dtype) for name, dtype in types.items() if name in kernel.derive_arguments),
        compute_dtypes=tuple((name, dtype) for name, dtype in types.items() if name in compute),
        derived=kernel.is_derived,
    )


def _table(
    catalog: Catalog, name: str, kind: str | tuple[int, int], size: int, types: dict[str, str]
) -> tuple[str, int, int, int]:
    if isinstance(kind, tuple):
        return name, *kind, size
    dtype = catalog.dtypes.spec.dtypes[types.get(kind, kind)]
    return name, dtype.min, dtype.max, size


def op_tests(catalog: Catalog, decisions: Decisions, inputs: Inputs, march: str) -> OpTestsView:
    """Every cell of the matrix that has a case."""
    supported: list[OpCaseView] = []
    unsupported: list[OpCaseView] = []
    for computed, refused in inputs.every(f"tests on {march}", partial(_op_tests, catalog, decisions, march)):
        supported += computed
        unsupported += refused
    return OpTestsView(march, tuple(supported), tuple(unsupported))


def _op_tests(catalog: Catalog, decisions: Decisions, march: str, op: str) -> tuple[list[OpCaseView], list[OpCaseView]]:
    """The cases of one operator: of supported cells, and of others."""
    supported: list[OpCaseView] = []
    unsupported: list[OpCaseView] = []
    spec, dtypes = catalog.ops[op].spec, feature_dtypes(catalog)
    bounds = _steps(catalog, spec, march), catalog.ratchet.spec.least_cosine
    for (number, case), dtype in product(enumerate(spec.cases), dtypes):
        decision = decisions[op, march, dtype]
        if decision.status == "supported":
            supported.extend(_op_case(spec, case, number, decision, output, *bounds) for output in decision.outputs)
        elif number == 0 and _has_stub(catalog, dtype) and spec.family != _PASSES_INTEGERS:
            unsupported.append(_op_case(spec, case, number, decision, dtype, {}, 0))
    return supported, unsupported


def _has_stub(catalog: Catalog, dtype: str) -> bool:
    """Whether values of a dtype leave a QuantStub: float32 and accumulators do not."""
    known = catalog.dtypes.spec.dtypes
    return dtype in known and known[dtype].bits <= _WIDEST_FEATURE


def _steps(catalog: Catalog, op: Op, march: str) -> dict[str, int]:
    """How far integers may be from QAT: what the operator says for the march, else one step.

    Once that is measured no more than one step beyond the measured number, which another machine's QAT may make.
    """
    allowed = next((op.steps[m] for m in catalog.lineage(march) if m in op.steps), {})
    measured = worst_steps(catalog, op.id, march).items()
    return allowed | {dtype: min(allowed.get(dtype, 1), worst + 1) for dtype, worst in measured}


def _op_case(
    op: Op, case: Case, number: int, decision: Decision, output: str, steps: dict[str, int], cosine: float
) -> OpCaseView:
    kind, target = _form(op)
    make = ", ".join(f"{name}={_python(value)}" for name, value in case.make.items())
    return OpCaseView(
        id=f"{op.id}-{number}-{decision.dtype}-{output}",
        op=op.id,
        kind=kind,
        make={"module": f"{target}({make})", "function": target}.get(kind, repr(target)),
        shapes=case.inputs,
        given=tuple((given.dtype, given.values) for given in case.given.values()),
        values=case.values,
        arguments=case.arguments,
        keywords=tuple(case.call.items()),
        as_list=op.family in _LIST_FAMILIES,
        write=f"lambda {', '.join(('op', *case.operands))}: {case.write}" if case.write else "None",
        expected=f"lambda x: {case.expected}" if case.expected else "None",
        source=decision.dtype,
        output=output,
        steps=tuple(sorted(steps.items())),
        cosine=cosine if (op.composite or op.cell) and output == _COMPARED_WITH_FLOAT else None,
    )


def _form(op: Op) -> tuple[str, str]:
    """How a test writes the operator: a module, a function, a method of a tensor or of a FloatFunctional; and its name."""
    if op.family in _OWN_CLASS:
        return "module", f"nn.{class_name(op)}"
    if op.family in _MODULE_FAMILIES and (op.float.modules or op.runtime is not None):
        return "module", float_classes(op)[0]
    if op.float.functions:
        return "function", op.float.functions[0]
    if op.python.function:
        return "function", f"{'nn.' if op.runtime else ''}functional.{op.python.function}"
    if op.float.methods:
        return "method", op.float.methods[0]
    return ("functional", op.python.method) if op.python.method else ("function", op.float.overloads[0])


def _python(value: object) -> str:
    """The text of an argument; {function: a.b} is that function."""
    if isinstance(value, dict) and value.keys() == {"function"}:
        return str(value["function"])
    return repr(tuple(value)) if isinstance(value, (list, tuple)) else repr(value)
