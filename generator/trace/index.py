"""Every scalar and key of the specs by its text: where a word of a generated line may come from.

In: the catalog. Out: for a text the specs that mention it, and its places in each of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from generator.diag import Span
from generator.link import Catalog, Linked
from generator.source import Pointer

WORD = re.compile(r"[A-Za-z_][\w.-]*\w|-?\d+(?:\.\d+)?")
SENTENCE = 12
"""From this length on a text is also looked for inside of sentences."""

Place = tuple[Pointer, Span]


@dataclass(frozen=True)
class SpecIndex:
    """What the specs of a catalog hold."""

    catalog: Catalog

    @cached_property
    def all(self) -> tuple[Linked[Any], ...]:
        """Every spec."""
        return tuple(self.catalog.specs())

    def mentioning(self, shown: str) -> frozenset[str]:
        """The specs that hold a text, a sentence around it, or one of its words."""
        text = bare(shown)
        if text not in self._mentions:
            by_word = (self._paths.get(word, ()) for word in (text, *WORD.findall(shown)))
            around = [
                path for path, whole in self._wholes.items() if len(text) >= SENTENCE and text.rstrip(".") in whole
            ]
            self._mentions[text] = frozenset(path for paths in (*by_word, around) for path in paths)
        return self._mentions[text]

    @cached_property
    def _mentions(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _paths(self) -> Mapping[str, set[str]]:
        """Text of a scalar or a key -> the specs that hold it."""
        found: dict[str, set[str]] = {}
        for path, index in self.places.items():
            for text in index:
                found.setdefault(text, set()).add(path)
        return found

    @cached_property
    def _wholes(self) -> Mapping[str, str]:
        """Path -> the spec's text in one line."""
        return {linked.doc.path: " ".join(linked.doc.text.split()) for linked in self.all}

    def holding(self, path: str, text: str) -> tuple[str, ...]:
        """The sentences of a spec that hold a text."""
        found = self._held.get((path, text))
        if found is None:
            sentences = ((leaf, " ".join(leaf.split())) for leaf in self.places[path] if len(leaf) >= len(text))
            found = self._held[path, text] = tuple(leaf for leaf, plain in sentences if text in plain)
        return found

    @cached_property
    def _held(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {}

    @cached_property
    def places(self) -> Mapping[str, Mapping[str, list[Place]]]:
        """Path -> text of a scalar or a key -> its places."""
        return {linked.doc.path: _scalars(linked) for linked in self.all}


def bare(text: str) -> str:
    """A text without the blanks and quotes around it."""
    return text.strip().strip("\"'")


def _scalars(linked: Linked[Any]) -> dict[str, list[Place]]:
    """Every scalar and key of a spec by its text, with all its places."""
    found: dict[str, list[Place]] = {}
    doc = linked.doc
    for pointer, span in doc.spans.items():
        value: Any = doc.value
        for step in pointer:
            value = value[step]
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found.setdefault(str(value).strip(), []).append((pointer, span))
    for pointer, span in doc.key_spans.items():
        found.setdefault(str(pointer[-1]), []).append((pointer, span))
    return found
