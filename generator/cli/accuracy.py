"""`accuracy`: how many tests hold each operator and how far integers are from QAT at worst; --measure measures that.

In: a checkout. Out: one line an operator and march. With --measure the operator tests of generated/ run in this process and
specs/ratchet.yaml is rewritten, but for numbers that rose: those are told, and stay.
"""

import argparse
import importlib
import sys
from pathlib import Path

from generator.diag import errors, render
from generator.layout import GENERATED, SPECS, STATE
from generator.link import Catalog
from generator.memo import Memo
from generator.pipeline import Knowledge, understand
from generator.ratchet import worst_steps
from generator.views.accuracy import GeneratedTests
from generator.views.kernels import module_path

Steps = dict[str, dict[str, dict[str, int]]]
FILE = "ratchet.yaml"


def run(args: argparse.Namespace, root: Path) -> int:
    """Print the numbers, after measuring them if asked to."""
    understood = understand(root, memo=Memo(root / STATE))
    if understood.knowledge is None or errors(understood.diagnostics):
        print(render(understood.diagnostics, understood.texts), end="")
        return 1
    if args.measure:
        return _measure(understood.knowledge, root)
    known = understood.knowledge
    view = GeneratedTests(known.catalog, known.decisions, known.compiled).accuracy()
    for row in view.rows:
        for march in row.marches:
            print(
                f"{row.op:28} {march.march:12} exact {march.exact:4}  QAT {march.compared:4}  worst steps {march.worst}"
            )
    print(view.summary)
    return 0


def _measure(known: Knowledge, root: Path) -> int:
    sys.path[:0] = [str(root / GENERATED / "tests"), str(root / GENERATED)]
    measured = measure(tuple(known.catalog.marches))
    risen = 0
    for op, by_march in measured.items():
        for march, row in by_march.items():
            for dtype, written in worst_steps(known.catalog, op, march).items():
                if row.get(dtype, 0) > written:
                    print(f"{op} on {march}, {dtype}: {row[dtype]} steps, was {written}")
                    row[dtype] = written
                    risen += 1
    (root / SPECS / FILE).write_text(_text(known.catalog, measured), encoding="utf-8", newline="\n")
    print(f"wrote {SPECS}/{FILE}; next: horizon-gen build")
    return 1 if risen else 0


def measure(marches: tuple[str, ...]) -> Steps:
    """Run every generated operator test; the worst steps of each operator, march and output dtype."""
    harness = importlib.import_module("harness_ops")
    found: Steps = {}
    for march in marches:
        for case in importlib.import_module(f"test_ops_{module_path(march)}").SUPPORTED:
            if case.output != harness.ACCUMULATOR:
                row = found.setdefault(case.op, {}).setdefault(march, {})
                row[case.output] = max(row.get(case.output, 0), harness.worst_steps(march, case))
    return found


def _text(catalog: Catalog, measured: Steps) -> str:
    """The whole spec anew; a march with its parent's numbers is left out."""
    ratchet = catalog.ratchet.spec
    lines = [
        f"# yaml-language-server: $schema=../{GENERATED}/schema/ratchet.schema.json",
        "schema: ratchet/1",
        "doc: |",
    ]
    lines += [f"  {line}" for line in ratchet.doc.strip().splitlines()]
    lines += [f"todo_cells: {ratchet.todo_cells}", "worst_steps:"]
    for op, rows in sorted(measured.items()):
        own = {m: row for m, row in rows.items() if row != rows.get(catalog.marches[m].spec.extends or "")}
        cells = ", ".join(
            f"{m}: {{{', '.join(f'{dtype}: {n}' for dtype, n in row.items())}}}" for m, row in own.items()
        )
        lines.append(f"  {op}: {{{cells}}}")
    return "\n".join(lines) + "\n"
