"""What a review is made of: the two sides, and the events that evaluators find between them.

In: two `Knowledge`s. Out: frozen values for the reports.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from generator.compile import formula_dtypes
from generator.formula.model import Dtype
from generator.pipeline import Knowledge
from generator.review.delta import Delta
from generator.review.fields import FieldChange, field_changes

Severity = Literal["note", "warning", "breaking"]
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "breaking")


@dataclass(frozen=True, slots=True)
class Event:
    """One change.

    Attributes:
        severity: note: nobody need act; warning: training or fresh conversions differ; breaking: existing models do.
        march: The march that it concerns; empty for all.
        subject: What changes: `kernel requantize`.
        text: How it changes, in one line.
        reason: Why it has this severity.
        causes: The fields of specs that cause it.
        operators: Operators that it reaches.
        before: Formulas before, where there are any.
        after: Formulas after.
        delta: Both versions executed.
        neutral: True where nothing that a model computes changes.
    """

    severity: Severity
    march: str
    subject: str
    text: str
    reason: str
    causes: tuple[FieldChange, ...] = ()
    operators: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    delta: Delta | None = None
    neutral: bool = False


@dataclass(frozen=True)
class Comparison:
    """The specs before and after."""

    old: Knowledge
    new: Knowledge

    @cached_property
    def fields(self) -> tuple[FieldChange, ...]:
        """Every field that differs."""
        return field_changes(self.old.catalog, self.new.catalog)

    @cached_property
    def dtypes(self) -> tuple[Mapping[str, Dtype], Mapping[str, Dtype]]:
        """The dtypes of both sides."""
        return formula_dtypes(self.old.catalog), formula_dtypes(self.new.catalog)

    def fields_of(self, *kinds: str) -> tuple[FieldChange, ...]:
        """The changed fields of some kinds of specs that not only people read."""
        return tuple(field for field in self.fields if field.kind in kinds and not field.is_prose)

    @property
    def marches(self) -> tuple[str, ...]:
        """The marches of both sides."""
        return tuple(name for name in self.new.catalog.marches if name in self.old.catalog.marches)
