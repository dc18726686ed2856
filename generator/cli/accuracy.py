"""`accuracy`: how many tests hold each operator and how far integers are from QAT at worst; --measure measures that.

In: a checkout. Out: one line an operator and march. With --measure the operator tests of generated/ run in this process and
specs/ratchet.yaml is rewritten, but for numbers that rose: those are told, and stay.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from generator.diag import errors, render
from generator.layout import GENERATED, SPECS
from generator.pipeline import Knowledge, understand
from generator.schema_ratchet import Ratchet
from generator.views.accuracy import accuracy_view, generated_tests
from generator.views.kernels import module_path

Steps = dict[str, dict[str, dict[str, int]]]
FILE = "ratchet.yaml"


def run(args: argparse.Namespace, root: Path) -> int:
    """Print the numbers, after measuring them if asked to."""
    understood = understand(root)
    if understood.knowledge is None or errors(understood.diagnostics):
        print(render(understood.diagnostics, understood.texts), end="")
        return 1
    if args.measure:
        return _measure(understood.knowledge, root)
    known = understood.knowledge
    view = accuracy_view(known.catalog, generated_tests(known.catalog, known.decisions, known.compiled))
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
    ratchet = known.catalog.ratchet.spec
    risen = tuple(_risen(ratchet.worst_steps, measured))
    for op, march, dtype, before, now in risen:
        print(f"{op} on {march}, {dtype}: {now} steps, was {before}")
        measured[op][march][dtype] = before
    (root / SPECS / FILE).write_text(_text(ratchet, measured), encoding="utf-8", newline="\n")
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


def _risen(before: Steps, now: Steps) -> Iterator[tuple[str, str, str, int, int]]:
    for op, by_march in now.items():
        for march, row in by_march.items():
            for dtype, steps in row.items():
                written = before.get(op, {}).get(march, {}).get(dtype, steps)
                if steps > written:
                    yield op, march, dtype, written, steps


def _text(ratchet: Ratchet, measured: Steps) -> str:
    lines = [
        f"# yaml-language-server: $schema=../{GENERATED}/schema/ratchet.schema.json",
        "schema: ratchet/1",
        "doc: |",
    ]
    lines += [f"  {line}" for line in ratchet.doc.strip().splitlines()]
    lines += [f"todo_cells: {ratchet.todo_cells}", "worst_steps:"]
    for op, by_march in sorted(measured.items()):
        rows = ", ".join(
            f"{march}: {{{', '.join(f'{d}: {n}' for d, n in row.items())}}}" for march, row in by_march.items()
        )
        lines.append(f"  {op}: {{{rows}}}")
    return "\n".join(lines) + "\n"
