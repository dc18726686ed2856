"""What a kernel declares, checked before its formulas are: names that can be names, dtypes that exist.

In: a Kernel and the dtypes. Out: problems. The spec's schema refuses most of this already; a kernel made by other means
must not become generated code that does not compile.
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from generator.formula.lines import FUNCTIONS
from generator.formula.lower_python import PYTHON_HELPERS
from generator.formula.lower_torch import TORCH_HELPERS
from generator.formula.model import REAL_TENSOR
from generator.formula.problems import Place, Problem, did_you_mean, problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from generator.formula.model import Dtype, Kernel

_RESERVED = frozenset({"march", "p", "torch", "math", "struct", "Tensor", *FUNCTIONS, *PYTHON_HELPERS, *TORCH_HELPERS})


def declaration_problems(kernel: Kernel, dtypes: Mapping[str, Dtype]) -> Iterator[Problem]:
    """Everything that is wrong with the names and the dtypes of a kernel."""
    at = Place(kernel.where, 0)
    for name in (*kernel.types, *kernel.scales, *kernel.integers, *kernel.tensors, *kernel.tables, *kernel.sites):
        yield from _name_problems(name, at)
    for formula in (*kernel.derive, *kernel.compute):
        for name in formula.targets or ("",):
            yield from _name_problems(name, Place(formula.where, 0))
    entries = (kind for kind, _ in kernel.tables.values())
    named = (kind for kind in (*kernel.tensors.values(), *entries, kernel.result) if isinstance(kind, str))
    ids = {id for allowed in kernel.types.values() for id in allowed}  # noqa: A001 - as Dtype.id
    for dtype in sorted({*named, *ids} - {REAL_TENSOR, *kernel.types} - set(dtypes)):
        known = {*dtypes, *kernel.types, REAL_TENSOR}
        yield problem("F016", at, f"{dtype!r} is no dtype and no type parameter", did_you_mean(dtype, known))


def _name_problems(name: str, at: Place) -> Iterator[Problem]:
    if not name.isidentifier() or keyword.iskeyword(name):
        yield problem("F010", at, f"{name!r} is not a name")
    elif name in _RESERVED:
        yield problem("F010", at, f"{name!r} is a word of the formula language or of generated code", "rename it")
