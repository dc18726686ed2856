"""Rules of specs/onnx.yaml: names that lead somewhere, reasons that are used.

In: the catalog. Out: diagnostics.
"""

from collections.abc import Iterator

from generator.diag import Diagnostic, did_you_mean
from generator.link import Catalog


def check_onnx(catalog: Catalog) -> Iterator[Diagnostic]:
    """Operators exist, and reasons are written and used."""
    for linked in catalog.onnx:
        spec, used = linked.spec, set()
        for kind in ("integers", "qdq"):
            for op, gap in getattr(spec, kind).items():
                used.add(gap.because)
                if op not in catalog.ops:
                    place, hint = linked.key_span(kind, op), did_you_mean(op, catalog.ops) or "remove it"
                    yield Diagnostic("C063", f"unknown operator {op!r}", place, hint=hint)
                if gap.because not in spec.reasons:
                    hint = did_you_mean(gap.because, spec.reasons) or "write it under `reasons`"
                    yield Diagnostic(
                        "C063", f"unknown reason {gap.because!r}", linked.span(kind, op, "because"), hint=hint
                    )
        for reason in sorted(spec.reasons.keys() - used):
            place = linked.key_span("reasons", reason)
            yield Diagnostic("C063", f"no operator names reason {reason!r}", place, hint="remove it")
