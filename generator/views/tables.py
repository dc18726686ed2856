"""View of `_tables.py`: operators and patterns as the mechanism needs them.

In: the catalog and the expanded patterns. Out: rows whose fields are Python expressions, for example::

    Step(role="activation", modules=(torch.nn.Identity,), method=None)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from generator.link import Catalog
from generator.patterns import Expanded
from generator.proven import CompiledMarches
from generator.schema_op import Op
from generator.views.composite import float_classes as composite_classes
from generator.views.modules import class_name, fused_name, of_family, tail_of, weighted_view
from generator.views.replacements import FUNCTIONAL, ReplacementView, as_tuple, replacements
from generator.views.runtime_modules import float_classes

_TORCH_FUNCTIONAL = "torch.ao.nn.quantized.FloatFunctional"


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of patterns."""

    name: str
    role: str
    modules: str
    method: str | None


@dataclass(frozen=True, slots=True)
class PatternView:
    """One fusable chain."""

    id: str
    steps: str
    fused: str
    with_norm: str
    priority: int


@dataclass(frozen=True, slots=True)
class PairView:
    """A class and the class that takes its place."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class TensorRuleView:
    """What functions do with a QTensor."""

    op: str
    behaviour: str
    kernel: str
    dtypes: tuple[str, ...]
    functions: str


@dataclass(frozen=True, slots=True)
class TablesView:
    """Everything in `_tables.py`."""

    replacements: tuple[ReplacementView, ...]
    steps: tuple[StepView, ...]
    patterns: tuple[PatternView, ...]
    forced_activations: str
    qat_modules: tuple[PairView, ...]
    quantized_modules: tuple[PairView, ...]
    tensor_rules: tuple[TensorRuleView, ...]
    leaf_modules: str
    functional_methods: str
    method_modules: str
    recognized: tuple[PairView, ...]
    passthrough: str
    passthrough_lists: str
    passthrough_modules: str
    plain: str


def tables_view(catalog: Catalog, patterns: tuple[Expanded, ...], compiled: CompiledMarches) -> TablesView:
    """Build every table."""
    steps: dict[str, StepView] = {}
    pattern_views = tuple(_pattern(catalog, pattern, steps) for pattern in patterns)
    rules = tuple(_tensor_rules(catalog, compiled))
    return TablesView(
        replacements=tuple(replacements(catalog)),
        steps=tuple(steps.values()),
        patterns=pattern_views,
        forced_activations=_listed(
            f'"{mode}": {catalog.ops[op].spec.float.modules[0]}'
            for family in catalog.patterns
            for mode, op in family.spec.forced.items()
        ),
        qat_modules=tuple(_qat_modules(catalog, patterns)),
        quantized_modules=tuple(_quantized_modules(catalog, patterns)),
        tensor_rules=rules,
        passthrough=_listed_functions(rules, _KEEPING),
        passthrough_lists=_listed_functions(rules, {"keep_list"}),
        leaf_modules=_listed(
            f"nn.{op.python.module}" for op in of_family(catalog, "unary", "power") if op.python.module
        ),
        functional_methods=_listed(
            f'"{name}": "{linked.spec.id}"'
            for linked in catalog.ops.values()
            for name in (linked.spec.python.method, *linked.spec.python.aliases)
            if linked.spec.python.method and name
        ),
        method_modules=_listed(
            f'"{op.python.method}": nn.{op.python.module}' for op in of_family(catalog, "composite") if op.python.method
        ),
        recognized=tuple(
            PairView(name, f"nn.{class_name(op.spec)}") for op in catalog.ops.values() for name in op.spec.float.by_name
        ),
        passthrough_modules=_listed(
            m for op in of_family(catalog, "passthrough", "identity") for m in op.float.modules
        ),
        plain=_listed_functions(rules, {"plain"}),
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _pattern(catalog: Catalog, pattern: Expanded, steps: dict[str, StepView]) -> PatternView:
    names = []
    for role in pattern.steps:
        view = _step(catalog, pattern, role)
        while steps.setdefault(view.name, view) != view:  # another family's step of that role matches other modules
            view = replace(view, name=f"{view.name}_")
        names.append(view.name)
    op = catalog.ops[pattern.base].spec
    fused = f"intrinsic.{fused_name(op, tail_of(catalog, pattern))}" if pattern.tail else "None"
    kept = f"intrinsic.{fused_name(op, tail_of(catalog, pattern, keeps_norm=True))}" if pattern.norm else "None"
    return PatternView(pattern.id, as_tuple(names), fused, kept, pattern.priority)


def _step(catalog: Catalog, pattern: Expanded, role: str) -> StepView:
    if role == "base":
        return StepView(f"_{pattern.base.upper()}", "weighted", _modules(catalog, (pattern.base,)), None)
    if role == "norm":
        return StepView("_NORM", "norm", _modules(catalog, pattern.norms), None)
    if role == "add":
        method = catalog.ops[pattern.adds[0]].spec.python.method
        return StepView("_ADD", "add", f"{FUNCTIONAL}, {_TORCH_FUNCTIONAL}", method)
    return StepView(f"_{pattern.activation.upper()}", "activation", _modules(catalog, (pattern.activation,)), None)


def _modules(catalog: Catalog, ops: tuple[str, ...]) -> str:
    return as_tuple(module for op in ops for module in catalog.ops[op].spec.float.modules)


def _qat_modules(catalog: Catalog, patterns: tuple[Expanded, ...]) -> Iterable[PairView]:
    for op in catalog.ops.values():
        if op.spec.runtime is not None and op.spec.runtime.qat:
            for module in float_classes(op.spec):
                yield PairView(module, f"qat.{class_name(op.spec)}")
        elif op.spec.python.class_:
            given = (f"nn.{class_name(op.spec)}",) if op.spec.family == "table" else op.spec.float.modules
            for module in composite_classes(op.spec) if op.spec.family == "composite" else given:
                yield PairView(module, f"qat.{class_name(op.spec)}")
    yield PairView("QuantStub", "qat.QuantStub")
    yield PairView(FUNCTIONAL, "qat.FloatFunctional")
    yield PairView(_TORCH_FUNCTIONAL, "qat.FloatFunctional")
    for name in (*_fused_names(catalog, patterns), *_names_with_norm(catalog, patterns)):
        yield PairView(f"intrinsic.{name}", f"qat.{name}")


def _without_qat(op: Op) -> tuple[str, ...]:
    """The family of an operator that has no QAT class."""
    return (op.family,) if op.runtime is not None and not op.runtime.qat else ()


def _fused_names(catalog: Catalog, patterns: tuple[Expanded, ...]) -> dict[str, str]:
    """Fused class -> the quantized class of its integers; the first fused class with one computation gives the name."""
    names: dict[str, str] = {}
    first: dict[tuple[str, bool, bool], str] = {}
    for pattern in sorted((p for p in patterns if p.tail), key=_declared_order(catalog)):
        op = catalog.ops[pattern.base].spec
        name = fused_name(op, tail_of(catalog, pattern))
        names[name] = first.setdefault((pattern.base, pattern.add, bool(pattern.activation)), name)
    return names


def _names_with_norm(catalog: Catalog, patterns: tuple[Expanded, ...]) -> dict[str, str]:
    """Fused class that keeps its normalization -> the quantized class of its integers."""
    folded = _fused_names(catalog, patterns)
    return {
        view.name: folded.get(view.folded, view.folded)
        for op in of_family(catalog, "weighted")
        for view in weighted_view(catalog, op, patterns).with_norm
    }


def _declared_order(catalog: Catalog) -> Callable[[Expanded], tuple[int, bool, int]]:
    """A sort key: the order in which operators are written."""
    order = {name: index for index, name in enumerate(catalog.ops)}
    return lambda p: (order[p.base], p.add, order.get(p.activation, -1))


def _quantized_modules(catalog: Catalog, patterns: tuple[Expanded, ...]) -> Iterable[PairView]:
    for op in catalog.ops.values():
        if op.spec.python.class_ and op.spec.family not in (
            "quantize_stub",
            "dequantize_stub",
            "composite",
            "recurrent",
            *_without_qat(op.spec),
        ):
            yield PairView(f"qat.{class_name(op.spec)}", f"quantized.{class_name(op.spec)}")
        elif op.spec.python.quantized:
            yield PairView(f"qat.{class_name(op.spec)}", f"quantized.{op.spec.python.quantized}")
    yield PairView("qat.QuantStub", "quantized.Quantize")
    yield PairView("qat.DeQuantStub", "quantized.DeQuantize")
    yield PairView("qat.FloatFunctional", "quantized.QFunctional")
    fused_names = {**_fused_names(catalog, patterns), **_names_with_norm(catalog, patterns)}
    for fused, quantized in fused_names.items():
        yield PairView(f"qat.{fused}", f"quantized.{quantized}")
    for op_spec in of_family(catalog, "identity"):
        for module in op_spec.float.modules:
            yield PairView(module, "Identity")


_KEEPING = frozenset(
    {"keep", "inert", "select", "value_and_index", "ordered", "leading", "pointwise", "bound", "fill", "take_in", "pad"}
)
"""Behaviours whose result has the scale of the first input."""


def _tensor_rules(catalog: Catalog, compiled: CompiledMarches) -> Iterable[TensorRuleView]:
    """Operators first: a function that has a row is no function of qtensor.yaml."""
    for op in catalog.ops.values():
        if behaviour := _behaviour(op.spec):
            yield _rule(op.spec.id, behaviour, op.spec.kernel, _torch_functions(op.spec), compiled)
    for behaviour, listed in catalog.qtensor.spec.behaviours.items():
        functions = (*listed.functions, *(f"torch.Tensor.{name}" for name in listed.methods))
        yield _rule("", behaviour, listed.kernel, functions, compiled)


def _behaviour(op: Op) -> str | None:
    if op.family == "passthrough":
        return "keep_list" if op.returns == "list" else "keep"
    return "keep" if op.family == "identity" else op.behaviour


def _rule(
    op: str, behaviour: str, kernel: str | None, functions: Iterable[str], compiled: CompiledMarches
) -> TensorRuleView:
    dtypes = compiled.compute_dtypes(kernel) if kernel else ()
    return TensorRuleView(op, behaviour, kernel or "", dtypes, as_tuple(functions))


def _torch_functions(op: Op) -> Iterable[str]:
    """Functions of torch and Tensor methods; Python's operators reach a tensor as its methods."""
    yield from (name for name in op.float.functions if name.startswith("torch."))
    yield from (f"torch.Tensor.{name}" for name in op.float.methods)
    if op.behaviour:
        yield from op.float.overloads


def _listed_functions(rules: tuple[TensorRuleView, ...], behaviours: Iterable[str]) -> str:
    return "".join(rule.functions for rule in rules if rule.behaviour in behaviours)
