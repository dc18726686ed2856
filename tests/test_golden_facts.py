"""Every fact of tests/golden/facts.yaml, written by hand from numerics.md, holds of the generated kernels."""

import pytest
from golden.facts import DOCUMENT, GOLDENS
from golden_support import Build, Golden


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_generated_kernels_agree(golden: Golden) -> None:
    golden.check(Build())


def test_every_fact_says_where_it_comes_from() -> None:
    assert [fact["fact"] for fact in DOCUMENT["facts"] if not fact["source"].startswith("numerics ")] == []
