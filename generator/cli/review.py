"""`review [REV] [--format text|markdown|html] [--out FILE]`: what the edits of the specs since a revision do to every march."""

import argparse
import sys
from pathlib import Path

from generator.diag import Diagnostic, errors, render
from generator.pipeline import Understood, understand
from generator.review.revision import Revision, specs_at, unreadable

CLEAN, DIAGNOSTICS, DRIFT = 0, 1, 2


def run(args: argparse.Namespace, root: Path) -> int:
    """Print the review; the exit status says whether behaviour changes."""
    old = specs_at(root, args.rev or "HEAD")
    if isinstance(old, Diagnostic):
        sys.stdout.write(render((old,), {}))
        return DIAGNOSTICS
    found = unreadable(old)
    if found:
        sys.stdout.write(render((*old.understood.diagnostics, *found), old.understood.texts))
        return DIAGNOSTICS
    new = understand(root)
    if new.knowledge is None or errors(new.diagnostics):
        sys.stdout.write(render(new.diagnostics, new.texts))
        return DIAGNOSTICS
    return _report(old, new, args)


def _report(old: Revision, new: Understood, args: argparse.Namespace) -> int:
    import torch

    from generator.review.compare import review
    from generator.review.page import as_page
    from generator.review.report import as_markdown, as_text

    torch.set_num_threads(1)  # vectors are small: threads that wait for a busy machine cost more than they bring
    assert old.understood.knowledge is not None
    assert new.knowledge is not None
    result = review(old.understood.knowledge, new.knowledge)
    form = {"text": as_text, "markdown": as_markdown, "html": as_page}[args.format]
    text = form(result, f"specs at {old.name} ({old.commit}) -> working tree")
    if args.out:
        Path(args.out).write_text(text, encoding="utf-8")
        print(f"wrote {args.out}")
    else:
        sys.stdout.write(text)
    return DRIFT if result.changes_behaviour else CLEAN
