"""`matrix`: the support matrix in the terminal, and how many cells are undecided."""

import argparse
from pathlib import Path

from generator.decide import Decision, feature_dtypes
from generator.diag import errors, render
from generator.layout import STATE
from generator.memo import Memo
from generator.pipeline import Knowledge, understand


def run(args: argparse.Namespace, root: Path) -> int:
    """Print a row an operator; with --undecided only the number of cells that no spec decides, and the totals."""
    understood = understand(root, memo=Memo(root / STATE))
    if args.undecided and understood.knowledge is not None:
        count = sum(d.id == "D001" for d in understood.diagnostics)
        print(count)
        print(_totals(understood.knowledge, list(understood.knowledge.catalog.marches)))
        return 1 if count else 0
    if understood.knowledge is None or errors(understood.diagnostics):
        print(render(understood.diagnostics, understood.texts), end="")
        return 1
    known = understood.knowledge
    marches = [args.march] if args.march else list(known.catalog.marches)
    if args.march and args.march not in known.catalog.marches:
        print(f"no march {args.march!r}; known: {', '.join(known.catalog.marches)}")
        return 1
    for line in _lines(known, marches):
        print(line)
    return 0


def _lines(known: Knowledge, marches: list[str]) -> list[str]:
    lines = []
    for op in known.catalog.ops:
        for march in marches:
            for dtype in feature_dtypes(known.catalog):
                decision = known.decisions[op, march, dtype]
                lines.append(f"{op:18} {march:12} {dtype:8} {_cell(decision)}")
    return [*lines, _totals(known, marches)]


def _totals(known: Knowledge, marches: list[str]) -> str:
    counts = {
        status: sum(d.status == status and d.march in marches for d in known.decisions.values())
        for status in ("supported", "unsupported", "todo")
    }
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def _cell(decision: Decision) -> str:
    if decision.status == "supported":
        return "-> " + ", ".join(decision.outputs)
    return f"{decision.status}: {decision.reason}"
