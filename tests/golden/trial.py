"""What notices a change of the specs: schema, checks, decisions, patterns, the formula compiler, or a golden.

In: the specs of this checkout and a `Mutant`. Out: the name of the first that notices; empty when nothing does. Only kernels
that a change can reach are compiled anew, and only goldens that asked for them run.
"""

from collections.abc import Iterator
from dataclasses import replace

from golden_support import Golden

from generator.checks import check_catalog
from generator.compile import _check_algorithms
from generator.decide import decide
from generator.diag import errors
from generator.link import Catalog, link
from generator.overlaps import diagnostics
from generator.patterns import expand

from . import facts, vectors
from .builds import Key, MemoryBuild, UnprovedError, load_specs
from .knowledge import failing
from .leaves import Leaf, Mutant, leaves, mutants, value_at

GOLDENS = (*facts.GOLDENS, *vectors.GOLDENS)
RESTATED = "restated"


class Trial:
    """The specs as they are, and what every golden asks of them."""

    def __init__(self) -> None:
        self.docs, self.catalog = load_specs()
        self.build = MemoryBuild(self.catalog)
        self.asked: dict[Golden, frozenset[Key]] = {}
        for golden in GOLDENS:
            self.build.touched = set()
            golden.check(self.build)
            self.asked[golden] = frozenset(self.build.touched)
        self.leaves = leaves(self.docs)
        self.choices = {"rounding": tuple(self.catalog.rounding.spec.modes)}
        for entry in self.catalog.kernels:
            role = entry.kernel.algorithm or entry.kernel.id
            if entry.kernel.variant and entry.kernel.variant not in self.choices.get(role, ()):
                self.choices[role] = (*self.choices.get(role, ()), entry.kernel.variant)

    def mutants(self, leaf: Leaf) -> Iterator[Mutant]:
        doc = next(doc for doc in self.docs if doc.path == leaf.path)
        return mutants(doc, leaf, self.choices)

    def caught_by(self, mutant: Mutant) -> str:
        """What notices the change; empty when nothing does."""
        docs = tuple(mutant.doc if doc.path == mutant.leaf.path else doc for doc in self.docs)
        catalog, found = link(docs)
        if catalog is None:
            return f"link {found[0].id}"
        if found := errors((*check_catalog(catalog), *_check_algorithms(catalog))):
            return f"check {found[0].id}"
        if found := _between(catalog):
            return f"check {found}"
        build = MemoryBuild(catalog, self.build)
        changed = build.changed()
        return self._failing_golden(build, changed) or _unproved(build, changed) or _restated(mutant)

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


def _between(catalog: Catalog) -> str:
    """The first finding about cells that nothing decides or patterns that get in each other's way, or fact contradicted."""
    patterns, nameless = expand(catalog)
    found = errors((*decide(catalog)[1], *nameless, *diagnostics(patterns)))
    return found[0].id if found else failing(catalog, patterns)


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
