"""Overlays: specs from outside of the repository join those inside, and replace one only where they say so.

In: the Docs of the base and of each overlay. Out: one tuple of Docs for `link`, and findings. `overrides: <id>` in a spec of
an overlay drops the spec of that id and kind; without it an id that is taken stays an error of `link`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from generator.diag import Diagnostic, Span, did_you_mean
from generator.source import Doc

OVERRIDES = "overrides"


@dataclass(frozen=True, slots=True)
class Overlay:
    """What an overlay build is asked for: folders of specs, the package's name, and the folder to write."""

    specs: tuple[Path, ...]
    package: str
    out: Path


def merge(base: tuple[Doc, ...], added: tuple[Doc, ...]) -> tuple[tuple[Doc, ...], tuple[Diagnostic, ...]]:
    """The specs of the base that nothing replaces, then those of the overlays without their `overrides`."""
    known = {_name(doc): doc for doc in base}
    found: list[Diagnostic] = []
    replaced: set[str] = set()  # paths
    plain = []
    for doc in added:
        plain.append(_without_overrides(doc))
        if not isinstance(doc.value, dict) or OVERRIDES not in doc.value:
            continue
        if (problem := _problem(doc, known, replaced)) is not None:
            found.append(problem)
        else:
            replaced.add(known[_name(doc)].path)
    return (*(doc for doc in base if doc.path not in replaced), *plain), tuple(found)


def _name(doc: Doc) -> tuple[str, str]:
    """(kind, id): what a spec is known by. A kind that stands in one file only is its own id."""
    value = doc.value if isinstance(doc.value, dict) else {}
    kind = str(value.get("schema")).partition("/")[0]
    return kind, str(value.get("id", value.get("family", kind)))


def _problem(doc: Doc, known: Mapping[tuple[str, str], Doc], replaced: set[str]) -> Diagnostic | None:
    """Why a spec cannot replace what it names."""
    (kind, name), target, span = _name(doc), doc.value[OVERRIDES], doc.spans[OVERRIDES,]
    if (kind, target) not in known:
        hint = did_you_mean(str(target), {name for of_kind, name in known if of_kind == kind})
        return Diagnostic("L006", f"overrides {target!r}, but no {kind} of that name is there", span, hint=hint)
    if target != name:
        hint = f"call it {target!r}, or leave 'overrides' out to add it"
        return Diagnostic("L006", f"{kind} {name!r} can only override {name!r}, not {target!r}", span, hint=hint)
    if known[kind, name].path in replaced:
        return Diagnostic("L006", f"{kind} {name!r} is overridden twice", span, hint="remove one of the two")
    return None


def _without_overrides(doc: Doc) -> Doc:
    """The spec as `link` reads it."""
    if not isinstance(doc.value, dict) or OVERRIDES not in doc.value:
        return doc
    spans = {pointer: span for pointer, span in doc.spans.items() if pointer != (OVERRIDES,)}
    return replace(doc, value={key: value for key, value in doc.value.items() if key != OVERRIDES}, spans=spans)


def missing(folders: tuple[Path, ...]) -> tuple[Diagnostic, ...]:
    """Folders of specs that are none."""
    return tuple(
        Diagnostic("L007", f"--specs {folder}: no such folder", Span(str(folder), 1, 1), hint="name a folder of *.yaml")
        for folder in folders
        if not folder.is_dir()
    )
