"""Which commands there are and which arguments they take; a command's module is imported when it runs."""

import argparse
import importlib
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from generator.layout import INSTALL, find_base, find_root, is_root

DIAGNOSTICS, FAULT = 1, 3


@dataclass(frozen=True, slots=True)
class Option:
    """One argument of a command, as argparse takes it."""

    name: str
    help: str
    settings: tuple[tuple[str, Any], ...] = ()


_FLAG = (("action", "store_true"),)
_OPTIONAL = (("nargs", "?"),)
_OVERLAY = (
    Option("--specs", "a folder of further specs; may be given several times", (("action", "append"),)),
    Option("--package", "the package made of what they add and change"),
    Option("--out", "the folder it is written to"),
)
COMMANDS: dict[str, tuple[str, tuple[Option, ...]]] = {
    "build": (
        "make generated/ from specs/ and templates/",
        (
            Option("--only", "write only outputs that match this glob"),
            Option("--dry-run", "say what would change, write nothing", _FLAG),
            Option("--force", "overwrite hand-edited outputs; copies are kept", _FLAG),
            *_OVERLAY,
        ),
    ),
    "check": (
        "is generated/ what the specs say? (quick: trusts MANIFEST)",
        (Option("--full", "trust nothing: render everything, compare bytes, import every module", _FLAG), *_OVERLAY),
    ),
    "diff": ("the text of what a build would change", ()),
    "review": (
        "what the edits of specs since a git revision do to every march, with both versions of each kernel executed",
        (
            Option("rev", "the revision to compare with; HEAD by default", _OPTIONAL),
            Option("--format", "how to write it", (("choices", ("text", "markdown", "html")), ("default", "text"))),
            Option("--out", "a file to write it to"),
        ),
    ),
    "trace": (
        "from a line of generated/ back to its template line and the spec fields that decide it",
        (
            Option("place", "generated/FILE:LINE", _OPTIONAL),
            Option("--audit", "print which share of all lines has an answer", _FLAG),
        ),
    ),
    "explain": (
        "why an operator is or is not supported, by which formulas it is computed, and where",
        (
            Option("march", "a march", _OPTIONAL),
            Option("op", "an operator", _OPTIONAL),
            Option("dtype", "an input dtype", _OPTIONAL),
            Option("--pattern", "a pattern, or a chain of operators such as 'a b c': why it fuses or does not"),
        ),
    ),
    "matrix": (
        "operator x march x dtype: supported, unsupported with the reason, to do with the reason",
        (
            Option("--undecided", "print only how many cells are undecided, and the totals", _FLAG),
            Option("--march", "one march only"),
        ),
    ),
    "accuracy": (
        "how many tests hold each operator, and how far integers are from QAT at worst",
        (Option("--measure", "run the operator tests and write specs/ratchet.yaml", _FLAG),),
    ),
    "new": (
        "a new spec that is complete as created",
        (
            Option("kind", "what to create", (("choices", ("march", "op", "pattern")),)),
            Option("id", "its id"),
            Option("--extends", "march: the one to start from; the first by default"),
            Option("--like", "op: the operator whose family, kernel and support it takes"),
            Option("--module", "op: the module class that it is, such as torch.nn.Hardtanh"),
            Option("--function", "op: the function that it is"),
            Option(
                "--base", "pattern: a layer that chains start with; may be given several times", (("action", "append"),)
            ),
            Option("--activation", "pattern: an operator that ends them; the same", (("action", "append"),)),
        ),
    ),
    "watch": (
        "build whenever a spec or a template is saved, until interrupted",
        (Option("--builds", "end after so many builds", (("type", int),)),),
    ),
    "migrate": (
        "rewrite specs of older schema versions; comments stay",
        (
            Option("paths", "files or folders; specs/ by default", (("nargs", "*"),)),
            Option("--dry-run", "only say what would change", _FLAG),
        ),
    ),
    "mutate": (
        "change every leaf of every spec and say what notices",
        (
            Option("--only", "specs that match this glob"),
            Option("--changed", "only specs that changed since they were measured", _FLAG),
            Option("--book", "write the tables of all properties anew, for a person to approve", _FLAG),
            Option("--jobs", "processes", (("type", int), ("default", 2))),
        ),
    ),
    "lint": ("specs, templates and mechanism", ()),
    "demo": (
        "build, then float -> calibration -> QAT -> integers on real photos",
        (Option("--march", "one march only"), Option("--out", "folder of the picture", (("default", "demo-out"),))),
    ),
    "stats": ("how much there is of what", ()),
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors end with the status of diagnostics; argparse's own 2 means drift here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(DIAGNOSTICS, f"{self.prog}: error: {message}\n")


def run(arguments: list[str]) -> int:
    """Parse the command line and run a command."""
    parser = _Parser(prog="horizon-gen", description="Specs to a quantization package.")
    parser.add_argument("--root", help="the checkout; found from the current folder by default")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an internal fault")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (text, options) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        for option in options:
            command.add_argument(option.name, help=option.help, **dict(option.settings))
    args = parser.parse_args(arguments)
    root = os.path.abspath(args.root) if args.root else _root(args)  # noqa: PTH100 - as layout does
    if not root or not is_root(root):
        sys.stderr.write("no folder with specs/ and templates/ here or above; go into a checkout or pass --root DIR\n")
        return DIAGNOSTICS
    return _run(args, Path(root))


def _root(args: argparse.Namespace) -> str:
    """The checkout; for an overlay also what the generator was installed with."""
    return (find_base if getattr(args, "specs", None) else find_root)(os.getcwd())  # noqa: PTH109 - as layout does


def _run(args: argparse.Namespace, root: Path) -> int:
    try:
        module = importlib.import_module(f"generator.cli.{args.command}")
        status: int = module.run(args, root)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("generator"):
            raise
        sys.stderr.write(f"'{args.command}' needs the package {error.name}: {INSTALL}\n")
        return DIAGNOSTICS
    except KeyboardInterrupt:
        return DIAGNOSTICS
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DIAGNOSTICS
    except Exception as error:  # noqa: BLE001 - whatever else happens is our fault, and said so
        sys.stderr.write(
            f"internal fault in '{args.command}': {type(error).__name__}: {error}; please report it (--debug shows where)\n"
        )
        if args.debug:
            traceback.print_exc()
        return FAULT
    return status
