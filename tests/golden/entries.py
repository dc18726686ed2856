"""The entries of the golden vectors, and the register of the goldens that compare them.

In: vectors.json. Out: `entry` and `golden`. Reading an entry is recorded, so that a test can
tell what no golden compares.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from golden_support import COMMON, GOLDEN, Build, Golden

VECTORS: dict[str, Any] = json.loads((GOLDEN / "vectors.json").read_text("utf-8"))
READ: set[tuple[str, str]] = set()
"""(entry, key) of everything that was compared; the key is "" for an entry that has none."""

MULTIPLIERS = ("bernoulli2", "bayes", "bayes-e")
BAYES = ("bayes", "bayes-e")
OF = {"bernoulli": "bernoulli", "bernoulli2": "bernoulli2", "bayes": "bayes", "bayes-e": "bayes"}
"""The march that an entry names for a march: bayes-e has exactly the numbers of bayes."""

LATER: tuple[str, ...] = ()
"""Entries of operators that are not generated yet."""

GOLDENS: list[Golden] = []
MODES = {"bpu_round": "half_up", "half_even": "half_even", "std_round": "half_away", "floor": "floor"}
ACTIVATION = {"bernoulli": "floor", "bernoulli2": "bpu_round", "bayes": "bpu_round", "bayes-e": "bpu_round"}
"""How activations are rounded (numerics, section 1, row 1); weights are bpu_round everywhere."""


def entry(name: str, key: str = "") -> Any:
    """A number of the vectors, recorded as compared."""
    READ.add((name, key))
    return VECTORS[name][key] if key else VECTORS[name]


def keys(name: str) -> tuple[str, ...]:
    """What has to be compared of an entry."""
    return tuple(VECTORS[name]) if isinstance(VECTORS[name], dict) else ("",)


def golden(*marches: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a check for each march; it takes the build, and the march unless it stands for all."""

    def register(check: Callable[..., None]) -> Callable[..., None]:
        for march in marches or (COMMON,):
            bound = partial(_on, check, march) if marches else check
            GOLDENS.append(Golden(f"vectors {check.__name__}{f' on {march}' if marches else ''}", march, bound))
        return check

    return register


def _on(check: Callable[[Build, str], None], march: str, build: Build) -> None:
    check(build, march)
