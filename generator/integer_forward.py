"""Cells of the support matrix whose values in QAT are the march's integers, because float arithmetic is too far from them.

In: what operators say under `integer_forward`. Out: the cells of an operator on a march, and a diagnostic for each that is not
supported.
"""

from collections.abc import Iterator, Mapping

from generator.decide import Decisions
from generator.diag import Diagnostic
from generator.link import Catalog


def integer_cells(catalog: Catalog, op: str, march: str) -> Mapping[str, tuple[str, ...]]:
    """Input dtype -> output dtypes; a march that an operator says nothing of has those of its parent."""
    said = catalog.ops[op].spec.integer_forward
    return next((said[name] for name in catalog.lineage(march) if name in said), {})


def check_integer_forward(catalog: Catalog, decisions: Decisions) -> Iterator[Diagnostic]:
    """Each cell exists and is supported."""
    for op in catalog.ops.values():
        for march, row in op.spec.integer_forward.items():
            for source, targets in row.items():
                decision = decisions.get((op.spec.id, march, source))
                given = decision.outputs if decision is not None else ()
                for number, target in enumerate(targets):
                    if target not in given:
                        yield Diagnostic(
                            "D005",
                            f"{op.spec.id} on {march} does not turn {source} into {target}",
                            op.span("integer_forward", march, source, number),
                            hint=f"{source} gives {', '.join(given) or 'nothing'} there",
                        )
