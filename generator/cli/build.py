"""`build [--only GLOB] [--dry-run] [--force]`: make generated/ what the specs say.

With `--specs DIR --package NAME --out DIR` it makes a package of its own from specs outside of the repository.
"""

import argparse
import fnmatch
import sys
from dataclasses import replace
from pathlib import Path

from generator.diag import render
from generator.layout import GENERATED, STATE
from generator.manifest import body_hash
from generator.memo import Memo
from generator.produce import Produced, produce
from generator.publish import HERE, compare, obstacles, publish, read_entries
from generator.stamp import input_digest, write_stamp

CLEAN, DIAGNOSTICS = 0, 1
PLAIN = argparse.Namespace(only=None, dry_run=False, force=False, specs=None, package=None, out=None)
"""The arguments of a build of everything."""


def run(args: argparse.Namespace, root: Path, memo: Memo | None = None) -> int:
    """Build, and say what changed."""
    if args.specs or args.package or args.out:
        return _run_overlay(args, root)
    memo = memo or Memo(root / STATE)
    with memo.disk:
        inputs = input_digest(str(root), memo.disk)
        made = produce(root, trust=True, memo=memo)
    sys.stdout.write(render(made.diagnostics, made.texts))
    if made.failed:
        return DIAGNOSTICS
    if args.only:
        made = _restricted(made, args.only, root)
    if args.dry_run:
        return _dry_run(made, root, force=args.force)
    report = publish(made.outputs, made.keys, root, force=args.force, disk=memo.disk)
    if isinstance(report, tuple):
        sys.stdout.write(render(report, {}))
        return DIAGNOSTICS
    if not args.only:
        write_stamp(str(root), inputs)
    for path in report.saved:
        print(f"kept a copy of your edit: {path}")
    print(
        f"{len(made.outputs)} outputs: {len(report.written)} written, {len(report.removed)} removed, {report.unchanged} unchanged"
    )
    return CLEAN


def _run_overlay(args: argparse.Namespace, root: Path) -> int:
    """Build the package of an overlay."""
    from generator.cli.overlay import made_from

    out, made = made_from(args, root)
    if made is None or made.failed:
        return DIAGNOSTICS
    report = publish(made.outputs, made.keys, out, HERE, force=args.force)
    if isinstance(report, tuple):
        sys.stdout.write(render(report, {}))
        return DIAGNOSTICS
    print(
        f"{out}: {len(made.outputs)} files: {len(report.written)} written, {len(report.removed)} removed, {report.unchanged} unchanged"
    )
    return CLEAN


def _restricted(made: Produced, pattern: str, root: Path) -> Produced:
    """Only matching outputs are new; the others stay as they are on disk, unless they were edited by hand."""
    outputs = {path: data for path, data in made.outputs.items() if fnmatch.fnmatch(path, pattern)}
    keys = {path: made.keys[path] for path in outputs}
    for path, recorded in read_entries(root).items():
        file = root / GENERATED / path
        if fnmatch.fnmatch(path, pattern) or not file.is_file():
            continue
        data = file.read_bytes()
        key = dict(recorded).get(body_hash(data))
        if key is not None:
            outputs[path], keys[path] = data, key
        elif path in made.outputs:
            outputs[path], keys[path] = made.outputs[path], made.keys[path]
    return replace(made, outputs=outputs, keys=keys)


def _dry_run(made: Produced, root: Path, *, force: bool) -> int:
    change = compare(made.outputs, read_entries(root), root)
    found = obstacles(change, force=force)
    sys.stdout.write(render(found, {}))
    for verb, paths in (("write", change.write), ("remove", change.remove)):
        for path in paths:
            print(f"would {verb} generated/{path}")
    return DIAGNOSTICS if found else CLEAN
