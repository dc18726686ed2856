"""A catalog with one spec exchanged, typed alone: everything else is as it was.

In: a catalog, the Docs it was linked from, and a changed Doc. Out: what `link` of all Docs with the changed one would give, in a
hundredth of the time. A march is inherited from, so for a march all are linked.
"""

from dataclasses import replace

from generator.diag import Diagnostic
from generator.extends import OwnOrigins
from generator.link import _SINGLE_KINDS, Catalog, KernelEntry, Linked, _Linker, link
from generator.mutation import kind_of
from generator.source import Doc


def relinked(catalog: Catalog, docs: tuple[Doc, ...], doc: Doc) -> tuple[Catalog | None, tuple[Diagnostic, ...]]:
    """The catalog, or None and what is wrong with the changed spec."""
    kind = kind_of(doc)
    if kind == "march":
        return link(tuple(doc if other.path == doc.path else other for other in docs))
    linker = _Linker()
    found = linker.add(kind, doc, doc.value, OwnOrigins(doc))
    return (None, found) if found else (_exchanged(catalog, kind, linker.by_kind[kind][0]), ())


def _exchanged(catalog: Catalog, kind: str, linked: Linked) -> Catalog:
    path = linked.doc.path
    if kind in _SINGLE_KINDS:
        return replace(catalog, **{kind: linked})
    if kind == "kernels":
        own = [KernelEntry(kernel, linked, index) for index, kernel in enumerate(linked.spec.kernels)]
        first = next(i for i, entry in enumerate(catalog.kernels) if entry.family.doc.path == path)
        others = [entry for entry in catalog.kernels if entry.family.doc.path != path]
        return replace(catalog, kernels=(*others[:first], *own, *others[first:]))
    if kind == "patterns":
        return replace(catalog, patterns=tuple(linked if old.doc.path == path else old for old in catalog.patterns))
    section = {"op": "ops", "color": "colors"}[kind]
    entries = getattr(catalog, section)
    return replace(
        catalog, **{section: {name: linked if old.doc.path == path else old for name, old in entries.items()}}
    )
