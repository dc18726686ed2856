"""The first stage: files of specs/ become documents of plain values, with the place of every value.

In: the folder specs/. Out: a `Doc` for each file (its text, its value made of dict, list, str, int, float, bool and
None, and a `Span` for every value and key) and a finding for whatever is not a plain YAML 1.2 document. YAML's traps
end here: scalars follow the 1.2 core schema (``no`` and ``12:30`` and dates are strings), keys are always strings, and
anchors, tags, merge keys, duplicate keys and several documents in a file are findings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from generator.diag import Diagnostic, Span
from generator.files import read_texts
from generator.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_DEPTH = 32
MAX_INTEGER = 1 << 63

_WORDS: dict[str, object] = {"": None, "~": None}
_WORDS |= {form: value for word, value in (("null", None), ("true", True), ("false", False))
           for form in (word, word.capitalize(), word.upper())}  # fmt: skip
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

Pointer = tuple[str | int, ...]


class Places(Mapping[Pointer, Span]):
    """Where the values or the keys of one file stand, as plain data; few of them are ever asked for."""

    def __init__(self, path: str, places: dict[Pointer, tuple[int, int]]) -> None:
        """Take (line, column) by pointer."""
        self._path, self.plain = path, places

    def __getitem__(self, pointer: Pointer) -> Span:
        """The place of one pointer."""
        return Span(self._path, *self.plain[pointer])

    def __contains__(self, pointer: object) -> bool:
        """Whether there is such a pointer."""
        return pointer in self.plain

    def __iter__(self) -> Iterator[Pointer]:
        """Every pointer, in the order of the file."""
        return iter(self.plain)

    def __len__(self) -> int:
        """The number of places."""
        return len(self.plain)


@dataclass(frozen=True, slots=True)
class Doc:
    """One file: its path relative to the root, its text, its plain value (key order kept), and places by pointer.

    A pointer is the way down from the top, such as ``("rounding", "modes", 0)``; ``()`` is the whole document.
    """

    path: str
    text: str
    value: Any
    spans: Mapping[Pointer, Span]
    key_spans: Mapping[Pointer, Span]


def load_tree(
    specs_dir: Path, root: Path, texts: dict[str, str] | None = None, memo: Memo | None = None
) -> tuple[tuple[Doc, ...], tuple[Diagnostic, ...]]:
    """Read every spec below `specs_dir`; return the documents sorted by path, and all findings.

    A file that cannot be understood at all gives findings and no document; one with smaller faults gives both.
    `texts` receives the text of every file, also of those that cannot be understood, for the snippets of findings.
    `memo` knows the documents of earlier runs.
    """
    found: list[Diagnostic] = []
    memo = memo or Memo()
    read = read_texts(specs_dir, root, found, {} if texts is None else texts, memo.disk)
    documents = [document(path, text, memo) for path, text in read.items()]
    docs = tuple(doc for doc, _ in documents if doc is not None)
    return docs, (*found, *(finding for _, findings in documents for finding in findings))


def document(path: str, text: str, memo: Memo) -> tuple[Doc | None, tuple[Diagnostic, ...]]:
    """Return the document in `text` and its findings: the very same object as long as the text is the same."""
    return memo.known(("document", path, text), partial(_document, path, text, memo))


def _document(path: str, text: str, memo: Memo) -> tuple[Doc | None, tuple[Diagnostic, ...]]:
    plain = memo.recall("places", (path, text), partial(_plain, path, text))
    if plain is None:
        found: list[Diagnostic] = []
        return parse(path, text, found), tuple(found)
    value, places, keys = plain
    return Doc(path, text, value, Places(path, places), Places(path, keys)), ()


_Plain = dict[Pointer, tuple[int, int]]


def _plain(path: str, text: str) -> tuple[Any, _Plain, _Plain] | None:
    """A sound document's value and places as plain data, which is read back faster than YAML; None of any other."""
    found: list[Diagnostic] = []
    doc = parse(path, text, found)
    if doc is None or found:
        return None
    spans, keys = ({p: (s.line, s.col) for p, s in known.items()} for known in (doc.spans, doc.key_spans))
    return doc.value, spans, keys


def parse(path: str, text: str, found: list[Diagnostic]) -> Doc | None:
    """Return the document in `text` (line ends are newlines); findings are added to `found`."""
    composer = _Composer(path, found)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            composer.take(event)
    except _StopError:
        return None
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        span = Span(path, mark.line + 1, mark.column + 1) if mark else Span(path, 1, 1)
        message = ", ".join(filter(None, (error.context, error.problem)))
        found.append(Diagnostic("S104", f"not well-formed YAML: {message}", _inside(span, text)))
        return None
    if composer.frames or () not in composer.spans:
        found.append(Diagnostic("S105", "the file is empty", Span(path, 1, 1)))
        return None
    return Doc(path, text, composer.value, composer.spans, composer.key_spans)


