"""What notices a change of the specs: schema, checks, decisions, patterns, the formula compiler, or a golden.

In: the specs of this checkout and a `Mutant`. Out: the name of the first that notices; empty when nothing does. Only kernels
that a change can reach are compiled anew, and only goldens that asked for them run.
"""

from collections.abc import Iterator
from dataclasses import replace

from golden_support import Golden

from generator.checks import check_catalog
from generator.compile import _check_algorithms
from generator.diag import errors
from generator.link import Catalog
from generator.mutation import kind_of

from . import facts, vectors
from .builds import Key, MemoryBuild, UnprovedError
from .knowledge import Knowledge
from .leaves import Leaf, Mutant, leaves, mutants, value_at
from .relink import relinked
from .spec_tree import load_specs

COMPUTED = frozenset({"dtypes", "rounding", "march", "kernels", "color", "observers", "qconfigs"})
"""Kinds of specs that goldens of integers and presets can reach."""
GOLDENS = (*facts.GOLDENS, *vectors.GOLDENS)
RESTATED = "restated"


class UnsoundError(Exception):
    """The specs contradict a golden before anything is changed; the argument is its name."""


class Trial:
    """The specs as they are, and what every golden asks of them."""

    def __init__(self) -> None:
        self.docs, self.catalog = load_specs()
        self.knowledge = Knowledge(self.catalog)
        self.build = MemoryBuild(self.catalog)
        self.asked: dict[Golden, frozenset[Key]] = {}
        for golden in GOLDENS:
            self.build.touched = set()
            try:
                golden.check(self.build)
            except AssertionError as error:
                raise UnsoundError(golden.name) from error
            self.asked[golden] = frozenset(self.build.touched)
        self.leaves = leaves(self.docs)
        self.choices = {"rounding": tuple(self.catalog.rounding.spec.modes)}
        for entry in self.catalog.kernels:
            role = entry.kernel.algorithm or entry.kernel.id
            if entry.kernel.variant and entry.kernel.variant not in self.choices.get(role, ()):
                self.choices[role] = (*self.choices.get(role, ()), entry.kernel.variant)

    def mutants(self, leaf: Leaf) -> Iterator[Mutant]:
        """Every change of a leaf."""
        doc = next(doc for doc in self.docs if doc.path == leaf.path)
        return mutants(doc, leaf, self.choices)

    def caught_by(self, mutant: Mutant) -> str:
        """What notices the change; empty when nothing does."""
        catalog, found = relinked(self.catalog, self.docs, mutant.doc)
        if catalog is None:
            return f"link {found[0].id}"
        kind = kind_of(mutant.doc)
        first, second = (self._told, _refused) if kind in ("op", "kernels") else (_refused, self._told)
        if by := first(catalog, kind) or second(catalog, kind):
            return by
        if kind not in COMPUTED:
            return ""
        build = MemoryBuild(catalog, self.build)
        changed = build.changed()
        return self._failing_golden(build, changed) or _unproved(build, changed) or _restated(mutant)

    def _told(self, catalog: Catalog, kind: str) -> str:
        """What hand-written tables say; nothing of a catalog that is too wrong to compare with them, which checks refuse."""
        try:
            return self.knowledge.contradiction(catalog, kind)
        except Exception:
            if not _refused(catalog, kind):
                raise
            return ""

    def _failing_golden(self, build: MemoryBuild, changed: set[Key]) -> str:
        reached = [golden for golden in GOLDENS if changed & self.asked[golden] and not _is_twin(build, golden.march)]
        for golden in sorted(reached, key=lambda golden: len(self.asked[golden])):
            try:
                golden.check(build)
            except UnprovedError as error:
                return f"compile {error.args[0].partition(':')[0]}"
            except Exception as error:  # noqa: BLE001 - a kernel that cannot be called is caught, too
                return f"{golden.name}{'' if isinstance(error, AssertionError) else f' [{type(error).__name__}]'}"
        return ""


def _refused(catalog: Catalog, _kind: str) -> str:
    found = errors((*check_catalog(catalog), *_check_algorithms(catalog)))
    return f"check {found[0].id}" if found else ""


def _is_twin(build: MemoryBuild, march: str) -> bool:
    """Whether a march has the very facts of the one that it extends, so that the goldens of that one say it all."""
    parent = build.catalog.marches[march].spec.extends if march in build.catalog.marches else None
    return parent is not None and replace(build.facts[march], id=parent) == build.facts[parent]


def _unproved(build: MemoryBuild, changed: set[Key]) -> str:
    for march, role in sorted(changed):
        if march in build.facts and role in build.roles(march):
            try:
                build.compiled(march, role)
            except UnprovedError as error:
                return f"compile {error.args[0].partition(':')[0]}"
    return ""


def _restated(mutant: Mutant) -> str:
    known = facts.RESTATED.get(mutant.leaf.name)
    return RESTATED if known is not None and value_at(mutant.doc, mutant.leaf) != known.value else ""
