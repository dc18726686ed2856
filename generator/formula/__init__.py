"""The formula language: integer kernels as typed expressions, proved by intervals and lowered to code.

In: kernel specs. Out: `Compiled` kernels: torch code, exact Python code, readable formulas, and the proof. Nothing is ever
evaluated as Python; no formula is written twice.
"""

from generator.formula.c_helpers import C_HELPERS, c_helpers_for
from generator.formula.compiler import compile_kernel
from generator.formula.lower_c import CBody, c_name, c_type, lower_c
from generator.formula.lower_elements import ElementBody, lower_elements
from generator.formula.lower_latex import latex
from generator.formula.lower_python import PYTHON_HELPERS
from generator.formula.lower_torch import TORCH_HELPERS
from generator.formula.model import Arg, Compiled, Dtype, Formula, Kernel, Kind, MarchFacts, Param, Proved, RoundingMode
from generator.formula.parse import parse
from generator.formula.problems import CODES, Problem

__all__ = [
    "CODES",
    "C_HELPERS",
    "PYTHON_HELPERS",
    "TORCH_HELPERS",
    "Arg",
    "CBody",
    "Compiled",
    "Dtype",
    "ElementBody",
    "Formula",
    "Kernel",
    "Kind",
    "MarchFacts",
    "Param",
    "Problem",
    "Proved",
    "RoundingMode",
    "c_helpers_for",
    "c_name",
    "c_type",
    "compile_kernel",
    "latex",
    "lower_c",
    "lower_elements",
    "parse",
]
