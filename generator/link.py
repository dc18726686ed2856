"""Docs to a Catalog: each spec typed, `extends` resolved, every field with its Origin.

In: the Docs of `source`. Out: a `Catalog` and the diagnostics met on the way. Origin says which file and line a
field came from and how (own or extends); error messages, `explain` and coverage are all reads of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from generator.declared import declared_kind
from generator.diag import Diagnostic, Span
from generator.extends import Inherited, Origin, OwnOrigins, inherit
from generator.memo import Memo, digest
from generator.schema import KINDS, Dtypes, Kernel, Kernels, March, Rounding
from generator.schema_base import Spec
from generator.schema_errors import schema_diagnostics
from generator.schema_mutation import Mutation, Waivers
from generator.schema_onnx import Onnx
from generator.schema_op import Op
from generator.schema_policy import Color, Observers, Patterns, Qconfigs, QTensorFunctions
from generator.schema_ratchet import Ratchet
from generator.schema_tools import Tools
from generator.source import Doc, Pointer

S = TypeVar("S", bound=Spec)

_SINGLE_KINDS = ("dtypes", "rounding", "observers", "qconfigs", "qtensor", "ratchet", "tools")
_OPTIONAL_KINDS = ("mutation", "waivers", "onnx")


@dataclass(frozen=True, slots=True)
class Linked(Generic[S]):
    """A typed spec with the origin of each of its fields."""

    spec: S
    doc: Doc
    origins: Mapping[Pointer, Origin]
    digest: str = ""  # of everything that the spec says, and where

    @property
    def kind(self) -> str:
        """The kind of the spec: `march`, `op`, ..."""
        return str(self.doc.value["schema"]).partition("/")[0]

    @property
    def name(self) -> str:
        """The id of the spec, its family where it has one; the kind where there is one file of it."""
        return getattr(self.spec, "id", None) or getattr(self.spec, "family", None) or self.kind

    def origin(self, *pointer: str | int) -> Origin:
        """The origin of a field; of the nearest enclosing one when the field itself was defaulted."""
        for end in range(len(pointer), -1, -1):
            if found := self.origins.get(pointer[:end]):
                return found
        return Origin(Span(self.doc.path, 1, 1), "own")

    def span(self, *pointer: str | int) -> Span:
        """Where a field's value was written."""
        return self.origin(*pointer).span

    def key_span(self, *pointer: str | int) -> Span:
        """Where a field's name was written, for mistakes in the name."""
        origin = self.origins.get(pointer)
        return (origin and origin.key) or self.span(*pointer)


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
    ratchet: Linked[Ratchet]
    tools: Linked[Tools]
    mutation: tuple[Linked[Mutation], ...]  # at most one, as of waivers
    waivers: tuple[Linked[Waivers], ...]
    onnx: tuple[Linked[Onnx], ...]
    marches: Mapping[str, Linked[March]]
    kernels: tuple[KernelEntry, ...]
    ops: Mapping[str, Linked[Op]]
    patterns: tuple[Linked[Patterns], ...]
    colors: Mapping[str, Linked[Color]]

    def specs(self) -> Iterator["Linked[Any]"]:
        """Every spec of every kind, file by file."""
        for section in fields(self):
            value = getattr(self, section.name)
            several = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else (value,)
            owners = (item.family if isinstance(item, KernelEntry) else item for item in several)
            yield from {id(linked): linked for linked in owners}.values()

    def lineage(self, march: str) -> Iterator[str]:
        """The march, its parent, its grandparent, ..."""
        name: str | None = march
        while name is not None:
            yield name
            name = self.marches[name].spec.extends

    def likes(self, op: str) -> Iterator[Linked[Op]]:
        """The operator, the one that it is like, the one that that one is like, ...; none twice."""
        seen: set[str] = set()
        name: str | None = op
        while name is not None and name in self.ops and name not in seen:
            seen.add(name)
            yield self.ops[name]
            name = self.ops[name].spec.like


