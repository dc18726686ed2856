"""Docs to a Catalog: each spec typed, `extends` resolved, every field with its Origin.

In: the Docs of `source`. Out: a `Catalog` and the diagnostics met on the way. Origin says which file and line a
field came from and how (own or extends); error messages, `explain` and coverage are all reads of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from generator.diag import Diagnostic, Span, did_you_mean
from generator.schema import (
    KINDS,
    Color,
    Dtypes,
    Kernel,
    Kernels,
    March,
    Observers,
    Op,
    Patterns,
    Qconfigs,
    QTensorFunctions,
    Rounding,
    Spec,
)
from generator.schema_errors import schema_diagnostics
from generator.source import Doc

Pointer = tuple[str | int, ...]
S = TypeVar("S", bound=Spec)

_SINGLE_KINDS = ("dtypes", "rounding", "observers", "qconfigs", "qtensor")
_NOT_INHERITED = frozenset({"schema", "id", "extends", "title", "boards", "constant", "aliases"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a field was written, and how the spec came to have it."""

    span: Span
    how: str  # "own" or "extends <id>"


@dataclass(frozen=True, slots=True)
class Linked(Generic[S]):
    """A typed spec with the origin of each of its fields."""

    spec: S
    doc: Doc
    origins: Mapping[Pointer, Origin]

    def origin(self, *pointer: str | int) -> Origin:
        """The origin of a field; of the nearest enclosing one when the field itself was defaulted."""
        for end in range(len(pointer), -1, -1):
            if found := self.origins.get(pointer[:end]):
                return found
        return Origin(Span(self.doc.path, 1, 1), "own")

    def span(self, *pointer: str | int) -> Span:
        """Where a field was written."""
        return self.origin(*pointer).span


@dataclass(frozen=True, slots=True)
class KernelEntry:
    """A kernel and the file it stands in."""

    kernel: Kernel
    family: Linked[Kernels]
    index: int

    def span(self, *pointer: str | int) -> Span:
        """Where a field of the kernel was written."""
        return self.family.span("kernels", self.index, *pointer)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every spec, typed and linked, in the order of its file."""

    dtypes: Linked[Dtypes]
    rounding: Linked[Rounding]
    observers: Linked[Observers]
    qconfigs: Linked[Qconfigs]
    qtensor: Linked[QTensorFunctions]
    marches: Mapping[str, Linked[March]]
    kernels: tuple[KernelEntry, ...]
    ops: Mapping[str, Linked[Op]]
    patterns: tuple[Linked[Patterns], ...]
    colors: Mapping[str, Linked[Color]]

    def lineage(self, march: str) -> Iterator[str]:
        """The march, its parent, its grandparent, ..."""
        name: str | None = march
        while name is not None:
            yield name
            name = self.marches[name].spec.extends


@dataclass(slots=True)
class _Linker:
    """Collects typed specs and diagnostics while the docs are walked once."""

    by_kind: dict[str, list[Linked[Spec]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def report(self, code: str, message: str, span: Span, hint: str = "", *related: tuple[Span, str]) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, hint=hint, related=related))

    def add(self, kind: str, doc: Doc, value: object, origins: Mapping[Pointer, Origin]) -> None:
        model, value = KINDS[kind], _frozen(value)
        try:
            spec = model.model_validate(value)
        except ValidationError as error:
            self.diagnostics.extend(schema_diagnostics(error, model, value, lambda at: _locate(doc, origins, at)))
        else:
            self.by_kind[kind].append(Linked(spec, doc, origins))


def link(docs: tuple[Doc, ...]) -> tuple[Catalog | None, tuple[Diagnostic, ...]]:
    """Type and connect all docs.

    Returns:
        The catalog, or None when a spec could not be typed, and every diagnostic of the run.
    """
    linker = _Linker()
    marches: dict[str, Doc] = {}
    for doc in docs:
        kind = _kind(linker, doc)
        if kind == "march":
            _collect_march(linker, doc, marches)
        elif kind is not None:
            linker.add(kind, doc, doc.value, _own_origins(doc))
    for doc in marches.values():
        if (resolved := _resolve_march(linker, doc, marches)) is not None:
            linker.add("march", doc, *resolved)
    for kind in _SINGLE_KINDS:
        _require_single(linker, kind)
    if linker.diagnostics:
        return None, tuple(linker.diagnostics)
    catalog = _catalog(linker)
    return (None if linker.diagnostics else catalog), tuple(linker.diagnostics)


def _kind(linker: _Linker, doc: Doc) -> str | None:
    """The kind that the doc's `schema:` line names."""
    if not isinstance(doc.value, dict):
        linker.report("S010", "a spec is a mapping with a 'schema' key", Span(doc.path, 1, 1))
        return None
    declared = doc.value.get("schema")
    if not isinstance(declared, str):
        linker.report(
            "S011",
            "missing key 'schema'",
            Span(doc.path, 1, 1),
            f"one of {', '.join(sorted(KINDS))}, as in 'schema: op/1'",
        )
        return None
    kind, _, version = declared.partition("/")
    if kind not in KINDS:
        linker.report("S012", f"unknown schema {declared!r}", doc.spans[("schema",)], did_you_mean(kind, KINDS))
        return None
    if version != "1":
        linker.report(
            "S013",
            f"unknown version {version!r} of schema {kind!r}",
            doc.spans[("schema",)],
            f"this generator reads {kind}/1",
        )
        return None
    return kind


