"""`accuracy`: how many tests hold each operator and how far integers are from QAT at worst; --measure measures that.

In: a checkout. Out: one line an operator and march. With --measure the operator tests of generated/ run in this process and
specs/ratchet.yaml is rewritten, but for numbers that rose: those are told, and stay.
"""

import argparse
import importlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from generator.diag import errors, render
from generator.inputs import Inputs
from generator.layout import GENERATED, SPECS, STATE
from generator.link import Catalog
from generator.memo import Memo
from generator.pipeline import Knowledge, understand
from generator.ratchet import worst_steps
from generator.views.accuracy import GeneratedTests, untested_cells
from generator.views.names import module_path

FILE = "ratchet.yaml"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the generated operator tests measure.

    Attributes:
        steps: operator -> march -> output dtype -> how far integers are from QAT at worst.
        cosines: composite -> the worst cosine of its integers and the float operator's values, over all marches.
    """

    steps: dict[str, dict[str, dict[str, int]]]
    cosines: dict[str, float]


def run(args: argparse.Namespace, root: Path) -> int:
    """Print the numbers, after measuring them if asked to."""
    understood = understand(root, memo=Memo(root / STATE))
    if understood.knowledge is None or errors(understood.diagnostics):
        print(render(understood.diagnostics, understood.texts), end="")
        return 1
    if args.measure:
        return _measure(understood.knowledge, root)
    known = understood.knowledge
    tests = GeneratedTests(known.catalog, known.decisions, known.compiled, Inputs(known.catalog, known.compiled))
    view = tests.accuracy()
    untested = tuple(untested_cells(known.catalog, known.decisions, tests))
    for row in view.rows:
        for march in row.marches:
            print(
                f"{row.op:28} {march.march:12} exact {march.exact:4}  QAT {march.compared:4}  worst steps {march.worst}"
            )
    for cell in untested:
        print(f"no test: {cell}; add a case to its operator")
    print(view.summary)
    return 1 if untested else 0


def _measure(known: Knowledge, root: Path) -> int:
    sys.path[:0] = [str(root / GENERATED / "tests"), str(root / GENERATED)]
    measured = measure(tuple(known.catalog.marches))
    risen = 0
    for op, by_march in measured.steps.items():
        for march, row in by_march.items():
            for dtype, written in worst_steps(known.catalog, op, march).items():
                if row.get(dtype, 0) > written:
                    print(f"{op} on {march}, {dtype}: {row[dtype]} steps, was {written}")
                    row[dtype] = written
                    risen += 1
    (root / SPECS / FILE).write_text(_text(known.catalog, measured), encoding="utf-8", newline="\n")
    print(f"wrote {SPECS}/{FILE}; next: horizon-gen build")
    return 1 if risen else 0


def measure(marches: tuple[str, ...]) -> Measured:
    """Run every generated operator test."""
    harness = importlib.import_module("harness_ops")
    found = Measured({}, {})
    for march in marches:
        for case in importlib.import_module(f"test_ops_{module_path(march)}").SUPPORTED:
            steps, cosine = harness.measured(march, case)
            row = found.steps.setdefault(case.op, {}).setdefault(march, {})
            for dtype, worst in steps.items():
                row[dtype] = max(row.get(dtype, 0), worst)
            if cosine is not None:
                found.cosines[case.op] = min(found.cosines.get(case.op, 1.0), math.floor(cosine * 1e6) / 1e6)
    return found


def _text(catalog: Catalog, measured: Measured) -> str:
    """The spec with these numbers; a march with its parent's is left out."""
    lines = [catalog.ratchet.doc.text.partition("\ncosines:")[0], "cosines:"]
    lines += [f"  {op}: {cosine}" for op, cosine in sorted(measured.cosines.items())]
    lines.append("worst_steps:")
    for op, rows in sorted(measured.steps.items()):
        own = {m: row for m, row in rows.items() if row != rows.get(catalog.marches[m].spec.extends or "")}
        cells = ", ".join(
            f"{m}: {{{', '.join(f'{dtype}: {n}' for dtype, n in row.items())}}}" for m, row in own.items()
        )
        lines.append(f"  {op}: {{{cells}}}")
    return "\n".join(lines) + "\n"
