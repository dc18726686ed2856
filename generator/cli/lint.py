"""`lint`: specs, templates and mechanism, without rendering anything."""

import argparse
import sys
from pathlib import Path

from generator.diag import Diagnostic, errors, render
from generator.layout import TEMPLATES
from generator.lint import lint, lint_texts_of
from generator.pipeline import run as run_pipeline
from generator.templates_lint import unread_fields

CLEAN, DIAGNOSTICS = 0, 1


def run(args: argparse.Namespace, root: Path) -> int:
    """Print everything found, fields that no template reads included."""
    planned = run_pipeline(root)
    texts = lint_texts_of(root)
    linted = lint(planned, texts)
    templates = {path: text for path, text in texts.items() if path.startswith(TEMPLATES) and path.endswith(".j2")}
    unread = tuple(
        Diagnostic("T010", f"no template reads {name}", None, "warning") for name in unread_fields(templates)
    )
    found = (*planned.diagnostics, *linted, *unread)
    sys.stdout.write(render(found, {**planned.texts, **texts}))
    if not found:
        print(f"{len(planned.texts)} specs and {len(texts)} other files: nothing found")
    return DIAGNOSTICS if errors(found) else CLEAN
