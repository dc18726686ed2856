"""`new march ID [--extends ID]`: a new spec file that is complete as created."""

import argparse
import re
from pathlib import Path

from generator.diag import did_you_mean, errors, render
from generator.pipeline import understand

_LEGAL = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")

_MARCH = """\
# yaml-language-server: $schema=../../generated/schema/march.schema.json
schema: march/1
id: {id}
extends: {parent}
title: {title}
boards: []

# What is not said here is {parent}'s. Say only what differs, for example one rounding site:
# rounding:
#   {site}: {mode}
"""


def run(args: argparse.Namespace, root: Path) -> int:
    """Write specs/marches/<id>.yaml; nothing is written when the id is unusable or taken."""
    understood = understand(root)
    if understood.knowledge is None or errors(understood.diagnostics):
        print(render(understood.diagnostics, understood.texts), end="")
        return 1
    marches = understood.knowledge.catalog.marches
    parent = args.extends or next(iter(marches))
    path = root / "specs" / "marches" / f"{args.id}.yaml"
    problem = _problem(args.id, parent, tuple(marches), path)
    if problem:
        print(problem)
        return 1
    site, mode = next(iter(marches[parent].spec.rounding.items()))
    text = _MARCH.format(id=args.id, parent=parent, title=f"{args.id} (like {parent})", site=site, mode=mode)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.relative_to(root)}\nnext: horizon-gen build")
    return 0


def _problem(name: str, parent: str, marches: tuple[str, ...], path: Path) -> str:
    if not _LEGAL.fullmatch(name):
        return f"{name!r} is not a legal id: lower-case letters, digits, single - or _ between them"
    if name in marches or path.exists():
        return f"march {name!r} exists already ({path.name})"
    if parent not in marches:
        return f"no march {parent!r} to extend. {did_you_mean(parent, marches)}"
    return ""
