"""Views of FloatFunctional and of the stubs: operators whose module is given, not one of their own.

In: the catalog and the compiled kernels. Out: views; every call and docstring is final.
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.proven import CompiledMarches, KernelFacts
from generator.schema_op import Op
from generator.views.modules import of_family
from generator.views.names import sentence


@dataclass(frozen=True, slots=True)
class FunctionView:
    """One method of FloatFunctional; what a family has no use for is empty."""

    op: str
    method: str
    aliases: tuple[str, ...]
    doc: str
    formula: str
    function: str
    float_value: str
    float_arguments: str
    module: str
    module_instead: bool
    kernel: str
    compute_dtypes: str
    operand: str
    integer_operand: str
    right: str
    left: str
    masks: bool
    keepdim: str
    simulated: str
    accumulates: bool
    derive_arguments: str
    finish: str
    finish_arguments: str
    result: str
    result_arguments: str


@dataclass(frozen=True, slots=True)
class FunctionalView:
    """The methods of FloatFunctional by shape: what they take and how their result gets its scale."""

    version: int
    together: tuple[str, ...]
    each: tuple[str, ...]
    single: tuple[str, ...]
    unlike: tuple[str, ...]
    binary: tuple[FunctionView, ...]
    scalar: tuple[FunctionView, ...]
    pairwise: tuple[FunctionView, ...]
    concat: tuple[FunctionView, ...]
    product: tuple[FunctionView, ...]
    reduction: tuple[FunctionView, ...]
    tables: tuple[FunctionView, ...]
    delegated: tuple[FunctionView, ...]
    with_module: tuple[FunctionView, ...]


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

    def views(*families: str) -> tuple[FunctionView, ...]:
        return tuple(_function(op, compiled) for op in of_family(catalog, *families) if op.python.method)

    def methods(*families: str) -> tuple[str, ...]:
        ops = of_family(catalog, *families)
        return tuple(name for op in ops for name in (op.python.method or "", *op.python.aliases))

    versions = [op.keepdim_before or 1 for op in of_family(catalog, "reduction")]
    return FunctionalView(
        version=max(versions, default=1),
        together=methods("binary"),
        each=methods("pairwise", "concat"),
        single=tuple(view.method for view in views("unary")),
        unlike=methods("scalar", "scaling"),
        binary=views("binary"),
        scalar=views("scalar", "scaling"),
        pairwise=views("pairwise"),
        concat=views("concat"),
        product=views("product"),
        reduction=views("reduction"),
        tables=views("unary"),
        delegated=views("composite"),
        with_module=views("unary", "composite"),
    )


def method_alone(op: Op) -> str | None:
    """The method that computes an operator which has no module of its own."""
    return None if op.python.module else op.python.method


def _function(op: Op, compiled: CompiledMarches) -> FunctionView:
    scaling = op.family == "scaling"
    kernel = op.kernel or ""
    return FunctionView(
        op=op.id,
        method=op.python.method or "",
        aliases=op.python.aliases,
        doc=sentence(op.doc) + (" One of them may be a python number." if op.numbers else ""),
        formula=op.formula or "",
        function=(op.float.functions or ("",))[0],
        float_value=op.formula or f"{(op.float.functions or ('',))[0]}(x)",
        float_arguments="x: Tensor, y: Tensor" if op.family == "composite" else "x: Tensor",
        module=op.python.module or "",
        module_instead=op.python.module_instead,
        kernel=kernel,
        compute_dtypes=", ".join(f"{name}={_DTYPES[name]}" for name in compiled.compute_dtypes(kernel)),
        operand="Any" if op.numbers else "Tensor",
        integer_operand="Any" if op.numbers else "QTensor",
        right=op.numbers.right if op.numbers else "",
        left=op.numbers.left if op.numbers else "",
        masks=op.masks,
        keepdim="bool = False" if op.keepdim_before is None else "bool | None = None",
        simulated=_simulated(kernel, compiled),
        accumulates=any("qint32" in cell for row in op.support.values() for cell in row.values() if _is_list(cell)),
        derive_arguments=_derive_arguments(kernel, compiled),
        finish="_finish_scaled" if scaling else "_finish",
        finish_arguments=", source, y" if scaling else "",
        result="_scaled" if scaling else "_result",
        result_arguments=", x, y" if scaling else "",
    )


_DTYPES = {"input": "x.dtype", "other": "y.dtype", "output": "self.dtype"}
_ARGUMENTS = {
    **_DTYPES,
    **dict.fromkeys(("s_x", "s_in"), "x.q_scale()"),
    "s_out": "self.scale",
    "n": "n",
    "number": "torch.tensor(float(y), device=x.q_scale().device)",
}
"""What arguments of kernels are in the methods' words."""


def _is_list(cell: object) -> bool:
    return isinstance(cell, tuple)


def _variants(kernel: str, compiled: CompiledMarches) -> list[KernelFacts]:
    return [kernels.facts[kernel] for kernels in (*compiled.by_march.values(), compiled.common) if kernel in kernels]


def _simulated(kernel: str, compiled: CompiledMarches) -> str:
    """The QAT value of a reduction: by the rule of the march, if it has one of its own, else the sum."""
    rule = f"simulate_{kernel}"
    if not _variants(rule, compiled):
        return "total"
    return f"self.kernels.{rule}(total, n=math.prod(x.shape[d] for d in dims))"


def _derive_arguments(kernel: str, compiled: CompiledMarches) -> str:
    """The arguments that any variant derives from, so that callers need not know which one a march chose."""
    names = dict.fromkeys(name for variant in _variants(kernel, compiled) for name in variant.derive_arguments)
    return ", ".join(f"{name}={_ARGUMENTS[name]}" for name in names if name in _ARGUMENTS)


def stubs_view(catalog: Catalog) -> StubsView:
    """Both stubs."""
    return StubsView(
        *(_stub(next(iter(of_family(catalog, family)))) for family in ("quantize_stub", "dequantize_stub"))
    )


def _stub(op: Op) -> StubView:
    return StubView(op.id, sentence(op.doc), op.float.modules[0], op.kernel or "")
