"""The score of `mutate`, as it is kept in specs/mutation.yaml: sums, and which specs were changed since.

In: the typed spec, the Docs. Out: counts by kind of spec and of change, paths of specs that were not measured as they are.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from generator.layout import SPECS
from generator.schema_mutation import Counts, FileScore, Mutation
from generator.source import Doc

UNCHANGEABLE = frozenset({"ratchet", "mutation", "waivers", "onnx"})
"""Kinds of specs that are no policy, so that nothing of them is changed: what commands measured, why something is, what tests found."""
CHANGES = ("numbers", "words", "operators", "orders", "entries")
NOTHING: Counts = (0, 0, 0)


def digest_of(doc: Doc) -> str:
    """A digest of what a spec says; comments and layout do not count."""
    return short_digest(json.dumps(doc.value, ensure_ascii=False).encode())


def short_digest(data: bytes) -> str:
    """Twelve hexadecimal digits."""
    return blake2b(data, digest_size=6).hexdigest()


def kind_of(doc: Doc) -> str:
    """The kind of a spec."""
    return str(doc.value["schema"]).partition("/")[0]


def stale(docs: Iterable[Doc], mutation: Mutation) -> tuple[str, ...]:
    """Specs that say something else than what was measured, that are new, or that are gone."""
    now = {doc.path.removeprefix(f"{SPECS}/"): digest_of(doc) for doc in docs if kind_of(doc) not in UNCHANGEABLE}
    then = {path: score.digest for path, score in mutation.specs.items()}
    return tuple(sorted(path for path in {*now, *then} if now.get(path) != then.get(path)))


def group_of(path: str) -> str:
    """The folder of a spec, or its file where it stands in none."""
    return path.partition("/")[0].removesuffix(".yaml")


def add(*counts: Counts) -> Counts:
    """Sums, number by number."""
    tried, noticed, waived = (sum(column) for column in zip(*counts, strict=True)) if counts else NOTHING
    return tried, noticed, waived


def total(scores: Iterable[FileScore], change: str) -> Counts:
    """Over all specs, of one kind of change."""
    return add(*(getattr(score, change) for score in scores))


def by_group(specs: Mapping[str, FileScore]) -> dict[str, tuple[FileScore, ...]]:
    """Scores by folder, in the order of the alphabet."""
    groups: dict[str, list[FileScore]] = {}
    for path, score in sorted(specs.items()):
        groups.setdefault(group_of(path), []).append(score)
    return {name: tuple(scores) for name, scores in groups.items()}
