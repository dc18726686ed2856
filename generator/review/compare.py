"""The review as one function: two sides in, all events and the outputs that they reach out.

`EVALUATORS` is the table of contents: each knows one kind of change. What no evaluator explains is told as such.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from generator.outputs import PACKAGE, jobs_of
from generator.pipeline import Knowledge
from generator.review import evaluate_colors, evaluate_kernels, evaluate_policy
from generator.review.evaluate_policy import change_text
from generator.review.events import SEVERITIES, Comparison, Event, Severity
from generator.review.fields import FieldChange

Evaluator = Callable[[Comparison], Iterator[Event]]
EVALUATORS: tuple[Evaluator, ...] = (
    evaluate_policy.marches,
    evaluate_policy.march_names,
    evaluate_policy.operators,
    evaluate_policy.dtypes,
    evaluate_kernels.changed_kernels,
    evaluate_kernels.added_and_removed_kernels,
    evaluate_colors.forward_rows,
    evaluate_colors.inverse_conversions,
    evaluate_policy.color_fields,
    evaluate_policy.decisions,
    evaluate_policy.patterns,
    evaluate_policy.operator_fields,
    evaluate_policy.limits,
    evaluate_policy.training,
    evaluate_policy.tensor_functions,
    evaluate_policy.prose,
)


@dataclass(frozen=True, slots=True)
class Section:
    """Events of marches that change alike; no marches: what concerns all."""

    marches: tuple[str, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that changed."""

    fields: tuple[FieldChange, ...]
    sections: tuple[Section, ...]
    outputs: tuple[str, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """All events."""
        return tuple(event for section in self.sections for event in section.events)

    @property
    def severity(self) -> Severity:
        """The worst one."""
        return max((event.severity for event in self.events), key=SEVERITIES.index, default="note")

    @property
    def changes_behaviour(self) -> bool:
        """Whether anything that a model computes, or whether it is accepted, changes."""
        return not all(event.neutral for event in self.events)


def review(old: Knowledge, new: Knowledge) -> Review:
    """Compare two sides."""
    comparison = Comparison(old, new)
    events = [event for evaluator in EVALUATORS for event in evaluator(comparison)]
    explained = {id(field) for event in events for field in event.causes}
    outputs = tuple(_outputs(old, new))
    reaches_code = any(path.startswith(PACKAGE) for path in outputs)
    events += [
        _unexplained(field, reaches_code=reaches_code) for field in comparison.fields if id(field) not in explained
    ]
    return Review(comparison.fields, tuple(_sections(comparison, events)), outputs)


def _unexplained(field: FieldChange, *, reaches_code: bool) -> Event:
    """A field that no evaluator explains: a warning as long as any generated code changes."""
    subject = f"{field.kind} {field.id}: {field.field}"
    if reaches_code:
        reason = "generated code changes, and no evaluator knows this kind of change: read horizon-gen diff"
        return Event("warning", "", subject, change_text(field), reason, (field,))
    return Event("note", "", subject, change_text(field), "no generated code depends on it", (field,), neutral=True)


def _sections(comparison: Comparison, events: list[Event]) -> Iterator[Section]:
    """All marches first, then each march; marches whose events are the same share a section."""
    catalogs = (comparison.new.catalog, comparison.old.catalog)
    depth = {name: len(tuple(catalog.lineage(name))) for catalog in catalogs for name in catalog.marches}
    names = ("", *sorted(depth, key=depth.__getitem__))  # a march before those that extend it
    by_march = {name: tuple(event for event in events if event.march == name) for name in names}
    told: set[str] = set()
    for name, own in by_march.items():
        if own and name not in told:
            alike = [other for other in names if other and name and _same(by_march[other], own)] or [name]
            told.update(alike)
            yield Section(tuple(n for n in alike if n), own)


def _same(left: tuple[Event, ...], right: tuple[Event, ...]) -> bool:
    def content(event: Event) -> tuple[object, ...]:
        return (event.severity, event.subject, event.text, event.causes, event.operators, event.before, event.after)

    return [content(event) for event in left] == [content(event) for event in right]


def _outputs(old: Knowledge, new: Knowledge) -> Iterator[str]:
    """Generated files whose content the edit reaches: added, removed, or made from another view."""
    before, after = (
        {job.path: repr(job.view) for job in jobs_of(k.catalog, k.decisions, k.patterns, k.compiled)}
        for k in (old, new)
    )
    yield from (path for path in sorted({*before, *after}) if before.get(path) != after.get(path))
