"""From the pieces of a line to the fields of specs that decide them.

In: pieces, the knowledge, the job's spec ids. Out: `Source`s with file, line and column. A line of a kernel is followed
through the formula compiler to its formulas, rounding modes and march fields; any other value is looked up among the
fields of the specs that its block is about; what is left has the block's spec itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

from generator.diag import Span
from generator.formula.lines import Line
from generator.formula.model import Compiled
from generator.formula.syntax import Expr, children
from generator.link import Catalog, KernelEntry, Linked
from generator.pipeline import Knowledge
from generator.plan import Job
from generator.proven import CompiledMarches
from generator.source import Pointer
from generator.trace.index import SENTENCE, WORD, SpecIndex, bare
from generator.trace.pieces import Piece

_DEFINED = re.compile(r"(?:(?:const )?\w+ )?(?:p\.)?(\w+)(?:, (\w+))?(?: = .*|;.*|)", re.DOTALL)
_MOST = 6


@dataclass(frozen=True, slots=True)
class Source:
    """A field of a spec that a line comes from; `how`: field, formula, rounding, march, or block."""

    span: Span
    text: str
    how: str


@dataclass(frozen=True)
class Tracer:
    """Looks values up in the specs."""

    known: Knowledge

    @property
    def _catalog(self) -> Catalog:
        return self.known.catalog

    @cached_property
    def _specs(self) -> SpecIndex:
        return SpecIndex(self._catalog)

    def sources(self, job: Job, pieces: tuple[Piece, ...]) -> tuple[Source, ...]:
        """The fields behind the pieces of one line; those that are exact before those of the block."""
        line = " ".join(piece.text for piece in pieces)
        found = [source for piece in pieces if not piece.fixed for source in self._of_value(job, piece, line)]
        if not found:
            found = [source for piece in pieces for source in self._of_block(job, piece)]
        return tuple(dict.fromkeys(found))[:_MOST]

    def _of_value(self, job: Job, piece: Piece, line: str) -> Iterator[Source]:
        if (kernel := self._kernel(job, piece)) is not None:
            entry = self._entry(kernel)
            within = ("kernels", entry.index)
            found = list(self._formula(job, kernel, piece)) or list(self._matches(entry.family, piece, line, within))
        else:
            owners = (self._owner(item) for item in reversed(piece.items))
            searched = [*[doc for doc in owners if doc][:1], *self._docs(job)]
            mentioning = self._specs.mentioning(piece.text)
            likely = (linked for linked in searched if linked.doc.path in mentioning)
            found = next((m for linked in likely if (m := list(self._matches(linked, piece, line)))), [])
        yield from found or self._of_block(job, piece)

    def _of_block(self, job: Job, piece: Piece) -> Iterator[Source]:
        """What the innermost element of a loop is about, else what the whole output is made from."""
        kernel = self._kernel(job, piece)
        if kernel is not None:
            entry = self._entry(kernel)
            yield Source(entry.span("id"), f"kernel {kernel.label}", "block")
            return
        for item in reversed(piece.items):
            if (owner := self._owner(item)) is not None:
                yield Source(owner.span("id"), f"{owner.doc.path}", "block")
                return
        if piece.items:
            yield from (Source(doc.span("schema"), doc.doc.path, "block") for doc in self._docs(job)[:_MOST])

    def _matches(self, linked: Linked[Any], piece: Piece, line: str, within: Pointer = ()) -> Iterator[Source]:
        """Fields of one spec that hold a piece's text, or the sentence that it is a part of, or its words.

        A text that stands in several places is taken where a word of the same line is the key above it, if anywhere.
        """
        index = self._specs.places[linked.doc.path]
        keys = {pointer for word in WORD.findall(line) for pointer, _ in index.get(word, ()) if pointer[-1] == word}

        def best(text: str) -> Span | None:
            places = [place for place in index.get(text, ()) if place[0][: len(within)] == within]
            return max(places, key=lambda place: (place[0] in keys, place[0][:-1] in keys))[1] if places else None

        text = bare(piece.text)
        if len(text) >= SENTENCE and text not in index:
            text = next((leaf for leaf in self._specs.holding(linked.doc.path, text.rstrip(".")) if best(leaf)), text)
        if (span := best(text)) is not None:
            yield Source(span, piece.text.strip(), "field")
            return
        words = [(word, span) for word in dict.fromkeys(WORD.findall(piece.text)) if (span := best(word))]
        yield from (Source(span, word, "field") for word, span in sorted(words, key=lambda w: -len(w[0]))[:3])

    def _docs(self, job: Job) -> list[Linked[Any]]:
        """The specs that a job names."""
        if job.specs not in self._named:
            self._named[job.specs] = self._find_docs(frozenset(job.specs))
        return self._named[job.specs]

    @cached_property
    def _named(self) -> dict[tuple[str, ...], list[Linked[Any]]]:
        return {}

    def _find_docs(self, wanted: frozenset[str]) -> list[Linked[Any]]:
        plural = {"marches": "march/", "ops": "op/", "colors": "color/"}
        prefixes = tuple(prefix for name, prefix in plural.items() if name in wanted)
        return [
            linked
            for linked in self._specs.all
            if (name := _name(linked)) in wanted
            or name.startswith(prefixes or ("\0",))
            or name.partition("/")[0] in wanted
        ]

    @cached_property
    def _owners(self) -> Mapping[str, Linked[Any]]:
        """Names by which views call an operator, a march or a colour space."""
        owners: dict[str, Linked[Any]] = {}
        for op in self._catalog.ops.values():
            spec = op.spec
            names = (spec.id, spec.title, spec.python.class_, spec.python.method, spec.python.function)
            owners |= {name: op for name in names if name and name not in owners}
        owners |= self._catalog.marches
        owners |= self._catalog.colors
        return owners

    def _owner(self, item: object) -> Linked[Any] | None:
        """The spec that an element of a loop is about."""
        texts = (
            [item]
            if isinstance(item, str)
            else [getattr(item, f.name) for f in fields(item)]
            if is_dataclass(item)
            else []
        )
        candidates = (part for text in texts for part in (text if isinstance(text, tuple) else (text,)))
        return next((self._owners[t] for t in candidates if isinstance(t, str) and t in self._owners), None)

    def _kernel(self, job: Job, piece: Piece) -> Compiled | None:
        """The kernel that the enclosing element is about."""
        kernels = self._kernels_of(job)
        for item in piece.items:
            if is_dataclass(item):
                for f in fields(item):
                    value = getattr(item, f.name)
                    if isinstance(value, str) and value in kernels:
                        return kernels[value]
        return None

    def _kernels_of(self, job: Job) -> Mapping[str, Compiled]:
        """Names by which views of this output call kernels: role, label, name of a C struct, class of parameters."""
        if "kernels" not in job.specs:
            return {}
        if job.specs not in self._kernels:
            self._kernels[job.specs] = self._find_kernels(job)
        return self._kernels[job.specs]

    @cached_property
    def _kernels(self) -> dict[tuple[str, ...], Mapping[str, Compiled]]:
        return {}

    def _find_kernels(self, job: Job) -> Mapping[str, Compiled]:
        march = next((name.partition("/")[2] for name in job.specs if name.startswith("march/")), "")
        compiled: CompiledMarches = self.known.compiled
        chosen = compiled.by_march.get(march, compiled.common)
        names: dict[str, Compiled] = {}
        prefix = march.replace("-", "_") or "common"
        for role, kernel in chosen.items():
            names |= dict.fromkeys((role, kernel.label, f"{prefix}_{role}_params"), kernel)
        return names

    def _entry(self, kernel: Compiled) -> KernelEntry:
        wanted = (kernel.proved.kernel.id, kernel.proved.kernel.variant)
        return next(e for e in self._catalog.kernels if (e.kernel.id, e.kernel.variant or "") == wanted)

    def _formula(self, job: Job, kernel: Compiled, piece: Piece) -> Iterator[Source]:
        """The formulas behind a line of a kernel, by the name that the line defines."""
        match = _DEFINED.fullmatch(piece.text.strip())
        names = {name for name in (match.groups() if match else ()) if name}
        lines = (*kernel.proved.derive, *kernel.proved.compute)
        chosen = [line for line in lines if names & set(line.targets)]
        if not chosen and piece.text.strip().startswith("return"):
            chosen = [kernel.proved.compute[-1]]
        for line in chosen[:2]:
            yield from self._of_line(job, kernel, line)

    def _of_line(self, job: Job, kernel: Compiled, line: Line) -> Iterator[Source]:
        march = next((name.partition("/")[2] for name in job.specs if name.startswith("march/")), "")
        linked = self._catalog.marches.get(march)
        for where in dict.fromkeys([line.place.where, *_places(line.expr)]):
            number, _, rest = where.partition(":")
            section, _, name = rest.partition(".")
            if number == "rounding":
                yield Source(
                    self._catalog.rounding.span("modes", section, name), f"rounding mode {section}", "rounding"
                )
                for site in sorted(kernel.sites):
                    if linked is not None and linked.spec.rounding.get(site) == section:
                        yield Source(linked.span("rounding", site), f"{march}: {site}", "march")
            else:
                entry = self._catalog.kernels[int(number)]
                text = str(getattr(entry.kernel, section).get(name, ""))
                yield Source(entry.span(section, name), f"{name}: {text}", "formula")
                for constant in sorted(kernel.constants):
                    if linked is not None and f"march.{constant}" in text:
                        yield Source(linked.span(*constant.split(".")), f"{march}: {constant}", "march")


def _places(expr: Expr) -> Iterator[str]:
    yield expr.place.where
    for child in children(expr):
        yield from _places(child)


def _name(linked: Linked[Any]) -> str:
    """`march/x`, `kernels/x`, `rounding`: how jobs call a spec."""
    return linked.kind if linked.name == linked.kind else f"{linked.kind}/{linked.name}"
