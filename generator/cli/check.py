"""`check [--full]`: whether generated/ is what the specs say."""

import argparse
import subprocess
import sys
from pathlib import Path

from generator.diag import Diagnostic, render
from generator.layout import GENERATED, MANIFEST, SPECS, STATE
from generator.mutation import kind_of, stale
from generator.produce import produce
from generator.publish import HERE, compare, manifest_differs, obstacles, read_entries
from generator.schema_mutation import Mutation
from generator.source import load_tree
from generator.stamp import JOURNAL, input_digest, write_stamp

CLEAN, DIAGNOSTICS, DRIFT = 0, 1, 2
_IMPORT_ALL = """
import importlib, pathlib, sys
home = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(home), str(home / "tests")]
for file in sorted((home / "horizon_plugin_pytorch").rglob("*.py")):
    parts = file.relative_to(home).with_suffix("").parts
    if parts[-1] != "__main__":
        importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
"""


def run(args: argparse.Namespace, root: Path) -> int:
    """Compare; with --full nothing on disk is trusted, and every generated module is imported."""
    if args.specs or args.package or args.out:
        return _run_overlay(args, root)
    inputs = input_digest(str(root))
    made = produce(root, trust=not args.full)
    sys.stdout.write(render(made.diagnostics, made.texts))
    if made.failed:
        return DIAGNOSTICS
    if (root / STATE / JOURNAL).exists():
        print("an interrupted build left a mixed generated/; run: horizon-gen build")
        return DRIFT
    change = compare(made.outputs, read_entries(root), root)
    found = obstacles(change, force=False)
    sys.stdout.write(render(found, {}))
    stale = (MANIFEST,) if manifest_differs(made.outputs, made.keys, root) else ()
    for verb, paths in (("out of date", (*change.write, *stale)), ("no longer made", change.remove)):
        for path in paths:
            print(f"{verb}: generated/{path}")
    if found or change.drift or stale:
        print("run: horizon-gen build")
        return DIAGNOSTICS if found else DRIFT
    if args.full and (broken := _import_all(root)) is not None:
        sys.stdout.write(render((broken,), {}))
        return DIAGNOSTICS
    write_stamp(str(root), inputs)
    if args.full:
        _tell_stale_score(root)
    print(f"{len(made.outputs)} outputs are up to date" + (", every module imports" if args.full else ""))
    return CLEAN


def _tell_stale_score(root: Path) -> None:
    """Say which specs were changed since `mutate` measured them; an old score is no fault of the outputs."""
    docs, _ = load_tree(root / SPECS, root)
    changed = [
        path
        for doc in docs
        if kind_of(doc) == "mutation"
        for path in stale(docs, Mutation.model_validate(doc.value, strict=False))
    ]
    if changed:
        listed = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")  # noqa: PLR2004 - enough to recognize
        print(
            f"{len(changed)} specs are not those whose changes were tried ({listed}); run: horizon-gen mutate --changed"
        )


def _run_overlay(args: argparse.Namespace, root: Path) -> int:
    """Whether the package of an overlay is what its specs say."""
    from generator.cli.overlay import made_from

    out, made = made_from(args, root)
    if made is None or made.failed:
        return DIAGNOSTICS
    change = compare(made.outputs, read_entries(out, HERE), out, HERE)
    found = obstacles(change, force=False)
    sys.stdout.write(render(found, {}))
    for path in (*change.write, *change.remove):
        print(f"out of date: {out / path}")
    if found or change.drift:
        return DIAGNOSTICS if found else DRIFT
    print(f"{out}: {len(made.outputs)} files are up to date")
    return CLEAN


def _import_all(root: Path) -> Diagnostic | None:
    done = subprocess.run(  # noqa: S603 - own arguments
        [sys.executable, "-c", _IMPORT_ALL, str(root / GENERATED)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return Diagnostic(
            "T016", f"a generated module cannot be imported: {done.stderr.strip().splitlines()[-1]}", None
        )
    return None
