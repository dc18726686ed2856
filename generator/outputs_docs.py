"""Which documents there are: one job a page.

In: the checked knowledge. Out: jobs of generated/docs.
"""

from collections.abc import Iterator
from functools import partial

from generator.decide import Decisions
from generator.inputs import Inputs
from generator.link import Catalog
from generator.memo import digest
from generator.patterns import Expanded
from generator.plan import Job, Later
from generator.proven import CompiledMarches
from generator.views import docs, docs_ops, mutation, onnx
from generator.views.accuracy import GeneratedTests
from generator.views.from_formulas import FormulaViews


def docs_jobs(
    catalog: Catalog,
    decisions: Decisions,
    patterns: tuple[Expanded, ...],
    compiled: CompiledMarches,
    tests: GeneratedTests,
    inputs: Inputs,
) -> Iterator[Job]:
    """The matrix, accuracy, patterns, a page a march and a page an operator."""
    yield _job(
        "support-matrix.md",
        Later(inputs.every_op, partial(docs.matrix_view, catalog, decisions, inputs)),
        ("marches", "ops"),
    )
    yield _job("patterns.md", docs.patterns_view(catalog, patterns), ("patterns",))
    for linked in {entry.family.doc.path: entry.family for entry in catalog.kernels}.values():
        family, make = linked.spec.family, partial(FormulaViews(catalog, compiled).page, linked)
        page = Later(inputs.family(linked), make)
        yield _job(f"formulas/{family}.md", page, (f"kernels/{family}", "marches", "rounding"), "formulas/[family].md")
    yield _job("accuracy.md", Later(inputs.every_op, tests.accuracy), ("marches", "ops", "kernels", "ratchet"))
    if catalog.onnx:
        view = Later(digest(inputs.every_op, catalog.onnx[0].digest), partial(onnx.onnx_view, catalog, decisions))
        yield _job("onnx.md", view, ("marches", "ops", "onnx"))
    if (score := mutation.mutation_view(catalog)) is not None:
        yield _job("mutation.md", score, ("mutation", "waivers"))
    for march in catalog.marches:
        view = Later(inputs.march_page(march), partial(docs.march_view, catalog, decisions, compiled, march))
        yield _job(f"marches/{march}.md", view, ("kernels", f"march/{march}"), "marches/[march].md")
    for op in catalog.ops:
        of_op = Later(inputs.op(op), partial(docs_ops.op_page, catalog, decisions, compiled, tests, op))
        yield _job(f"ops/{op}.md", of_op, ("kernels", "marches", f"op/{op}", "ratchet"), "ops/[op].md")


def _job(path: str, view: object, specs: tuple[str, ...], template: str = "") -> Job:
    return Job(f"docs/{path}", f"docs/{template or path}.j2", view, specs)
