"""Versions of spec schemas: rewriting an old spec as text, so that its comments, its order and its quotes stay.

In: the text of a spec and the version that its `schema:` line names. Out: the text in the newest version. A migration is one
step from a version to the next, made of small edits of lines; nothing is parsed and written anew.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SCHEMA = re.compile(r"^schema:[ \t]*(?P<kind>[a-z]+)/(?P<version>\d+)", re.MULTILINE)
NEWEST = 1


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: what changed, and the edit of a text that makes it."""

    doc: str
    edit: Callable[[str], str]


def renamed(old: str, new: str) -> Callable[[str], str]:
    """A top-level key under another name."""
    return lambda text: re.sub(rf"^{re.escape(old)}(?=[ \t]*:)", new, text, flags=re.MULTILINE)


def nested(parent: str, keys: tuple[str, ...]) -> Callable[[str], str]:
    """Top-level keys with their lines, comments above them included, moved below a new key."""

    def edit(text: str) -> str:
        moved: list[str] = []
        kept: list[str] = []
        for block in _blocks(text):
            (moved if _key(block) in keys else kept).append(block)
        if not moved:
            return text
        body = "".join(
            "".join(f"  {line}" if line.strip() else line for line in b.splitlines(keepends=True)) for b in moved
        )
        return "".join(kept).rstrip("\n") + f"\n{parent}:\n{body}"

    return edit


def chain(*edits: Callable[[str], str]) -> Callable[[str], str]:
    """Edits one after the other."""

    def edit(text: str) -> str:
        for step in edits:
            text = step(text)
        return text

    return edit


MIGRATIONS: Mapping[tuple[str, int], Migration] = {
    ("march", 0): Migration(
        "`inherits` is `extends`, `name` is `title`, `rounding_sites` is `rounding`; widths stand below `requantize`",
        chain(
            renamed("inherits", "extends"),
            renamed("name", "title"),
            renamed("rounding_sites", "rounding"),
            nested("requantize", ("mid_bits", "pre_shift", "post_shift")),
        ),
    ),
}
"""(kind, version) -> the step to the next version. Version 0 is what specs looked like before their schema had a number."""


def version_of(text: str) -> tuple[str, int] | None:
    """(kind, version) that a spec declares."""
    found = _SCHEMA.search(text)
    return (found["kind"], int(found["version"])) if found else None


def migrated(text: str) -> tuple[str, tuple[Migration, ...]]:
    """The text in the newest version, and the steps that led there."""
    steps = []
    while (declared := version_of(text)) is not None and declared in MIGRATIONS:
        step, (kind, version) = MIGRATIONS[declared], declared
        text = _SCHEMA.sub(f"schema: {kind}/{version + 1}", step.edit(text), count=1)
        steps.append(step)
    return text, tuple(steps)


def _blocks(text: str) -> list[str]:
    """A text cut before each top-level key, or before the comments that stand directly above it."""
    blocks: list[list[str]] = [[]]
    comments: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            comments.append(line)
        elif line[:1].strip():
            blocks.append([*comments, line])
            comments = []
        else:
            blocks[-1] += [*comments, line]
            comments = []
    return ["".join(block) for block in (*blocks, comments) if block]


def _key(block: str) -> str:
    first = next((line for line in block.splitlines() if line[:1].strip() and not line.startswith("#")), "")
    return first.partition(":")[0].strip()
