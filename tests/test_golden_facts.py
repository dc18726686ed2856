"""Every fact of tests/golden/facts.yaml, written by hand from numerics.md, holds of the generated kernels."""

import pytest
from golden.builds import DiskBuild
from golden.facts import DOCUMENT, GOLDENS, NOT_ARGUMENTS
from golden_support import COMMON, Golden, parameters


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_generated_kernels_agree(golden: Golden) -> None:
    golden.check(DiskBuild())


def test_every_fact_is_unique_and_says_where_it_comes_from() -> None:
    assert len({golden.name for golden in GOLDENS}) == len(GOLDENS)
    assert [fact["fact"] for fact in DOCUMENT["facts"] if not fact["source"].startswith("numerics ")] == []


def test_every_argument_of_a_fact_is_one_of_its_kernel() -> None:
    for fact in DOCUMENT["facts"]:
        assert fact.get("params") or "result" in fact, fact["fact"]
        for march in fact.get("march", (COMMON,)) if "kernel" in fact else ():
            kernels, role = DiskBuild().kernels(march), fact["kernel"]
            derive = getattr(kernels, f"derive_{role}", None)
            known = {*parameters(getattr(kernels, role)), *(parameters(derive) if derive else ())}
            assert set(fact) - NOT_ARGUMENTS <= known, fact["fact"]
