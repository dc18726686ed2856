"""The command line: `horizon-gen`, or `python -m generator`.

Each command imports only what it needs, and `check` first asks the quick question whether anything changed at all.
Exit status: 0 clean, 1 diagnostics, 2 drift, 3 internal fault.
"""

import os
import sys

from generator.layout import find_root

CLEAN, DIAGNOSTICS, DRIFT, FAULT = 0, 1, 2, 3


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
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