@dataclass(slots=True)
class _Linker:
    """Collects typed specs and diagnostics while the docs are walked once."""

    by_kind: dict[str, list[Linked[Spec]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    diagnostics: list[Diagnostic] = field(default_factory=list)
    complete: bool = True  # False once a file is left out: then a dangling reference may be no mistake
    mistyped: set[str] = field(default_factory=set)  # marches
    memo: Memo = field(default_factory=Memo)

    def report(self, code: str, message: str, span: Span, hint: str = "", *related: tuple[Span, str]) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, hint=hint, related=related))

    def add(self, kind: str, doc: Doc, value: object, origins: Mapping[Pointer, Origin]) -> tuple[Diagnostic, ...]:
        """Type a spec; return what is wrong with it."""
        model, value = KINDS[kind], _frozen(value)
        try:
            spec = model.model_validate(value)
        except ValidationError as error:
            return tuple(schema_diagnostics(error, model, value, lambda at: _locate(doc, origins, at)))
        self.by_kind[kind].append(Linked(spec, doc, origins, digest(doc.path, doc.text, value)))
        return ()

    def add_own(self, kind: str, doc: Doc) -> None:
        """Type a spec that inherits nothing; one that an earlier run typed is as it was."""
        known = self.memo.of("typed", doc, lambda: self._typed(kind, doc))
        self.by_kind[kind].extend(known[0])
        self.diagnostics.extend(known[1])

    def _typed(self, kind: str, doc: Doc) -> tuple[tuple[Linked[Spec], ...], tuple[Diagnostic, ...]]:
        alone = _Linker()
        found = alone.add(kind, doc, doc.value, OwnOrigins(doc))
        return tuple(alone.by_kind[kind]), found

    def add_march(self, march: Inherited) -> None:
        """Type a march; what is wrong with its parents is told there."""
        found = self.add("march", march.doc, march.value, march.origins)
        if found:
            self.mistyped.add(str(march.value["id"]))
        if not self.mistyped.isdisjoint(march.parents):
            found = tuple(d for d in found if d.id != "S002" and d.span and d.span.path == march.doc.path)
        self.diagnostics.extend(found)


def link(
    docs: tuple[Doc, ...], *, complete: bool = True, memo: Memo | None = None
) -> tuple[Catalog | None, tuple[Diagnostic, ...]]:
    """Type and connect all docs.

    Args:
        docs: every spec that could be read.
        complete: whether these are all; otherwise what refers to the others is not reported.
        memo: knows the specs of earlier runs.

    Returns:
        The catalog, or None when a spec could not be typed, and every diagnostic of the run.
    """
    linker = _Linker(complete=complete, memo=memo or Memo())
    marches: dict[str, Doc] = {}
    for doc in docs:
        kind = declared_kind(doc)
        if isinstance(kind, Diagnostic):
            linker.diagnostics.append(kind)
            linker.complete = False
        elif kind == "march":
            _collect_march(linker, doc, marches)
        else:
            linker.add_own(kind, doc)
    _link_marches(linker, marches)
    sound = linker.complete and not linker.diagnostics
    for kind in (*_SINGLE_KINDS, *_OPTIONAL_KINDS):
        _require_single(linker, kind, sound=sound)
    if linker.diagnostics or not linker.complete:
        return None, tuple(linker.diagnostics)
    catalog = _catalog(linker)
    return (None if linker.diagnostics else catalog), tuple(linker.diagnostics)


def _link_marches(linker: _Linker, marches: Mapping[str, Doc]) -> None:
    """Type all marches, parents first."""
    resolved = []
    for doc in marches.values():
        match inherit(doc, marches):
            case Inherited() as march:
                resolved.append(march)
            case Diagnostic() as problem if linker.complete or problem.id != "L002":
                linker.diagnostics.append(problem)
    for march in sorted(resolved, key=lambda march: len(march.parents)):
        linker.add_march(march)
    order = list(marches)
    linker.by_kind["march"].sort(key=lambda linked: order.index(linked.doc.value["id"]))


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


def _frozen(value: object) -> object:
    """Lists as tuples, for specs are immutable."""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _require_single(linker: _Linker, kind: str, *, sound: bool) -> None:
    found = linker.by_kind[kind]
    if len(found) > 1:
        first, second = found[0], found[1]
        linker.report(
            "L004", f"schema {kind!r} may stand in one file only", second.span(), "", (first.span(), "first here")
        )
    elif not found and sound and kind in _SINGLE_KINDS:  # else a file that could not be read or typed may be the one
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
        ratchet=kinds["ratchet"][0],  # type: ignore[arg-type]
        tools=kinds["tools"][0],  # type: ignore[arg-type]
        mutation=tuple(kinds["mutation"]),  # type: ignore[arg-type]
        waivers=tuple(kinds["waivers"]),  # type: ignore[arg-type]
        onnx=tuple(kinds["onnx"]),  # type: ignore[arg-type]
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
            first = (result[name].span("id"), "first here")
            linker.report("L001", f"{kind} {name!r} is defined twice", linked.span("id"), "", first)
        else:
            result[name] = linked
    return result


def _locate(doc: Doc, origins: Mapping[Pointer, Origin], pointer: Pointer) -> Span:
    """The span of a key, else of the value, else of what encloses it."""
    for end in range(len(pointer), -1, -1):
        if found := origins.get(pointer[:end]):
            return found.key or found.span
    return Span(doc.path, 1, 1)
