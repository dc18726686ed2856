"""`trace FILE:LINE` or `trace --audit`: from generated/ back to templates and specs."""

import argparse
import sys
from pathlib import Path

from generator.diag import errors, render
from generator.layout import GENERATED, STATE
from generator.memo import Memo
from generator.pipeline import understand
from generator.trace.answer import KINDS, Traces, explain_lines

CLEAN, DIAGNOSTICS = 0, 1
_SHOWN = 20


def run(args: argparse.Namespace, root: Path) -> int:
    """Answer for one line, or for all of them."""
    understood = understand(root, memo=Memo(root / STATE))
    if understood.knowledge is None or errors(understood.diagnostics):
        sys.stdout.write(render(understood.diagnostics, understood.texts))
        return DIAGNOSTICS
    traces = Traces(root, understood.knowledge)
    if args.audit:
        return _audit(traces)
    if not args.place:
        print("say which line: horizon-gen trace generated/FILE:LINE, or --audit for all of them")
        return DIAGNOSTICS
    return _line(traces, args.place, root)


def _line(traces: Traces, place: str, root: Path) -> int:
    name, _, number = place.rpartition(":")
    path = (
        Path(name).resolve().relative_to(root.resolve()).as_posix()
        if Path(name).resolve().is_relative_to(root.resolve())
        else name
    )
    path = path.removeprefix(f"{GENERATED}/")
    file = root / GENERATED / path
    if not name or not number.isdecimal():
        print(f"{place!r} is no place: write FILE:LINE")
        return DIAGNOSTICS
    if not file.is_file() or (path not in traces.jobs and path not in traces.mirrors):
        print(f"{GENERATED}/{path} is no output of the generator; horizon-gen check tells which there are")
        return DIAGNOSTICS
    lines = file.read_text(encoding="utf-8").split("\n")
    if not 1 <= int(number) <= len(lines):
        print(f"{GENERATED}/{path} has {len(lines) - 1} lines")
        return DIAGNOSTICS
    print(f"{GENERATED}/{path}:{number}: {lines[int(number) - 1].strip()}")
    answer = traces.answer(path, int(number))
    for line in explain_lines(answer) if answer else ("an empty line",):
        print(f"  {line}")
    return CLEAN


def _audit(traces: Traces) -> int:
    counts, unanswered = traces.audit()
    total = sum(counts.values())
    answered = total - counts[""]
    print(f"{answered / max(total, 1):.1%} of {total:,} lines have an answer")
    for kind, text in KINDS.items():
        print(f"  {counts[kind]:7,} {text}")
    for place in unanswered[:_SHOWN]:
        print(f"no answer: {place}")
    return DIAGNOSTICS if unanswered else CLEAN
