"""`explain MARCH OP [DTYPE]` or `explain --pattern NAME`: why an operator is or is not supported, by which formulas it is computed, and where."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from generator.cli.explain_pattern import explain_pattern
from generator.decide import Decision, feature_dtypes, reasons
from generator.diag import did_you_mean, errors, render
from generator.layout import STATE
from generator.link import Catalog
from generator.memo import Memo
from generator.pipeline import Knowledge, understand
from generator.views.names import module_path


def run(args: argparse.Namespace, root: Path) -> int:
    """Print the chain of decisions with file:line, the formulas with their rounding sites, and the generated file."""
    understood = understand(root, memo=Memo(root / STATE))
    if understood.knowledge is None or errors(understood.diagnostics):
        print(render(understood.diagnostics, understood.texts), end="")
        return 1
    known = understood.knowledge
    if args.pattern:
        status, lines = explain_pattern(known, args.pattern)
        print("\n".join(lines))
        return status
    if not args.march or not args.op:
        sys.stderr.write(
            "usage: horizon-gen explain MARCH OPERATOR [DTYPE]\n       horizon-gen explain --pattern NAME\n"
        )
        return 1
    for name, kind, names in ((args.march, "march", known.catalog.marches), (args.op, "operator", known.catalog.ops)):
        if name not in names:
            print(f"no {kind} {name!r}. {did_you_mean(name, names)}")
            return 1
    dtypes = feature_dtypes(known.catalog)
    if args.dtype and args.dtype not in dtypes:
        print(f"no feature dtype {args.dtype!r}. {did_you_mean(args.dtype, dtypes)}")
        return 1
    for dtype in [args.dtype] if args.dtype else dtypes:
        for line in _decision(known.catalog, known.decisions[args.op, args.march, dtype]):
            print(line)
    for line in _formulas(known, args.march, args.op):
        print(line)
    return 0


def _decision(catalog: Catalog, decision: Decision) -> Iterator[str]:
    outcome = "-> " + ", ".join(decision.outputs) if decision.outputs else decision.reason
    yield f"{decision.op} on {decision.march}, {decision.dtype}: {decision.status} {outcome}"
    for step in reasons(catalog, decision):
        yield f"  {step.span}: {step.text}"


def _formulas(known: Knowledge, march: str, op: str) -> Iterator[str]:
    """The operator's kernel with everything it reads, and the facts behind each rounding site and constant."""
    linked = known.catalog.ops[op]
    role = linked.spec.kernel
    if role is None:
        computes = "computes no integers" if linked.spec.scale == "own" else "moves integers and keeps their scale"
        yield f"{op} has no kernel of its own: it {computes}"
        return
    kernel = {**known.compiled.common, **known.compiled.by_march[march]}[role]
    entry = next(
        e
        for e in known.catalog.kernels
        if e.kernel.id == role and (e.kernel.variant or "") == kernel.label.partition("/")[2]
    )
    yield f"kernel {kernel.label}, {entry.span('id')}: {entry.kernel.doc.strip().splitlines()[0]}"
    yield from (f"  {line}" for line in kernel.math)
    spec = known.catalog.marches[march]
    for site in sorted(kernel.sites):
        origin = spec.origin("rounding", site)
        yield f"  rounding {site}: {spec.spec.rounding[site]}, {origin.span} ({origin.how})"
    for constant in sorted(kernel.constants):
        origin = spec.origin(*constant.split("."))
        yield f"  {constant}, {origin.span} ({origin.how})"
    for label in sorted(kernel.calls):
        yield f"  calls {label}"
    module = module_path(march if role in known.compiled.by_march[march] else None)
    yield f"generated/horizon_plugin_pytorch/kernels/{module}.py: {role}"
    if linked.spec.python.class_:
        yield f"generated/horizon_plugin_pytorch/nn/quantized/{linked.spec.python.file}.py: {linked.spec.python.class_}"