def _collect_march(linker: _Linker, doc: Doc, marches: dict[str, Doc]) -> None:
    name = doc.value.get("id")
    if not isinstance(name, str):
        linker.report("S014", "a march needs an 'id'", Span(doc.path, 1, 1))
    elif name in marches:
        linker.report(
            "L001",
            f"march {name!r} is defined twice",
            doc.spans[("id",)],
            "",
            (marches[name].spans[("id",)], "first here"),
        )
    else:
        marches[name] = doc


def _resolve_march(
    linker: _Linker, doc: Doc, marches: Mapping[str, Doc]
) -> tuple[object, dict[Pointer, Origin]] | None:
    """The march's value and origins with everything it inherits; None after a diagnostic."""
    chain = [doc]
    while (parent := chain[-1].value.get("extends")) is not None:
        here = chain[-1].spans[("extends",)]
        if not isinstance(parent, str) or parent not in marches:
            linker.report(
                "L002",
                f"march {doc.value['id']!r} extends {parent!r}, which is not a march",
                here,
                did_you_mean(str(parent), marches),
            )
            return None
        if marches[parent] in chain:
            names = " -> ".join(str(d.value["id"]) for d in [*chain, marches[parent]])
            linker.report("L003", f"marches extend each other: {names}", here, "one of them must stand alone")
            return None
        chain.append(marches[parent])
    value: dict[str, object] = {}
    origins: dict[Pointer, Origin] = {}
    for ancestor in reversed(chain):
        own = ancestor is doc
        how = "own" if own else f"extends {ancestor.value['id']}"
        inherited = {k: v for k, v in ancestor.value.items() if own or k not in _NOT_INHERITED}
        value = _merge(value, inherited)
        origins.update({p: Origin(s, how) for p, s in ancestor.spans.items() if own or not p or p[0] in inherited})
    return value, origins


def _frozen(value: object) -> object:
    """Lists as tuples, for specs are immutable."""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Mappings merge key by key; anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _require_single(linker: _Linker, kind: str) -> None:
    found = linker.by_kind[kind]
    if len(found) > 1:
        first, second = found[0], found[1]
        linker.report(
            "L004", f"schema {kind!r} may stand in one file only", second.span(), "", (first.span(), "first here")
        )
    elif not found and not linker.diagnostics:
        linker.report(
            "L005", f"no file under specs/ has schema '{kind}/1'", Span("specs", 1, 1), f"add specs/{kind}.yaml"
        )


def _catalog(linker: _Linker) -> Catalog:
    kinds = linker.by_kind
    return Catalog(
        dtypes=kinds["dtypes"][0],  # type: ignore[arg-type]  # by_kind is keyed by the kind of what it holds
        rounding=kinds["rounding"][0],  # type: ignore[arg-type]
        observers=kinds["observers"][0],  # type: ignore[arg-type]
        qconfigs=kinds["qconfigs"][0],  # type: ignore[arg-type]
        qtensor=kinds["qtensor"][0],  # type: ignore[arg-type]
        marches=_by_id(linker, "march"),
        kernels=tuple(
            KernelEntry(kernel, family, index)  # type: ignore[arg-type]
            for family in kinds["kernels"]
            for index, kernel in enumerate(family.spec.kernels)  # type: ignore[attr-defined]
        ),
        ops=_by_id(linker, "op"),
        patterns=tuple(kinds["patterns"]),  # type: ignore[arg-type]
        colors=_by_id(linker, "color"),
    )


def _by_id(linker: _Linker, kind: str) -> dict[str, Linked[Any]]:
    result: dict[str, Linked[Any]] = {}
    for linked in linker.by_kind[kind]:
        name = linked.spec.id  # type: ignore[attr-defined]
        if name in result:
            linker.report(
                "L001",
                f"{kind} {name!r} is defined twice",
                linked.span("id"),
                "",
                (result[name].span("id"), "first here"),
            )
        else:
            result[name] = linked
    return result


def _own_origins(doc: Doc) -> dict[Pointer, Origin]:
    return {pointer: Origin(span, "own") for pointer, span in doc.spans.items()}


def _locate(doc: Doc, origins: Mapping[Pointer, Origin], pointer: Pointer) -> Span:
    """The span of a key if the doc has it, else of the value, else of what encloses it."""
    if (key := doc.key_spans.get(pointer)) is not None:
        return key
    for end in range(len(pointer), -1, -1):
        if found := origins.get(pointer[:end]):
            return found.span
    return Span(doc.path, 1, 1)
