"""Diagnostics: what every stage reports instead of raising.

In: facts about a place in a source file. Out: `Diagnostic` values, and with `render` the text a user reads. A user error
is always a value of this module, never an exception and never an ``assert``; each stage reports all of them at once.
`DIAGNOSTICS` documents every id in one place, but for those of formulas.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Severity = Literal["error", "warning"]

SNIPPET_WIDTH = 160

DIAGNOSTICS: Mapping[str, str] = {
    # S0xx schema.
    "S001": "an unknown key",
    "S002": "a key is missing",
    "S003": "a word is not one of those allowed",
    "S004": "a name is not legal",
    "S005": "a value has none of its allowed forms",
    "S006": "a value has the wrong type, or is out of range",
    "S010": "a spec is not a mapping",
    "S011": "a spec has no schema line",
    "S012": "a spec has an unknown schema",
    "S013": "a spec has an unknown version of its schema",
    "S014": "a march has no id",
    # S1xx source: reading YAML files.
    "S101": "a file or folder cannot be read",
    "S102": "a spec is larger than 1 MiB",
    "S103": "a spec is not UTF-8, or holds a control character",
    "S104": "a spec is not well-formed YAML",
    "S105": "a spec is empty",
    "S106": "a mapping holds the same key twice",
    "S107": "anchors, aliases and merge keys are not used in specs: write the fact once, or use extends:/like:/axes:",
    "S108": "tags are not used in specs: the schema gives every field its type",
    "S109": "a file holds exactly one YAML document",
    "S110": "a spec is nested more than 32 levels deep",
    "S111": "a mapping key is not a plain word",
    "S112": "an integer is written with leading zeros (octal in YAML 1.1, decimal in 1.2)",
    "S113": "a number is not finite or does not fit 64 bits",
    "S114": "a symbolic link in specs/ is a folder or leaves specs/",
    "S115": "a file in specs/ is not named *.yaml",
    # L0xx link.
    "L001": "an id is defined twice",
    "L002": "a march extends one that does not exist",
    "L003": "a march extends itself, directly or through others",
    "L004": "a schema that may stand in one file only stands in several",
    "L005": "a schema that the package needs stands in no file",
    "L006": "a spec of an overlay overrides what it cannot",
    "L007": "a folder of specs does not exist",
    # C0xx checks between specs.
    "C001": "a march chooses an algorithm for an unknown role",
    "C002": "a march chooses an unknown variant",
    "C003": "a march does not choose a variant of a role",
    "C010": "a pattern names an unknown operator",
    "C011": "a pattern does not start with its base, or has it twice",
    "C012": "two patterns match the same graph",
    "C060": "a pattern can never match, for others always win",
    "C061": "a metric of the analysis tools that is not computed",
    "C062": "a dtype of the analysis tools that is not declared",
    "C063": "a gap of ONNX that names no operator or no reason, or a reason that no operator names",
    "C020": "the range of a dtype is not of its width",
    "C021": "unknown rounding mode",
    "C022": "no kernel reads a rounding site",
    "C023": "a kernel is defined twice",
    "C024": "unknown dtype",
    "C025": "two marches have the same name in code",
    "C026": "unknown kernel",
    "C027": "an operator lacks a field that its family needs",
    "C028": "unknown colour space",
    "C029": "a function belongs to two operators",
    "C030": "unknown march",
    "C031": "unknown swing of a colour space",
    "C032": "a quantizer names something unknown",
    "C033": "unknown quantizer",
    "C034": "no preset uses a quantizer",
    "C035": "nothing uses a kernel",
    "C036": "a name of a kernel cannot be a name in code",
    "C037": "a default of the qconfigs is unknown",
    "C038": "a refusal has no reason, or two",
    "C039": "an empty range",
    "C040": "no march has a rounding site that a kernel names",
    "C041": "no kernel that a march chose reads one of its rounding sites",
    "C042": "an operator is like one that does not exist, or like itself",
    "C050": "a limit names no quantity or several, or is not bounded as its quantity is",
    "C051": "a limit names an argument that the operator does not have",
    "C052": "a limit of the weight of an operator without one",
    "C053": "a number is kept of an unknown operator, march or dtype",
    "C054": "a reason that is unknown, or that no operator names",
    "C055": "an operator is further from QAT than others may be and does not say why",
    # D0xx decide. F0xx formula: see `generator.formula.CODES`.
    "D001": "a cell of the support matrix is decided by no spec",
    "D002": "support for an unknown march",
    "D003": "support for a dtype that is no feature of any march",
    "D004": "the number of cells that are to do is not the one that is written",
    "D005": "QAT is to take the integers of a cell that is not supported",
    # G0xx graphs of composites.
    "G001": "a child of a composite is no operator that can be one",
    "G002": "unknown name in a composite",
    "G003": "a construct is outside of the language of graphs",
    "G004": "operands or targets of the wrong number or kind",
    "G005": "a child is used twice",
    "G006": "a target is no new name",
    "G007": "something in a composite is unused",
    "G008": "a child does not support what reaches it",
    # T0xx templates.
    "T001": "a template is not well-formed Jinja",
    "T002": "a template uses a construct outside the white list",
    "T003": "a template does not name its view class on the first line",
    "T004": "a template names a view class that does not exist",
    "T005": "a template reads a field that its view does not have",
    "T006": "a template uses a value in a way its type does not allow",
    "T009": "a template is longer than 80 lines",
    "T010": "no template reads a field of a view",
    "T011": "a mirrored module does not say on its first line that it is mirrored",
    "T012": "mechanism names a piece of policy (a march, an operator or a pattern)",
    "T013": "rendering a template failed",
    "T014": "rendered Python cannot be formatted",
    "T015": "two jobs write the same output, or an output path is unusable",
    "T016": "a generated module cannot be imported",
    "T017": "no job renders a template, or a job names a template that does not exist",
    "T018": "the formatter is not installed",
    "T019": "the package that an overlay adds to is not there",
    # R0xx review.
    "R001": "a git revision, or its specs, cannot be found",
    "R002": "the specs of a revision are not what this generator reads",
    # P0xx publish.
    "P002": "a generated file was edited by hand",
    "P003": "a file in generated/ was not written by the generator",
    "P004": "generated/ holds a symbolic link",
    "P005": "another build is running",
    "P006": "an interrupted build could not be finished",
    "P007": "writing failed; everything was put back",
}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a source file: path relative to the root with forward slashes; line and column count from 1."""

    path: str
    line: int
    col: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.col}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: its id (a key of `DIAGNOSTICS`), one line of text, where, how bad, what to do, and other places."""

    id: str
    message: str
    span: Span | None
    severity: Severity = "error"
    hint: str = ""
    related: tuple[tuple[Span, str], ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether this finding stops a build."""
        return self.severity == "error"


