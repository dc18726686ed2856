"""The `schema:` line of a spec: which kind it is, in which version.

In: a document. Out: the kind, or a diagnostic.
"""

from generator.diag import Diagnostic, Span, did_you_mean
from generator.schema import KINDS
from generator.source import Doc


def declared_kind(doc: Doc) -> str | Diagnostic:
    """The kind that the doc's `schema:` line names, or what is wrong with the line."""
    if not isinstance(doc.value, dict):
        return Diagnostic("S010", "a spec is a mapping with a 'schema' key", Span(doc.path, 1, 1))
    declared = doc.value.get("schema")
    if not isinstance(declared, str):
        hint = f"one of {', '.join(sorted(KINDS))}, as in 'schema: op/1'"
        return Diagnostic("S011", "missing key 'schema'", Span(doc.path, 1, 1), hint=hint)
    place = doc.spans["schema",]
    kind, _, version = declared.partition("/")
    if kind not in KINDS:
        return Diagnostic("S012", f"unknown schema {declared!r}", place, hint=did_you_mean(kind, KINDS))
    if version != "1":
        hint = f"this generator reads {kind}/1; horizon-gen migrate rewrites older ones"
        return Diagnostic("S013", f"unknown version {version!r} of schema {kind!r}", place, hint=hint)
    return kind
