"""Which documents there are: one job a page.

In: the checked knowledge. Out: jobs of generated/docs.
"""

from collections.abc import Iterator

from generator.compile import CompiledMarches
from generator.decide import Decisions
from generator.link import Catalog
from generator.patterns import Expanded
from generator.plan import Job
from generator.views import accuracy, docs, docs_ops, formula_pages, mutation
from generator.views.accuracy import GeneratedTests


def docs_jobs(
    catalog: Catalog,
    decisions: Decisions,
    patterns: tuple[Expanded, ...],
    compiled: CompiledMarches,
    tests: GeneratedTests,
) -> Iterator[Job]:
    """The matrix, accuracy, patterns, a page a march and a page an operator."""
    yield _job("support-matrix.md", docs.matrix_view(catalog, decisions), ("marches", "ops"))
    yield _job("patterns.md", docs.patterns_view(catalog, patterns), ("patterns",))
    for family, page in formula_pages.formula_pages(catalog, compiled):
        yield _job(f"formulas/{family}.md", page, (f"kernels/{family}", "marches", "rounding"), "formulas/[family].md")
    measured = accuracy.accuracy_view(catalog, decisions, tests)
    yield _job("accuracy.md", measured, ("marches", "ops", "kernels", "ratchet"))
    if (score := mutation.mutation_view(catalog)) is not None:
        yield _job("mutation.md", score, ("mutation", "waivers"))
    for march in catalog.marches:
        view = docs.march_view(catalog, decisions, compiled, march)
        yield _job(f"marches/{march}.md", view, ("kernels", f"march/{march}"), "marches/[march].md")
    rows = {row.op: row for row in measured.rows}
    for op in catalog.ops:
        view_of_op = docs_ops.op_page(catalog, decisions, compiled, rows.get(op), op)
        yield _job(f"ops/{op}.md", view_of_op, ("kernels", "marches", f"op/{op}", "ratchet"), "ops/[op].md")


def _job(path: str, view: object, specs: tuple[str, ...], template: str = "") -> Job:
    return Job(f"docs/{path}", f"docs/{template or path}.j2", view, specs)
