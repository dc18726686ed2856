"""`new march|op|pattern ID`: a new spec file that is complete as created; nothing is written when it would not be."""

import argparse
from pathlib import Path

from generator.diag import errors, render
from generator.layout import STATE
from generator.memo import Memo
from generator.pipeline import understand
from generator.scaffold import Scaffold, new_march, new_op, new_pattern


def run(args: argparse.Namespace, root: Path) -> int:
    """Write one file below specs/."""
    understood = understand(root, memo=Memo(root / STATE))
    if understood.knowledge is None or errors(understood.diagnostics):
        print(render(understood.diagnostics, understood.texts), end="")
        return 1
    known = understood.knowledge
    if args.kind == "march":
        made = new_march(known, args.id, args.extends)
    elif args.kind == "op":
        made = new_op(known, args.id, args.like, args.module, args.function)
    else:
        made = new_pattern(known, args.id, args.base or [], args.activation or [])
    if not isinstance(made, Scaffold):
        print(made)
        return 1
    path = root / made.path
    if path.exists():
        print(f"{made.path} exists already")
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.text, encoding="utf-8")
    print(f"wrote {made.path}\nnext: horizon-gen build")
    return 0
