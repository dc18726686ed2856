"""Views of kernels/<march>.h: the kernels of a march as C functions of one element, for compiled loops.

In: compiled kernels. Out: `NativeView`; kernels that are more than integers to integers are left out.
"""

from dataclasses import dataclass
from textwrap import wrap

from generator.compile import CompiledMarches
from generator.formula import lower_elements

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
    views = []
    for role, kernel in compiled.by_march[march].items():
        body = lower_elements(kernel.proved, compiled.compute_dtypes(role))
        if body is not None:
            arguments = ", ".join(f"int32_t {name}" for name in body.arguments)
            head = f"static inline int32_t {role}({arguments})"
            lines = (part for line in body.lines for part in _wrapped(line, "    "))
            views.append(ElementView(f"{kernel.label}: specs/kernels", tuple(_wrapped(head, "")), tuple(lines)))
    return NativeView(march, tuple(views))


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}    ", break_on_hyphens=False)
