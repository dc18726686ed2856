"""What must hold of templates and mechanism: logic-free, typed, and without policy.

In: the planned jobs and the texts. Out: diagnostics at the offending line.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from generator.diag import Diagnostic, Span
from generator.disk import Disk
from generator.layout import GENERATOR, TEMPLATES, files_below
from generator.plan import PipelineResult

MIRRORED = "# mirrored to generated/ by the generator; edit only templates/{}"
RUNTIME = "_runtime"
_WORD = re.compile("[a-z0-9]+")


def lint(planned: PipelineResult, texts: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """Run every lint over `lint_texts_of` the root."""
    from generator.templates_lint import check_template  # which imports Jinja; often nothing is to be checked anew

    found: list[Diagnostic] = []
    plain = set(planned.plain_words)
    words = {name: _words(name) for name in sorted(planned.names, key=len, reverse=True) if name not in plain}
    for path, text in texts.items():
        if path.endswith(".j2"):
            found.extend(check_template(path, text))
        elif path.startswith(f"{TEMPLATES}/") and path.endswith(".py"):
            found.extend(_check_mirrored(path, text))
        if _is_mechanism(path):
            found.extend(_check_names(path, text, words))
    return tuple(found)


def linted_files(root: Path) -> dict[str, str]:
    """What is linted: templates, mechanism and the generator; path relative to the root -> path to open."""
    return {
        f"{folder}/{path}": file
        for folder in (TEMPLATES, GENERATOR)
        for path, file, regular in files_below(str(root / folder))
        if regular and path.endswith((".j2", ".py"))
    }


def lint_texts_of(root: Path, disk: Disk | None = None) -> dict[str, str]:
    """The texts of `linted_files`."""
    disk = disk or Disk()
    return {path: disk.read(file).decode("utf-8", "replace") for path, file in linted_files(root).items()}


def _is_mechanism(path: str) -> bool:
    return path.startswith(f"{GENERATOR}/") or f"/{RUNTIME}/" in path or path.endswith(".j2")


def _check_mirrored(path: str, text: str) -> Iterator[Diagnostic]:
    expected = MIRRORED.format(path.removeprefix(f"{TEMPLATES}/"))
    if text.split("\n", 1)[0] != expected:
        yield Diagnostic("T011", "a mirrored module says so on its first line", Span(path, 1, 1), hint=expected)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _check_names(path: str, text: str, words: Mapping[str, frozenset[str]]) -> Iterator[Diagnostic]:
    """Ids of marches, operators and patterns, each with its words; only those are searched whose words the text has."""
    present = _words(text)
    searched = [re.escape(name) for name, parts in words.items() if parts <= present]
    if not searched:
        return
    pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(searched)})(?![A-Za-z0-9])", re.IGNORECASE)
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            hint = "a field is missing in a spec: let the view carry the name"
            yield Diagnostic(
                "T012",
                f"mechanism names {match.group()!r}, which is policy",
                Span(path, number, match.start() + 1),
                hint=hint,
            )
