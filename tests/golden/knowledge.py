"""Facts about specs that decide no integers: which chains fuse. Written by hand; `trial` holds every changed catalog against them.

In: the catalog and its expanded patterns. Out: the name of the first fact that does not hold, or ''. `CHECKS` is the place for
further ones, such as the operator table of the manual.
"""

from collections.abc import Callable
from itertools import product

from generator.link import Catalog
from generator.patterns import Expanded

LAYERS = ("conv2d", "conv_transpose2d", "conv3d", "linear")
ACTIVATIONS = ("", "relu", "relu6")
NORMS = {"batch_norm1d", "batch_norm2d", "batch_norm3d"}


def fusable_chains(catalog: Catalog, patterns: tuple[Expanded, ...]) -> bool:
    """layer [norm] [add] [activation], in this order, for every layer and activation, with at least one of the three."""
    expected = {
        (layer, tuple(step for step, used in (("norm", norm), ("add", add), ("activation", act)) if used), act)
        for layer, norm, add, act in product(LAYERS, (False, True), (False, True), ACTIVATIONS)
        if norm or add or act
    }
    found = [(pattern.base, pattern.steps[1:], pattern.activation) for pattern in patterns]
    sets = all(set(pattern.norms) == NORMS and set(pattern.adds) == {"add"} for pattern in patterns)
    return sets and set(found) == expected and len(found) == len(expected)


CHECKS: tuple[Callable[[Catalog, tuple[Expanded, ...]], bool], ...] = (fusable_chains,)


def failing(catalog: Catalog, patterns: tuple[Expanded, ...]) -> str:
    """The first fact that the catalog contradicts."""
    return next((check.__name__ for check in CHECKS if not check(catalog, patterns)), "")
