"""Problems of formulas as diagnostics: each mistake once, at its own line and column.

In: what the formula compiler found, kernel by kernel and march by march. Out: one diagnostic a mistake. A formula is read
again for every march and for every kernel that inlines it, so one mistake is found many times.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from generator.diag import Diagnostic, Span, did_you_mean
from generator.formula.problems import Problem
from generator.formula.syntax import Expr, names
from generator.link import Catalog, KernelEntry

_CIRCLE, _UNKNOWN, _UNUSED = "F014", "F004", "F012"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, the kernel and the march it was found for, and whether it stands in that kernel's own formulas."""

    problem: Problem
    march: str
    own: bool


@dataclass(slots=True)
class Problems:
    """Collects findings; the key of a formula is `number:section.targets` or `rounding:mode.form`."""

    catalog: Catalog
    entries: dict[str, KernelEntry]
    groups: dict[tuple[str, Span | None], list[Finding]] = field(default_factory=dict)

    def add(self, problems: Iterable[Problem], number: str, march: str) -> None:
        """Note what compiling the kernel `number` for a march gave."""
        for problem in problems:
            # A circle of kernels has a call in each of them; one of the calls is enough.
            place = None if problem.code == _CIRCLE else self._span(problem)
            own = problem.where.startswith(f"{number}:")
            self.groups.setdefault((problem.code, place), []).append(Finding(problem, march, own))

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """One diagnostic a group, in the words of the kernel that the formula stands in.

        A formula with another fault reads too few names; what is unused for that reason alone is not told.
        """
        faults = {group for group in self.groups if group[0] != _UNUSED} or self.groups
        return tuple(self._diagnostic(findings) for group, findings in self.groups.items() if group in faults)

    def _diagnostic(self, findings: list[Finding]) -> Diagnostic:
        chosen = min(findings, key=lambda finding: not finding.own)
        if chosen.problem.code == _CIRCLE:  # the shortest chain is the circle itself
            chosen = min(findings, key=lambda finding: len(finding.problem.message))
        problem = chosen.problem
        others = sorted({finding.march for finding in findings} - {chosen.march})
        names_march = f"march {chosen.march} " in problem.message
        suffix = f" (nor has {', '.join(others)})" if others and names_march else ""
        return Diagnostic(problem.code, problem.message + suffix, self._span(problem), hint=problem.hint)

    def _span(self, problem: Problem) -> Span:
        """The place of the formula text, moved to the offending column when the formula stands on one line."""
        number, _, rest = problem.where.partition(":")
        if number in self.entries:
            section, _, name = rest.partition(".")
            entry = self.entries[number]
            return moved(entry.span(*filter(None, (section, name))), problem.offset, entry.family.doc.text)
        mode, _, form = rest.partition(".")
        rounding = self.catalog.rounding
        return moved(rounding.span("modes", mode, form), problem.offset, rounding.doc.text)


def unknown_names(expr: Expr, known: set[str]) -> tuple[Problem, ...]:
    """A problem for each name of a formula that is not one of `known`."""
    return tuple(
        Problem(_UNKNOWN, f"unknown name {n.text!r}", did_you_mean(n.text, known), n.place.where, n.place.offset)
        for n in names(expr)
        if n.text not in known
    )


def moved(span: Span, offset: int, text: str) -> Span:
    """A place `offset` characters into a scalar; its beginning when the scalar is a block or goes over several lines."""
    line = text.split("\n")[span.line - 1]
    first = line[span.col - 1 : span.col]
    column = span.col + max(offset, 0) + (first in ("'", '"'))
    return span if first in ("|", ">") or column > len(line) + 1 else Span(span.path, span.line, column)
