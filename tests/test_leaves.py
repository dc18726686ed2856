"""Every number and every choice of the specs is held by a golden, a schema, a check or the formula compiler.

Each leaf is changed in memory, the kernels that it can reach are compiled anew, and the goldens run until one fails.
`pytest -s` prints what caught each change.
"""

import sys

import pytest
import torch
from golden import facts
from golden.further import further
from golden.trial import RESTATED, Trial


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


def test_every_change_of_fusion_patterns_is_caught(trial: Trial) -> None:
    tried = [mutant for mutant in further(trial.docs) if mutant.leaf.path.startswith("specs/patterns/")]
    assert len(tried) > 50
    assert not [str(mutant) for mutant in tried if not trial.caught_by(mutant)]


def test_a_sample_of_changed_formulas_is_caught(trial: Trial) -> None:
    tried = [mutant for mutant in further(trial.docs) if "(token" in mutant.how][::40]
    survivors = [str(mutant) for mutant in tried if not trial.caught_by(mutant)]
    print(f"{len(tried)} operators of formulas changed, {len(survivors)} not caught")
    assert len(survivors) <= len(tried) * 0.2, survivors
