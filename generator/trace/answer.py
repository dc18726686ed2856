"""The answer for one line of generated/, and the audit of all of them.

In: the root. Out: `Answer`s: which template line, which spec fields, and what kind of line it is.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from generator.layout import GENERATED, TEMPLATES
from generator.outputs import jobs_of
from generator.pipeline import Knowledge
from generator.plan import Job, plan_mirrors
from generator.trace.align import aligned
from generator.trace.pieces import HEADER, Piece, pieces
from generator.trace.sources import Source, Tracer

KINDS = {
    "field": "a field of a spec",
    "block": "the spec of the block that they stand in",
    "fixed": "the text of a template, which no spec changes",
    "model": "the generator's own models",
    "header": "the header that names template and specs",
    "mirrored": "a mirrored file, line by line",
}
"""What decides a line, in the order of preference."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Where one line comes from: `template` is a path with a line; `kind` a key of `KINDS`."""

    kind: str
    template: str
    sources: tuple[Source, ...] = ()
    also: tuple[str, ...] = ()


class Traces:
    """Answers for a tree; each output is followed once."""

    def __init__(self, root: Path, known: Knowledge) -> None:
        self.root = root
        self._known = known
        self._tracer = Tracer(known)
        self.mirrors = frozenset(mirror.path for mirror in plan_mirrors(root / TEMPLATES))
        self.lines_of = lru_cache(maxsize=4)(self._lines_of)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every rendered output."""
        known = self._known
        return {job.path: job for job in jobs_of(known.catalog, known.decisions, known.patterns, known.compiled)}

    def answer(self, path: str, line: int) -> Answer | None:
        """Where a line comes from; None when it is no line of an output, or an empty one."""
        if path in self.mirrors:
            return Answer("mirrored", f"{TEMPLATES}/{path}:{line}")
        job = self.jobs.get(path)
        if job is None:
            return None
        shown = self.lines_of(path).get(line, ())
        if not shown:
            return None
        if shown[0].line == HEADER:
            return Answer("header", f"{TEMPLATES}/{job.template}:1")
        return self._answer(job, shown)

    def _answer(self, job: Job, shown: tuple[Piece, ...]) -> Answer:
        telling = [piece for piece in shown if not piece.fixed] or [p for p in shown if p.text.strip()] or list(shown)
        templates = tuple(dict.fromkeys(f"{TEMPLATES}/{job.template}:{piece.line}" for piece in (*telling, *shown)))
        if job.template.startswith("schema/"):
            return Answer("model", templates[0], (), templates[1:])
        sources = self._tracer.sources(job, shown)
        exact = any(source.how != "block" for source in sources)
        return Answer("field" if exact else "block" if sources else "fixed", templates[0], sources, templates[1:])

    def _lines_of(self, path: str) -> dict[int, tuple[Piece, ...]]:
        """Line of the output as it is on disk -> its pieces."""
        parts = pieces(self.jobs[path], self.root / TEMPLATES)
        raw = _by_line(parts)
        if not path.endswith(".py"):
            return raw
        before = "".join(piece.text for piece in parts)
        after = (self.root / GENERATED / path).read_text(encoding="utf-8")
        lines = aligned(before, after)
        return {line: tuple(piece for old in olds for piece in raw.get(old, ())) for line, olds in lines.items()}

    def audit(self) -> tuple[Counter[str], list[str]]:
        """How many lines with text each kind has, and the places of those without an answer."""
        counts: Counter[str] = Counter()
        unanswered = []
        for path in sorted((*self.jobs, *self.mirrors)):
            text = (self.root / GENERATED / path).read_text(encoding="utf-8")
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    found = self.answer(path, number)
                    counts[found.kind if found else ""] += 1
                    if found is None:
                        unanswered.append(f"{GENERATED}/{path}:{number}")
        return counts, unanswered


def _by_line(parts: tuple[Piece, ...]) -> dict[int, tuple[Piece, ...]]:
    """Line before formatting -> what stands in it; a piece over several lines is cut."""
    found: dict[int, list[Piece]] = {}
    number = 1
    for piece in parts:
        for index, text in enumerate(piece.text.split("\n")):
            if index:
                number += 1
            if text:
                line = piece.line + index if piece.fixed and piece.line != HEADER else piece.line
                found.setdefault(number, []).append(replace(piece, text=text, line=line))
    return {line: tuple(pieces_) for line, pieces_ in found.items()}


def explain_lines(answer: Answer) -> Iterator[str]:
    """What a reader sees."""
    yield f"template: {answer.template}" + (
        f" (and {', '.join(p.rpartition(':')[2] for p in answer.also)})" if answer.also else ""
    )
    yield from (f"spec: {source.span}: {source.text}" for source in answer.sources)
    if not answer.sources:
        yield f"spec: none; it is {KINDS[answer.kind]}"