def errors(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the findings that stop a build."""
    return tuple(d for d in diagnostics if d.is_error)


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str]) -> str:
    """Return what a user reads: every finding once, by place, and a last line with the counts; '' when there is none.

    `texts` gives the text of a path, for the offending line. One finding looks like this::

        specs/marches/x.yaml:12:3: error S001: unknown key 'roundng'
           12 |   roundng: floor
              |   ^
          hint: did you mean 'rounding'?
    """
    found = sorted(set(diagnostics), key=_order)
    lines = [line for diagnostic in found for line in _lines(diagnostic, texts)]
    return "".join(f"{line}\n" for line in (*lines, count(found))) if found else ""


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """Return '2 errors', '1 error, 3 warnings', or '' when there is nothing to count."""
    found = tuple(diagnostics)
    failing = len(errors(found))
    parts = ((failing, "error"), (len(found) - failing, "warning"))
    return ", ".join(f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in parts if number)


def suggest(word: str, candidates: Iterable[str]) -> str:
    """Return the candidate that `word` is most likely a slip of, or '' when none is near.

    Near is an edit distance of at most 2 (1 for words of up to three letters; a swap of neighbours counts as one), or
    the same letters in another case. Ties are decided by similarity, then alphabetically.
    """
    limit = 2 if len(word) > 3 else 1  # noqa: PLR2004 - documented above
    near = []
    for candidate in set(candidates) - {word}:
        distance = _distance(word.casefold(), candidate.casefold(), limit)
        if distance <= limit:
            near.append((distance, -difflib.SequenceMatcher(None, word, candidate).ratio(), candidate))
    return min(near)[2] if near else ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return a hint for an unknown name: a near candidate, else the list of a few candidates, else ''."""
    names = sorted(set(candidates))
    nearest = suggest(word, names)
    if nearest:
        return f"did you mean '{nearest}'?"
    return f"one of: {', '.join(names)}" if 0 < len(names) <= 12 else ""  # noqa: PLR2004 - what fits a line


def _distance(left: str, right: str, limit: int) -> int:
    """Return the optimal string alignment distance, or `limit` + 1 when it is larger."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(right, 1):
            cost = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)


def _order(diagnostic: Diagnostic) -> tuple[Span, str, str, str]:
    return diagnostic.span or Span("", 0, 0), diagnostic.id, diagnostic.message, diagnostic.hint


def _lines(diagnostic: Diagnostic, texts: Mapping[str, str]) -> Iterable[str]:
    place = f"{diagnostic.span}: " if diagnostic.span else ""
    yield _printable(f"{place}{diagnostic.severity} {diagnostic.id}: {diagnostic.message}")
    yield from _snippet(diagnostic.span, texts)
    if diagnostic.hint:
        yield _printable(f"  hint: {diagnostic.hint}")
    for span, text in diagnostic.related:
        yield _printable(f"  {span}: note: {text}")
        yield from _snippet(span, texts)


def _snippet(span: Span | None, texts: Mapping[str, str]) -> Iterable[str]:
    """Yield the line a span points into and a caret under it; nothing when the text is not known."""
    lines = texts[span.path].split("\n") if span and span.path in texts else []
    if not span or not 1 <= span.line <= len(lines):
        return
    line = lines[span.line - 1]
    start = max(0, span.col - SNIPPET_WIDTH // 2) if len(line) > SNIPPET_WIDTH else 0
    number = str(span.line)
    yield _printable(f"  {number:>3} | {line[start : start + SNIPPET_WIDTH]}".replace("\t", " ").rstrip())
    yield f"  {'':>{max(3, len(number))}} | {'':>{max(0, min(span.col - 1, len(line)) - start)}}^"


def _printable(text: str) -> str:
    """Escape what would break a line or a terminal (control characters, undecodable file names)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
