"""Every entry of the golden vectors equals what the generated kernels give, or is listed as belonging to later work."""

import pytest
from golden.builds import DiskBuild, MemoryBuild
from golden.spec_tree import load_specs
from golden.vectors import GOLDENS, LATER, READ, VECTORS, keys
from golden_support import MARCHES, Golden


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_generated_kernels_give_the_vectors(golden: Golden) -> None:
    golden.check(DiskBuild())


def test_every_entry_is_compared_or_later() -> None:
    for golden in GOLDENS:
        golden.check(DiskBuild())
    compared = {name for name, _ in READ}
    assert compared.isdisjoint(LATER)
    assert sorted([*compared, *LATER]) == sorted(VECTORS)
    assert sorted(READ) == sorted((name, key) for name in compared for key in keys(name))


def test_kernels_made_in_memory_give_the_vectors() -> None:
    build = MemoryBuild(load_specs()[1])
    for golden in GOLDENS:
        golden.check(build)
    assert build.touched >= {(march, role) for march in MARCHES for role in ("requantize", "weighted", "add", "mul")}
