"""The pipeline as one function: specs in, jobs and diagnostics out. Reading its body is reading the design.

In: the root of a tree with specs/. Out: a `PipelineResult` for render, format and publish, and the intermediate results
for `explain` and `matrix`.
"""

from dataclasses import dataclass
from pathlib import Path

from generator.checks import check_catalog
from generator.composite.check import check_composites
from generator.decide import Decisions, decide
from generator.diag import Diagnostic, errors
from generator.integer_forward import check_integer_forward
from generator.layout import SPECS
from generator.link import Catalog, link
from generator.memo import Memo
from generator.outputs import jobs_of
from generator.overlaps import diagnostics
from generator.overlay import merge, missing
from generator.patterns import Expanded, expand
from generator.plan import Job, PipelineResult
from generator.proven import CompiledMarches, compile_all
from generator.ratchet import check_todo_cells
from generator.source import Doc, load_tree


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything that the specs say, checked: what all outputs are made from."""

    catalog: Catalog
    decisions: Decisions
    patterns: tuple[Expanded, ...]
    compiled: CompiledMarches


@dataclass(frozen=True, slots=True)
class Understood:
    """The knowledge, unless the specs could not even be linked; all diagnostics; the texts for their snippets."""

    knowledge: Knowledge | None
    diagnostics: tuple[Diagnostic, ...]
    texts: dict[str, str]


def understand(root: Path, overlays: tuple[Path, ...] = (), memo: Memo | None = None) -> Understood:
    """Read, type, link, check, decide and compile the specs of the root and of every overlay."""
    texts: dict[str, str] = {}
    memo = memo or Memo()
    docs, unreadable = load_tree(root / SPECS, root, texts, memo)
    if overlays:
        added, wrong = _load_overlays(overlays, texts)
        docs, misplaced = merge(docs, added)
        unreadable = (*unreadable, *wrong, *misplaced)
    return understand_docs(docs, unreadable, texts, memo)


def understand_docs(
    docs: tuple[Doc, ...], unreadable: tuple[Diagnostic, ...], texts: dict[str, str], memo: Memo | None = None
) -> Understood:
    """The same of specs that were read already; `unreadable` is what reading found."""
    memo = memo or Memo()
    catalog, mistyped = link(docs, complete=not unreadable, memo=memo)
    if catalog is None or errors(unreadable):
        return Understood(None, (*unreadable, *_further(mistyped, unreadable)), texts)
    dangling = check_catalog(catalog)
    if errors(dangling):
        return Understood(None, (*unreadable, *dangling), texts)
    decisions, undecided = decide(catalog, memo)
    patterns, nameless = expand(catalog)
    overlapping = tuple(diagnostics(patterns))
    compiled, unproved = compile_all(catalog, memo)
    rose = (*check_todo_cells(catalog, decisions), *check_integer_forward(catalog, decisions))
    unfit = check_composites(catalog, decisions)
    found = (*unreadable, *dangling, *undecided, *rose, *nameless, *overlapping, *unproved, *unfit)
    return Understood(Knowledge(catalog, decisions, patterns, compiled), found, texts)


def _load_overlays(folders: tuple[Path, ...], texts: dict[str, str]) -> tuple[tuple[Doc, ...], tuple[Diagnostic, ...]]:
    """The specs of the overlays in the order given; their paths are relative to the current folder."""
    loaded = [load_tree(folder, Path.cwd(), texts) for folder in folders if folder.is_dir()]
    docs = tuple(doc for docs, _ in loaded for doc in docs)
    return docs, (*missing(folders), *(problem for _, found in loaded for problem in found))


def _further(mistyped: tuple[Diagnostic, ...], unreadable: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """What is wrong beside what could not be read: a refused value also has a wrong type, which is not worth telling."""
    told = {(d.span.path, d.span.line) for d in unreadable if d.span}
    return tuple(d for d in mistyped if d.span is None or (d.span.path, d.span.line) not in told)


def run(root: Path, overlays: tuple[Path, ...] = (), memo: Memo | None = None) -> PipelineResult:
    """Plan every output; no jobs when the specs have errors."""
    understood = understand(root, overlays, memo)
    jobs: tuple[Job, ...] = ()
    names: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    if understood.knowledge is not None and not errors(understood.diagnostics):
        jobs = jobs_of(
            understood.knowledge.catalog,
            understood.knowledge.decisions,
            understood.knowledge.patterns,
            understood.knowledge.compiled,
            memo,
        )
    if understood.knowledge is not None:
        names, plain = policy_names(understood.knowledge)
    return PipelineResult(jobs, understood.diagnostics, understood.texts, names, plain)


def policy_names(knowledge: Knowledge) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(ids that mechanism must not mention, those among them that are ordinary words).

    An operator whose id is a word of the field (add, split, view, linear) cannot be searched for; one with a digit or an
    underscore can. Marches always can.
    """
    ops = tuple(knowledge.catalog.ops)
    patterns = tuple(pattern.id for pattern in knowledge.patterns)
    classes = tuple(op.spec.python.class_ for op in knowledge.catalog.ops.values() if op.spec.python.class_)
    names = (*knowledge.catalog.marches, *ops, *patterns, *classes)
    plain = tuple(name for name in (*ops, *classes) if name.isalpha())
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(plain))
