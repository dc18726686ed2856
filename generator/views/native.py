"""Views of kernels/<march>.h: the kernels of a march as C functions of one element, for compiled loops.

In: compiled kernels. Out: `NativeView`; kernels of floats, or of host values of the call, are left out.
"""

from dataclasses import dataclass
from functools import partial
from textwrap import wrap

from generator.formula.lower_elements import lower_elements
from generator.formula.model import Compiled
from generator.proven import CompiledMarches

_WIDTH = 120


@dataclass(frozen=True, slots=True)
class ElementView:
    """One function."""

    comment: str
    head: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NativeView:
    """A whole header."""

    march: str
    kernels: tuple[ElementView, ...]


def native_view(compiled: CompiledMarches, march: str) -> NativeView:
    """Every kernel of a march that a loop can run."""
    kernels = compiled.by_march[march]
    views = []
    for role in kernels:
        dtypes = compiled.compute_dtypes(role)
        views.append(kernels.derived(role, f"element {' '.join(dtypes)}", partial(_element, role, dtypes)))
    return NativeView(march, tuple(view for view in views if view is not None))


def _element(role: str, dtypes: tuple[str, ...], kernel: Compiled) -> ElementView | None:
    """The function of one kernel; None of one that a loop cannot run."""
    body = lower_elements(kernel.proved, kernel.compute_args, dtypes)
    if body is None:
        return None
    head = f"static inline {body.result} {role}({', '.join(body.arguments)})"
    lines = (part for line in body.lines for part in _wrapped(line, "    "))
    return ElementView(f"{kernel.label}: specs/kernels", tuple(_wrapped(head, "")), tuple(lines))


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}    ", break_on_hyphens=False)