def _core_scalar(text: str) -> str | float | bool | None:
    """Return the value of an unquoted scalar by the YAML 1.2 core schema, or raise `_RefusedError`."""
    if text in _WORDS:
        return _WORDS[text]  # type: ignore[return-value]
    if _DECIMAL.fullmatch(text):
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0":
            hint = f"write {text.replace(digits, digits.lstrip('0') or '0')[:40]}, or quote it"
            raise _RefusedError("S112", f"the integer {text[:40]} has a leading zero", hint)
        return _bounded(text, 10)
    if based := _BASED.fullmatch(text):
        return _bounded(text, 8 if based[1] else 16)
    if _REAL.fullmatch(text):
        number = float(text)
        if abs(number) == float("inf"):
            raise _RefusedError("S113", f"the number {text[:40]} is too large", "")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise _RefusedError("S113", f"the number {text} is not finite", "quote it if a word is meant")
    return text


def _bounded(text: str, base: int) -> int:
    number = int(text, base) if len(text) <= 70 else MAX_INTEGER  # noqa: PLR2004 - 64 bits in any base are shorter
    if not -MAX_INTEGER <= number < MAX_INTEGER:
        raise _RefusedError("S113", f"the integer {text[:40]} does not fit 64 bits", "")
    return number


class _RefusedError(ValueError):
    """An unquoted scalar is not accepted; the arguments are a finding's id, message and hint."""


class _StopError(Exception):
    """The rest of this document cannot be read; the finding is already noted."""


@dataclass(slots=True)
class _Frame:
    """A mapping or a sequence that is still open; `key` is the one that waits for its value."""

    box: dict[str, Any] | list[Any]
    pointer: Pointer
    key: str | None = None


@dataclass(slots=True)
class _Composer:
    """Builds one document from the events of the parser; a stack, so that depth costs no recursion."""

    path: str
    found: list[Diagnostic]
    value: Any = None
    spans: dict[Pointer, Span] = field(default_factory=dict)
    key_spans: dict[Pointer, Span] = field(default_factory=dict)
    frames: list[_Frame] = field(default_factory=list)
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        mark: Any = event.start_mark
        span = Span(self.path, mark.line + 1, mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1 or event.version or event.tags:
                self.stop("S109", "a second document, or a directive", span)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.frames.pop()
        elif isinstance(event, yaml.NodeEvent):
            self.node(event, span)

    def node(self, event: yaml.NodeEvent, span: Span) -> None:
        """Take a scalar, or the start of a mapping or a sequence."""
        if event.anchor is not None:
            word, sign = ("alias", "*") if isinstance(event, yaml.AliasEvent) else ("anchor", "&")
            self.note("S107", f"the {word} {sign}{event.anchor} is not allowed in a spec", span)
        if (tag := getattr(event, "tag", None)) is not None:
            self.note("S108", f"the tag {tag} is not allowed in a spec", span, "remove it")
        frame = self.frames[-1] if self.frames else None
        if frame is not None and isinstance(frame.box, dict) and frame.key is None:
            return self.take_key(frame, event, span)
        pointer = () if frame is None else (*frame.pointer, len(frame.box) if frame.key is None else frame.key)
        self.spans.setdefault(pointer, span)
        if isinstance(event, yaml.CollectionStartEvent):
            box: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
            self.put(frame, box)
            self.frames.append(_Frame(box, pointer))
            if len(self.frames) > MAX_DEPTH:
                self.stop("S110", f"nested more than {MAX_DEPTH} levels deep", span)
        else:
            self.put(frame, self.scalar(event, span) if isinstance(event, yaml.ScalarEvent) else None)
        return None

    def put(self, frame: _Frame | None, value: Any) -> None:
        """Store a value where it belongs; of a key given twice the first value stays."""
        if frame is None:
            self.value = value
        elif isinstance(frame.box, list):
            frame.box.append(value)
        else:
            frame.box.setdefault(str(frame.key), value)
            frame.key = None

    def take_key(self, frame: _Frame, event: yaml.NodeEvent, span: Span) -> None:
        """Take the key of a mapping's next value: always a string."""
        if not isinstance(event, yaml.ScalarEvent):
            return self.stop("S111", "a key must be a plain word", span)
        key: str = event.value
        pointer = (*frame.pointer, key)
        if key == "<<" and event.implicit[0]:
            self.note("S107", "the merge key << is not allowed in a spec", span)
        elif not key:
            self.note("S111", "a key is missing", span)
        first = self.key_spans.setdefault(pointer, span)
        if first != span:
            message = f"the key '{key}' is given twice, in line {first.line} and in line {span.line}"
            self.note("S106", message, span, related=((first, "first given here"),))
        frame.key = key
        return None

    def scalar(self, event: yaml.ScalarEvent, span: Span) -> str | float | bool | None:
        """Return a scalar's value; what is quoted, or a block, is a string."""
        try:
            return _core_scalar(event.value) if event.implicit[0] else str(event.value)
        except _RefusedError as error:
            name, message, hint = error.args
            self.note(name, message, span, hint)
            return str(event.value)

    def note(
        self, name: str, message: str, span: Span, hint: str = "", related: tuple[tuple[Span, str], ...] = ()
    ) -> None:
        """Add a finding."""
        self.found.append(Diagnostic(name, message, span, hint=hint, related=related))

    def stop(self, name: str, message: str, span: Span) -> None:
        """Add a finding that ends the reading of this document."""
        self.note(name, message, span)
        raise _StopError


def _inside(span: Span, text: str) -> Span:
    """Move a place behind the end of the text (where the parser notices what is missing) to its last line."""
    lines = text.rstrip("\n").split("\n")
    return span if span.line <= len(lines) else Span(span.path, len(lines), len(lines[-1]) + 1)
