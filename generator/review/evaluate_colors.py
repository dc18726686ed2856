"""Evaluators of colour spaces: forward and inverse conversions, executed before and after with the kernels that do them.

In: a Comparison. Out: one event for each row of a matrix whose coefficients changed, and one a march for the inverse.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from generator.compile import formula_dtypes
from generator.pipeline import Knowledge
from generator.review.delta import Outputs, compare
from generator.review.events import Comparison, Event, Severity
from generator.review.execute import Executable, Run, executable
from generator.review.fields import FieldChange
from generator.review.vectors import operands
from generator.schema_policy import Color, Swing

_BYTES = ((0, 255),) * 3
_FEATURES = ((-128, 127),) * 3
_INPUT = "float images are converted to other integers before they reach a model"
_MODEL = "the conversion inside of a deployed model computes other integers"


def forward_rows(comparison: Comparison) -> Iterator[Event]:
    """Rows of forward matrices and their offsets."""
    for name, swing, before, after in _swings(comparison):
        for row in range(3):
            (w_old, b_old), (w_new, b_new) = ((s.forward[row], s.forward_offset[row]) for s in (before, after))
            if (w_old, b_old) == (w_new, b_new):
                continue
            run = Run({}, {}, {}, {}, operands(_BYTES))
            first, second = _forward(comparison.old, w_old, b_old), _forward(comparison.new, w_new, b_new)
            delta = compare((run,), first, second, ("R", "G", "B"))
            fields = (f"forward[{row}]", f"forward_offset[{row}]")
            causes = tuple(f for f in _causes(comparison, name, swing) if f.path[2].startswith(fields))
            subject = f"colour {name}, {swing} swing, row {'YUV'[row]}"
            formulas = (_formula(row, w_old, b_old),), (_formula(row, w_new, b_new),)
            severity: Severity = "breaking" if delta.changed else "note"
            yield Event(
                severity, "", subject, str(delta), _INPUT, causes, (), formulas[0], formulas[1], delta, neutral=not delta.changed
            )  # fmt: skip


def inverse_conversions(comparison: Comparison) -> Iterator[Event]:
    """The inverse conversion of every operator that uses a changed swing, on every march that supports it."""
    for name, swing, before, after in _swings(comparison):
        old, new = ((s.inverse, s.inverse_scale, s.inverse_offset) for s in (before, after))
        if old == new:
            continue
        for march in comparison.marches:
            for op in _users(comparison, name, march):
                space = comparison.new.catalog.colors[name].spec
                first, second = (
                    _inverse(comparison.old, march, before, space),
                    _inverse(comparison.new, march, after, space),
                )
                runs = tuple(Run({}, {}, {"row": row}, {}, operands(_FEATURES)) for row in range(3))
                delta = compare(runs, first, second, ("Y", "U", "V"))
                causes = tuple(f for f in _causes(comparison, name, swing) if "inverse" in f.field)
                yield Event(
                    "breaking" if delta.changed else "note", march, f"{op}, {swing} swing", str(delta), _MODEL, causes,
                    (op,), delta=delta, neutral=not delta.changed,
                )  # fmt: skip


def _swings(comparison: Comparison) -> Iterator[tuple[str, str, Swing, Swing]]:
    old, new = comparison.old.catalog.colors, comparison.new.catalog.colors
    for name in (name for name in new if name in old):
        before, after = old[name].spec.swings, new[name].spec.swings
        for swing in (swing for swing in after if swing in before):
            yield name, swing, before[swing], after[swing]


def _causes(comparison: Comparison, name: str, swing: str) -> tuple[FieldChange, ...]:
    return tuple(f for f in comparison.fields_of("color") if f.id == name and f.path[:2] == ("swings", swing))


def _users(comparison: Comparison, name: str, march: str) -> Iterator[str]:
    for op_id, op in comparison.new.catalog.ops.items():
        decision = comparison.new.decisions[op_id, march, "qint8"]
        if op.spec.color is not None and op.spec.color.space == name and decision.status == "supported":
            yield op_id


def _forward(known: Knowledge, weights: tuple[int, int, int], offset: int) -> Outputs:
    kernel = executable(known.compiled.common["color_forward"], formula_dtypes(known.catalog))
    w0, w1, w2 = weights

    def outputs(run: Run) -> Tensor:
        x0, x1, x2 = (x.float() for x in run.vectors.operands)
        result: Tensor = kernel.functions["compute"](p=None, x0=x0, x1=x1, x2=x2, w0=w0, w1=w1, w2=w2, offset=offset)
        return result

    return outputs


def _formula(row: int, weights: tuple[int, int, int], offset: int) -> str:
    terms = " ".join(
        f"{'-' if w < 0 else '+'} {abs(w)} · {c}" for w, c in zip(weights, "RGB", strict=True)
    ).removeprefix("+ ")
    return f"{'YUV'[row]} = trunc(({terms} + 128) / 256 {'-' if offset < 0 else '+'} {abs(offset)})"


def _inverse(known: Knowledge, march: str, swing: Swing, space: Color) -> Outputs:
    """The conversion with the space's own normalization, as `_runtime/color.py` computes it; `row` is the output channel."""
    dtypes = formula_dtypes(known.catalog)
    of_march, common = known.compiled.by_march[march], known.compiled.common
    need: Mapping[str, Executable] = {
        name: executable((common if name in common else of_march)[name], dtypes)
        for name in ("color_weight", "color_bias", "quantize_weight", "weighted")
    }
    normal = space.normalization
    std, mean = torch.tensor(normal.std), torch.tensor(normal.mean)
    qint8 = need["weighted"].dtypes["qint8"]

    def call(name: str, **arguments: Any) -> Any:
        kernel = need[name]
        wanted = {arg.name for arg in kernel.compiled.compute_args} | {"p"}
        return kernel.functions["compute"](**{"p": None} | {k: v for k, v in arguments.items() if k in wanted})

    def outputs(run: Run) -> Tensor:
        row = run.integers["row"]
        scale = call("color_weight", w=torch.tensor(swing.inverse_scale[row]), std=std)
        weight = call("color_weight", w=torch.tensor(swing.inverse[row]), std=std)
        bias = call("color_bias", offset=torch.tensor(swing.inverse_offset), mean=mean, std=std)
        integers = call("quantize_weight", x=weight, s=scale, output=qint8).long()
        acc = sum(x * w for x, w in zip(run.vectors.operands, integers, strict=True))
        values = {"s_in": torch.ones(()), "s_w": scale, "s_out": torch.tensor(normal.scale), "b": bias, "output": qint8}
        arguments = {arg.name: values[arg.name] for arg in need["weighted"].compiled.derive_args}
        derived = need["weighted"].functions["derive"](**arguments)
        result: Tensor = call("weighted", acc=acc, **values, p=derived)
        return result

    return outputs
