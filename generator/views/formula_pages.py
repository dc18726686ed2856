"""Views of generated/docs/formulas: the integer formulas of each kernel family, typeset.

In: compiled kernels. Out: one page a family; marches whose formulas are the same, constants and roundings included, share
a section.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from generator.formula.lower_latex import latex
from generator.formula.model import Compiled
from generator.link import Linked
from generator.proven import CompiledMarches
from generator.schema import Kernel, Kernels
from generator.views.names import label_of


@dataclass(frozen=True, slots=True)
class OperandView:
    """What a formula takes: a name and what it is."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FormulasView:
    """The formulas of one kernel on the marches that share them."""

    marches: str
    derive: tuple[str, ...]
    compute: tuple[str, ...]
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KernelFormulasView:
    """One kernel."""

    name: str
    doc: str
    source: str
    operands: tuple[OperandView, ...]
    groups: tuple[FormulasView, ...]


@dataclass(frozen=True, slots=True)
class FormulaPageView:
    """One family."""

    title: str
    doc: str
    kernels: tuple[KernelFormulasView, ...]


def page_view(family: Linked[Kernels], compiled: CompiledMarches) -> FormulaPageView:
    """The page of one kernel family."""
    kernels = tuple(_kernel(kernel, compiled) for kernel in family.spec.kernels)
    return FormulaPageView(_title(family), family.spec.doc.strip(), kernels)


def _title(family: Linked[Kernels]) -> str:
    return f"Formulas: {family.spec.family.replace('_', ' ').replace('-', ' ')}"


def _kernel(kernel: Kernel, compiled: CompiledMarches) -> KernelFormulasView:
    name = label_of(kernel)
    groups: dict[tuple[str, ...], list[str]] = {}
    chosen: dict[tuple[str, ...], FormulasView] = {}
    for march, kernels in (*compiled.by_march.items(), ("every march", compiled.common)):
        found = kernels.get(kernel.id)
        if found is not None and found.label == name:
            groups.setdefault(found.math, []).append(march)
            chosen[found.math] = kernels.derived(kernel.id, "typeset", _formulas)
    views = tuple(replace(chosen[math], marches=", ".join(marches)) for math, marches in groups.items())
    return KernelFormulasView(name, kernel.doc.strip(), kernel.source, tuple(_operands(kernel)), views)


def _formulas(compiled: Compiled) -> FormulasView:
    """The formulas of a kernel; the marches are still to be said."""
    proved = compiled.proved
    derive, compute = (tuple(latex(line) for line in lines) for lines in (proved.derive, proved.compute))
    return FormulasView("", derive, compute, compiled.proof)


def _operands(kernel: Kernel) -> Iterator[OperandView]:
    yield from (OperandView(name, f"float32, {text}") for name, text in kernel.scales.items())
    yield from (OperandView(name, f"integer, {lo} .. {hi}") for name, (lo, hi) in kernel.integers.items())
    yield from (OperandView(name, _tensor(kind, kernel.types)) for name, kind in kernel.tensors.items())
    if isinstance(kernel.result, str) and kernel.result in kernel.types:
        yield OperandView("result", _tensor(kernel.result, kernel.types))


def _tensor(kind: str | tuple[int, int], types: Mapping[str, tuple[str, ...]]) -> str:
    if isinstance(kind, tuple):
        return f"integers, {kind[0]} .. {kind[1]}"
    if kind in types:
        return f"integers of `{kind}`: {', '.join(types[kind])}"
    return "float32 values" if kind == "real" else f"integers, {kind}"
