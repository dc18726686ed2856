"""`extends`: a march with everything that it takes from its parents, and where each field came from.

In: the Docs of all marches by id. Out: the `Inherited` value of one of them, or what is wrong with its chain of parents.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator.diag import Diagnostic, Span, did_you_mean
from generator.source import Doc, Pointer

_NOT_INHERITED = frozenset({"schema", "id", "extends", "title", "boards", "constant", "aliases"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a field was written, and how the spec came to have it."""

    span: Span
    how: str  # "own" or "extends <id>"
    key: Span | None = None


@dataclass(frozen=True, slots=True)
class Inherited:
    """The merged value of a march, the origin of each field, and its parents, nearest first."""

    doc: Doc
    value: Mapping[str, object]
    origins: Mapping[Pointer, Origin]
    parents: tuple[str, ...]


class OwnOrigins(Mapping[Pointer, Origin]):
    """The origins of a spec that inherits nothing."""

    def __init__(self, doc: Doc) -> None:
        """Take the spec as it was read."""
        self._spans, self._keys = doc.spans, doc.key_spans

    def __getitem__(self, pointer: Pointer) -> Origin:
        """The origin of one field."""
        return Origin(self._spans[pointer], "own", self._keys.get(pointer))

    def __iter__(self) -> Iterator[Pointer]:
        """Every field."""
        return iter(self._spans)

    def __len__(self) -> int:
        """The number of fields."""
        return len(self._spans)


def inherit(doc: Doc, marches: Mapping[str, Doc]) -> Inherited | Diagnostic | None:
    """Merge a march with its parents; None when a march that it only inherits from is to blame."""
    chain = [doc]
    while (parent := chain[-1].value.get("extends")) is not None:
        here = chain[-1].spans["extends",]
        if not isinstance(parent, str) or parent not in marches:
            hint = did_you_mean(str(parent), set(marches) - {chain[-1].value["id"]})
            message = f"march {chain[-1].value['id']!r} extends {parent!r}, which is not a march"
            return Diagnostic("L002", message, here, hint=hint) if len(chain) == 1 else None
        if marches[parent] in chain:
            return _cycle(chain, marches[parent])
        chain.append(marches[parent])
    value: dict[str, object] = {}
    origins: dict[Pointer, Origin] = {}
    for ancestor in reversed(chain):
        own = ancestor is doc
        inherited = {k: v for k, v in ancestor.value.items() if own or k not in _NOT_INHERITED}
        value = _merge(value, inherited)
        origins.update(_origins(ancestor, None if own else inherited))
    return Inherited(doc, value, origins, tuple(str(ancestor.value["id"]) for ancestor in chain[1:]))


def _cycle(chain: list[Doc], first: Doc) -> Diagnostic | None:
    """The circle, told once: at the march in it that comes first."""
    ids = [str(doc.value["id"]) for doc in chain]
    start = chain.index(first)
    if start > 0 or ids[0] != min(ids):
        return None
    message = f"march {ids[0]!r} extends itself: {' -> '.join((*ids, ids[0]))}"
    return Diagnostic("L003", message, chain[0].spans["extends",], hint="one march of a family must stand alone")


def _origins(doc: Doc, inherited: Mapping[str, object] | None) -> Mapping[Pointer, Origin]:
    if inherited is None:
        return OwnOrigins(doc)
    how = f"extends {doc.value['id']}"
    return {
        pointer: Origin(span, how, doc.key_spans.get(pointer))
        for pointer, span in doc.spans.items()
        if not pointer or pointer[0] in inherited
    }


def _merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Mappings merge key by key; anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
