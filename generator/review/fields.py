"""Which fields of the specs changed, by meaning: comments, order of keys, line breaks and written-out defaults are no change.

In: two catalogs. Out: `FieldChange`s, each with the old and the new value and both places; a field that marches inherit is
told once, with all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from generator.diag import Span
from generator.link import Catalog, Linked
from generator.schema_base import Spec
from generator.source import Pointer

PROSE = frozenset({"doc", "title", "source", "boards"})
"""Fields that are read by people only."""

WHOLE = "all of it"
"""The value of what has several fields."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one spec: None where it is not there."""

    kind: str
    id: str
    path: tuple[str, ...]
    old: object
    new: object
    old_span: Span | None
    new_span: Span | None
    marches: tuple[str, ...] = ()

    @property
    def is_prose(self) -> bool:
        """Whether only people read it."""
        return not PROSE.isdisjoint(self.path)

    @property
    def span(self) -> Span | None:
        """Where to look: the new place, else the old one."""
        return self.new_span or self.old_span

    @property
    def field(self) -> str:
        """`rounding.requantize.post_shift`."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class _Leaf:
    value: object
    span: Span


_Key = tuple[str, str, tuple[str, ...]]


def field_changes(old: Catalog, new: Catalog) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order of the new specs; what is there on one side only is told as a whole."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    changes: dict[tuple[object, ...], FieldChange] = {}
    removed = (
        replace(change, old=change.new, new=None, old_span=change.new_span, new_span=None)
        for change in _added(after, before)
    )
    for change in (*_changed(before, after), *_added(before, after), *removed):
        place = (change.kind if change.kind == "march" else change.id, change.path, change.old_span, change.new_span)
        first = changes.get(place)
        changes[place] = replace(first, marches=(*first.marches, *change.marches)) if first else change
    return tuple(changes.values())


def _changed(before: Mapping[_Key, _Leaf], after: Mapping[_Key, _Leaf]) -> Iterator[FieldChange]:
    for key, now in after.items():
        was = before.get(key)
        if was is not None and was.value != now.value:
            yield _change(key, was, now)


def _added(before: Mapping[_Key, _Leaf], after: Mapping[_Key, _Leaf]) -> Iterator[FieldChange]:
    """What only `after` has, by the shortest path that `before` does not have."""
    known = {(kind, name, path[:end]) for kind, name, path in before for end in range(len(path) + 1)}
    told: set[_Key] = set()
    for (kind, name, path), leaf in after.items():
        end = next((end for end in range(len(path) + 1) if (kind, name, path[:end]) not in known), None)
        if end is None or (kind, name, path[:end]) in told:
            continue
        key = (kind, name, path[:end])
        told.add(key)
        yield _change(key, None, leaf if end == len(path) else _Leaf(WHOLE, leaf.span))


def _change(key: _Key, was: _Leaf | None, now: _Leaf | None) -> FieldChange:
    kind, name, path = key
    return FieldChange(
        kind,
        name,
        path,
        None if was is None else was.value,
        None if now is None else now.value,
        None if was is None else was.span,
        None if now is None else now.span,
        (name,) if kind == "march" else (),
    )


def _leaves(catalog: Catalog) -> Iterator[tuple[_Key, _Leaf]]:
    for linked in catalog.specs():
        yield from _of_spec(linked.kind, linked.name, linked)


def _of_spec(kind: str, name: str, linked: Linked[Any]) -> Iterator[tuple[_Key, _Leaf]]:
    for path, pointer, value in _walk(linked.spec, (), ()):
        if path != ("schema",):
            yield (kind, name, path), _Leaf(value, linked.span(*pointer))


def _walk(value: object, path: tuple[str, ...], pointer: Pointer) -> Iterator[tuple[tuple[str, ...], Pointer, object]]:
    """(path for people, place in the file, value) of every leaf."""
    match value:
        case Spec():
            for name, info in type(value).model_fields.items():
                key = info.alias or name
                yield from _walk(getattr(value, name), (*path, key), (*pointer, key))
        case Mapping():
            for key, item in value.items():
                yield from _walk(item, (*path, str(key)), (*pointer, key))
        case tuple() if value and not all(isinstance(item, str) for item in value):
            for index, item in enumerate(value):
                yield from _walk(item, (*path[:-1], f"{path[-1]}[{_label(item, index)}]"), (*pointer, index))
        case _:
            yield path, pointer, value


def _label(item: object, index: int) -> str:
    """How people call an element: a kernel by its id, a chain of words by the words, others by their number."""
    if isinstance(item, Spec) and hasattr(item, "id"):
        variant = getattr(item, "variant", None)
        return f"{item.id}/{variant}" if variant else str(item.id)
    if isinstance(item, tuple) and item and all(isinstance(word, str) for word in item):
        return ", ".join(item)
    return str(index)
