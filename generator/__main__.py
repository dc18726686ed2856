"""The command line: `horizon-gen`, or `python -m generator`.

Each command imports only what it needs, and `check` first asks the quick question whether anything changed at all.
Exit status: 0 clean, 1 diagnostics, 2 drift, 3 internal fault.
"""

import gc
import os
import sys

from generator.layout import find_root

CLEAN, DIAGNOSTICS, DRIFT, FAULT = 0, 1, 2, 3
SELDOM = (200_000, 20, 20)
"""Specs make many small objects that live to the end: looking for cycles among them as often as usual costs a tenth."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status; without arguments of its own it is the process and ends it."""
    if argv is not None:
        return _command(argv)
    gc.set_threshold(*SELDOM)
    status = _command(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # whoever read it has gone
        status = status or DIAGNOSTICS
    os._exit(status)  # frees everything at once; object by object takes longer than most edits


def _command(arguments: list[str]) -> int:
    if arguments == ["check"]:
        from generator.stamp import is_clean

        root = find_root(os.getcwd())  # noqa: PTH109 - importing pathlib costs a third of the quick check
        if root and (count := is_clean(root)) >= 0:
            sys.stdout.write(f"{count} outputs are up to date\n")
            return CLEAN
    from generator.cli.commands import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
