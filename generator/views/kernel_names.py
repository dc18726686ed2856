"""View of generated _kernel_names.py: which kernel computes an operator, and which rule each march has for it.

In: operators and compiled kernels. Out: rows of final text.
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.proven import CompiledMarches
from generator.views.names import sentence


@dataclass(frozen=True, slots=True)
class OperatorKernelView:
    """An operator and its kernel."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class KernelLabelView:
    """A kernel of a march: its rule and what it computes."""

    key: tuple[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class KernelNamesView:
    """Both tables."""

    operators: tuple[OperatorKernelView, ...]
    labels: tuple[KernelLabelView, ...]


def kernel_names_view(catalog: Catalog, compiled: CompiledMarches) -> KernelNamesView:
    """Every operator with a kernel, and every march's rule for it."""
    operators = tuple(OperatorKernelView(op.spec.id, op.spec.kernel) for op in catalog.ops.values() if op.spec.kernel)
    used = {row.value for row in operators}
    labels = tuple(
        KernelLabelView((march, role), f"{kernel.label}: {sentence(kernel.doc.strip().splitlines()[0])}")
        for march, kernels in compiled.by_march.items()
        for role, kernel in kernels.facts.items()
        if role in used
    )
    return KernelNamesView(operators, labels)
