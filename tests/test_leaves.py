"""What nothing notices when specs change: a slice of `horizon-gen mutate`, which tries every change.

The slice is what may have changed since specs/mutation.yaml was written: specs of another digest, as far as the time goes, and a
few changes of every other spec, chosen by the digest of all, so that each edit tries others.
"""

import time
from collections.abc import Iterator
from itertools import chain

import pytest
import torch
from golden import facts
from golden.leaves import Mutant
from golden.mutate import changes, outcome, waived_by
from golden.policies import label
from golden.properties import written
from golden.trial import Trial

from generator.mutation import CHANGES, UNCHANGEABLE, add, digest_of, kind_of, short_digest, stale, total
from generator.schema_mutation import Mutation

SECONDS = 12.0
"""Of processor time that the slice may take."""


@pytest.fixture(scope="module")
def trial() -> Trial:
    torch.set_num_threads(1)
    return Trial()


@pytest.fixture(scope="module")
def score(trial: Trial) -> Mutation:
    return trial.catalog.mutation[0].spec


def in_turn(trial: Trial, paths: list[str]) -> Iterator[Mutant]:
    """Changes of specs, spread over them from a place that the digest of all specs decides."""
    every = list(changes(trial, paths))
    seed = int(short_digest("".join(digest_of(doc) for doc in trial.docs).encode()), 16)
    return (every[(seed + 7919 * number) % len(every)] for number in range(len(every)))


def test_restated_numbers_stand_in_the_specs(trial: Trial) -> None:
    found = {leaf.name: leaf.value for leaf in trial.leaves}
    assert {name: known.value for name, known in facts.RESTATED.items()} == {
        name: found.get(name) for name in facts.RESTATED
    }


def test_a_slice_of_all_changes_is_caught(trial: Trial, score: Mutation) -> None:
    policy = [doc.path.removeprefix("specs/") for doc in trial.docs if kind_of(doc) not in UNCHANGEABLE]
    changed = [path for path in stale(trial.docs, score) if path in policy]
    end = time.process_time() + SECONDS
    tried, survivors = 0, []
    for mutant in chain(in_turn(trial, changed) if changed else (), in_turn(trial, policy)):
        one = outcome(trial, mutant)
        survivors += [] if one.by or waived_by(trial.catalog, one.name) else [one.name]
        tried += 1
        if time.process_time() > end:
            break
    print(f"{tried} changes tried, {len(changed)} specs changed since `horizon-gen mutate`")
    assert tried > 20
    assert survivors == []


def test_every_number_switch_and_word_was_noticed_and_few_changes_are_waived(score: Mutation) -> None:
    scores = tuple(score.specs.values())
    for change in ("numbers", "words"):
        tried, noticed, _ = total(scores, change)
        assert noticed == tried
    tried, noticed, waived = add(*(total(scores, change) for change in CHANGES))
    assert noticed + waived == tried
    assert waived < tried * 0.02


def test_most_specs_are_those_that_were_measured(trial: Trial, score: Mutation) -> None:
    assert len(stale(trial.docs, score)) <= len(score.specs) * 0.1, "run: horizon-gen mutate --changed"


def test_the_second_book_speaks_of_nothing_that_is_not_there(trial: Trial) -> None:
    kinds = {linked.kind for linked in trial.catalog.specs()}
    assert set(written()) <= {*trial.catalog.ops, *trial.catalog.marches, *kinds}
    assert set(written("declarations.yaml")) == {label(entry) for entry in trial.catalog.kernels}
