"""The golden vectors of numerics.md, section 11, as goldens: every entry that concerns what is generated.

In: the modules that register them. Out: `GOLDENS`, and the register itself.
"""

from . import (
    vectors_arithmetic,
    vectors_detection,
    vectors_lut,
    vectors_requantize,
    vectors_sampling,
    vectors_scalar,
    vectors_softmax,
    vectors_weighted,
)
from .entries import GOLDENS, LATER, READ, VECTORS, keys

__all__ = [
    "GOLDENS",
    "LATER",
    "READ",
    "VECTORS",
    "keys",
    "vectors_arithmetic",
    "vectors_detection",
    "vectors_lut",
    "vectors_requantize",
    "vectors_sampling",
    "vectors_scalar",
    "vectors_softmax",
    "vectors_weighted",
]
