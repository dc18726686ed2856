"""From a checkout to the bytes of every output: the stages in order, for `build`, `check` and `diff`.

In: the root. Out: `Produced`: bytes and keys by path, or diagnostics. Outputs whose key is the one in MANIFEST and whose
file is as we wrote it are taken from disk, unless everything is to be made anew.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from generator.diag import Diagnostic, errors
from generator.disk import Disk
from generator.format import format_texts
from generator.layout import GENERATED, STATE, TEMPLATES
from generator.lint import lint, lint_texts_of, linted_files
from generator.memo import Memo
from generator.pipeline import run
from generator.plan import Job, PipelineResult, check_plan, plan_mirrors, plan_templates
from generator.publish import read_entries
from generator.render import job_keys, render


@dataclass(frozen=True, slots=True)
class Produced:
    """Every output, unless there are errors; what was found; the texts for snippets; how many were rendered."""

    outputs: dict[str, bytes]
    keys: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    texts: dict[str, str] = field(default_factory=dict)
    rendered: int = 0

    @property
    def failed(self) -> bool:
        """Whether there is nothing to publish."""
        return bool(errors(self.diagnostics))


def produce(root: Path, *, trust: bool, memo: Memo | None = None) -> Produced:
    """Run every stage but the last.

    Args:
        root: the checkout.
        trust: take outputs from disk where MANIFEST says that they are right.
        memo: what earlier runs of this process worked out; otherwise what the last build left behind.
    """
    memo = memo or (Memo(root / STATE) if trust else Memo())
    planned = run(root, memo=memo)
    templates = root / TEMPLATES
    mirrors = plan_mirrors(templates)
    found, texts = planned.diagnostics, dict(planned.texts)
    if not errors(found):
        found = (*found, *check_plan(planned.jobs, mirrors, plan_templates(templates)))
    if not errors(found):
        linted, lint_texts = _linted(planned, root, memo)
        found, texts = (*found, *linted), texts | lint_texts
    if errors(found):
        return Produced({}, {}, found, texts)
    sources = {mirror.path: f"{templates}/{mirror.path}" for mirror in mirrors}
    outputs = {path: memo.disk.read(file) for path, file in sources.items()}
    keys = {path: memo.disk.hash_of(file) for path, file in sources.items()}
    keys |= job_keys(planned.jobs, templates, tools(root), memo)
    memo.save()
    kept = _kept(planned, keys, root, memo.disk) if trust else {}
    fresh = tuple(job for job in planned.jobs if job.path not in kept)
    made, failures = _made(fresh, keys, root)
    return Produced(outputs | kept | made, keys, (*found, *failures), texts, len(fresh))


def _made(jobs: tuple[Job, ...], keys: dict[str, str], root: Path) -> tuple[dict[str, bytes], tuple[Diagnostic, ...]]:
    rendered, failures = render(jobs, root / TEMPLATES, keys, root / STATE / "jinja")
    if errors(failures):
        return {}, failures
    templates = {job.path: job.template for job in jobs}
    stage = root / STATE / f"stage-{os.getpid()}"
    made, unformatted = format_texts({item.path: item.text for item in rendered}, templates, root, stage)
    return made, (*failures, *unformatted)


def _linted(planned: PipelineResult, root: Path, memo: Memo) -> tuple[tuple[Diagnostic, ...], dict[str, str]]:
    """What the lint found, and the texts for its snippets; the files that it passed before are not read again."""
    hashes = [(path, memo.disk.hash_of(file)) for path, file in linted_files(root).items()]
    parts = (hashes, planned.names, planned.plain_words)
    found = memo.recall("lint", parts, lambda: lint(planned, lint_texts_of(root, memo.disk)))
    return found, lint_texts_of(root, memo.disk) if found else {}


def _kept(planned: PipelineResult, keys: dict[str, str], root: Path, disk: Disk) -> dict[str, bytes]:
    """Outputs that are on disk as they should be."""
    kept, entries = {}, read_entries(root)
    for job in planned.jobs:
        recorded = entries.get(job.path, ())
        file = f"{root}/{GENERATED}/{job.path}"
        as_planned = len(recorded) == 1 and recorded[0][1] == keys[job.path] and os.path.isfile(file)
        if as_planned and disk.hash_of(file) == recorded[0][0]:
            kept[job.path] = disk.read(file)
    return kept


def tools(root: Path) -> str:
    """What else decides the bytes: the formatter's version and line length, both fixed in pyproject.toml."""
    path = root / "pyproject.toml"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return "\n".join(line for line in lines if line.startswith(("required-version", "line-length", "target-version")))
