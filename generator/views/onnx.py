"""View of generated/docs/onnx.md: which operators standard ONNX can express, in both kinds of files, and why others not.

In: specs/onnx.yaml, and the operators that some march supports. Out: the operators with a gap, one a row, and the others.
"""

from dataclasses import dataclass

from generator.decide import Decisions
from generator.link import Catalog
from generator.schema_onnx import OnnxGap
from generator.schema_op import Op
from generator.views.names import sentence


@dataclass(frozen=True, slots=True)
class OnnxRowView:
    """An operator that one kind of file at least cannot hold: "yes", or "no: reason"."""

    op: str
    title: str
    integers: str
    qdq: str


@dataclass(frozen=True, slots=True)
class OnnxReasonView:
    """Why operators are missing."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class OnnxView:
    """The whole list; `others` are links to the operators that both kinds of files hold."""

    summary: str
    reasons: tuple[OnnxReasonView, ...]
    rows: tuple[OnnxRowView, ...]
    others: str


def onnx_view(catalog: Catalog, decisions: Decisions) -> OnnxView:
    """Every operator that some march supports, once."""
    spec = catalog.onnx[0].spec
    supported = {decision.op for decision in decisions.values() if decision.status == "supported"}
    ops = [linked.spec for name, linked in catalog.ops.items() if name in supported]
    rows = tuple(
        OnnxRowView(op.id, op.title, _cell(spec.integers.get(op.id)), _cell(spec.qdq.get(op.id)))
        for op in ops
        if op.id in spec.integers.keys() | spec.qdq.keys()
    )
    others = [op for op in ops if op.id not in spec.integers.keys() | spec.qdq.keys()]
    return OnnxView(
        summary=f"{len(others)} of {len(ops)} operators have both forms.",
        reasons=tuple(OnnxReasonView(name, sentence(text)) for name, text in spec.reasons.items()),
        rows=rows,
        others=", ".join(map(_link, others)),
    )


def _cell(gap: OnnxGap | None) -> str:
    if gap is None:
        return "yes"
    return f"all but {gap.only}: {gap.because}" if gap.only else f"no: {gap.because}"


def _link(op: Op) -> str:
    return f"[{op.title}](ops/{op.id}.md)"
