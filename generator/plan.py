"""What will be written: one `Job` for each rendered output, one `Mirror` for each file copied byte for byte.

In: views (from the stages before) and the folder of templates. Out: frozen values that render and publish take. A
template's place decides the place of its output: templates/ is the tree of generated/.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from generator.diag import Diagnostic
from generator.layout import files_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

TEMPLATE_SUFFIX = ".j2"
MACROS = "_macros"
OVERLAY = "_overlay"  # what makes an overlay's outputs a package; no part of the base
RESERVED = ("MANIFEST",)


class Later:
    """A view that is made when it is asked for, and a digest of everything that it follows from."""

    def __init__(self, inputs: str, make: Callable[[], object]) -> None:
        """Hold both."""
        self.inputs = inputs
        self._make = make

    @cached_property
    def view(self) -> object:
        """The view, made once."""
        return self._make()


@dataclass(frozen=True, slots=True)
class Job:
    """One output made from a template: `path` in generated/, `template` in templates/, its view, the spec ids."""

    path: str
    template: str
    source: object
    specs: tuple[str, ...]

    @property
    def view(self) -> object:
        """What the template sees."""
        return self.source.view if isinstance(self.source, Later) else self.source

    @property
    def inputs(self) -> str | None:
        """Equal inputs make equal views; None: only the view can tell."""
        return self.source.inputs if isinstance(self.source, Later) else None


@dataclass(frozen=True, slots=True)
class Mirror:
    """One output copied byte for byte from the same relative path in templates/."""

    path: str


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What the stages up to the views give: the jobs, all findings, the texts for their snippets, names for the lint.

    `texts` maps a path relative to the root to its text. `names` are the march, operator and pattern ids that the
    mechanism must not mention; `plain_words` those among them that are ordinary words and cannot be searched for.
    """

    jobs: tuple[Job, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    plain_words: tuple[str, ...] = ()


def plan_mirrors(templates_dir: Path) -> tuple[Mirror, ...]:
    """Return a mirror for every file of templates/ that is not a template: modules of the runtime, py.typed, ...

    Caches, hidden files and the folder of macros are left out.
    """
    found = ((name, os.path.isfile(file)) for name, file, _ in files_below(str(templates_dir)))
    return tuple(Mirror(name) for name, is_file in found if is_file and _is_mirrored(name))


def plan_templates(templates_dir: Path) -> tuple[str, ...]:
    """Return the relative path of every template, macros included, sorted."""
    return tuple(name for name, _, _ in files_below(str(templates_dir)) if name.endswith(TEMPLATE_SUFFIX))


def check_plan(jobs: Iterable[Job], mirrors: Iterable[Mirror], templates: Iterable[str]) -> tuple[Diagnostic, ...]:
    """Report outputs that clash or lie outside generated/, missing templates, and templates that nothing renders."""
    planned = tuple(jobs)
    known = {name for name in templates if name.split("/")[0] not in (MACROS, OVERLAY)}
    used = {job.template for job in planned}
    outputs = [(job.path, f"templates/{job.template}") for job in planned]
    outputs += [(mirror.path, f"templates/{mirror.path}") for mirror in mirrors]
    missing = (Diagnostic("T017", f"a job names templates/{name}, which does not exist", None) for name in used - known)
    idle = (Diagnostic("T017", f"no job renders templates/{name}", None, "warning") for name in known - used)
    return (*_clashes(outputs), *missing, *idle)


def _clashes(outputs: list[tuple[str, str]]) -> Iterable[Diagnostic]:
    owners: dict[str, str] = {}
    folders = {folder for path, _ in outputs for folder in _folders(path.casefold())}
    for path, origin in sorted(outputs):
        folded = path.casefold()
        reason = _unusable(path)
        if folded in owners:
            reason = f"{owners[folded]} writes it too (upper and lower case are the same on some systems)"
        elif folded in folders:
            reason = "it is also the folder of another output"
        owners[folded] = origin
        if reason:
            yield Diagnostic("T015", f"{origin} cannot write generated/{path}: {reason}", None)


def _unusable(path: str) -> str:
    """Return why an output path cannot be used, or ''."""
    if path != posixpath.normpath(path) or path.startswith(("/", "..")) or path == "." or "\\" in path or not path:
        return "the path must be plain, relative and inside generated/"
    if path in RESERVED or " " in path or not path.isprintable():
        return "the name is reserved or holds blanks"
    return ""


def _folders(path: str) -> Iterable[str]:
    while path := posixpath.dirname(path):
        if path == "/":
            return
        yield path


def _is_mirrored(name: str) -> bool:
    parts = name.split("/")
    return (
        not name.endswith(TEMPLATE_SUFFIX)
        and parts[0] not in (MACROS, OVERLAY)
        and "__pycache__" not in parts
        and not any(p.startswith(".") for p in parts)
    )
