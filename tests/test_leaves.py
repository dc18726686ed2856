"""Every number and every choice of the specs is held by a golden, a schema, a check or the formula compiler.

Each leaf is changed in memory, the kernels that it can reach are compiled anew, and the goldens run until one fails.
`pytest -s` prints what caught each change.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from golden import facts, vectors
from golden.builds import Key, MemoryBuild, UnprovedError, load_specs
from golden.leaves import Leaf, Mutant, leaves, mutants, value_at
from golden_support import Golden

from generator.checks import check_catalog
from generator.compile import _check_algorithms
from generator.diag import errors
from generator.link import link

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


@pytest.fixture(scope="module")
def trial() -> Trial:
    torch.set_num_threads(1)
    return Trial()


def test_restated_numbers_stand_in_the_specs(trial: Trial) -> None:
    written = {leaf.name: leaf.value for leaf in trial.leaves}
    assert {name: known.value for name, known in facts.RESTATED.items()} == {
        name: written.get(name) for name in facts.RESTATED
    }


def test_every_change_of_a_leaf_is_caught(trial: Trial) -> None:
    caught = {mutant: trial.caught_by(mutant) for leaf in trial.leaves for mutant in trial.mutants(leaf)}
    width = max(len(str(mutant)) for mutant in caught)
    survivors = [str(mutant) for mutant, by in caught.items() if not by]
    table = "".join(f"{mutant!s:{width}}  {by or 'NOT CAUGHT'}\n" for mutant, by in caught.items())
    sys.stdout.write(f"\n{table}{len(caught)} changes of {len(trial.leaves)} leaves, {len(survivors)} not caught\n")
    assert not survivors, "\n".join(survivors)
    needed = {mutant.leaf.name for mutant, by in caught.items() if by == RESTATED}
    assert needed == set(facts.RESTATED), "restated only what no golden shows"
