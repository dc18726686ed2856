"""A review as text for a terminal, and as Markdown for a pull request.

In: a Review and the names of its two sides. Out: text. What both forms say is worded here once.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher

from generator.review.compare import Review, Section
from generator.review.delta import Delta
from generator.review.evaluate_policy import change_text
from generator.review.events import Event
from generator.review.fields import FieldChange

NO_CHANGE = "no change in behaviour"
_SHOWN_OUTPUTS = 8


def as_text(review: Review, sides: str) -> str:
    """The report for a terminal."""
    return "".join(f"{line}\n".rstrip(" ") for line in _text_lines(review, sides))


def _text_lines(review: Review, sides: str) -> Iterator[str]:
    yield f"{sides}: {summary(review)}"
    yield from (f"{field.span}: {field_text(field)}" for field in review.fields)
    for section in review.sections:
        yield ""
        yield f"{title(section)}:"
        for event in section.events:
            yield f"  {event.severity}: {event.subject}: {event.text}"
            yield f"    {'; '.join(notes(event))}"
            yield from (f"    {sign} {line}" for sign, line in formula_diff(event))
    if review.outputs:
        yield ""
        yield f"reaches {outputs_text(review)}"


def as_markdown(review: Review, sides: str) -> str:
    """The report for a pull request."""
    return "".join(f"{line}\n" for line in _markdown_lines(review, sides))


def _markdown_lines(review: Review, sides: str) -> Iterator[str]:
    yield f"### Spec review: {summary(review)}"
    yield f"\n{sides}\n"
    if review.fields:
        yield "| place | field | change |\n|---|---|---|"
        for field in review.fields:
            yield f"| `{field.span}` | {_name(field)} | `{_cell(change_text(field))}` |"
    for section in review.sections:
        yield f"\n#### {title(section)}\n"
        for event in section.events:
            yield f"- **{event.severity}**, {event.subject}: {event.text}  \n  {'; '.join(notes(event))}"
            if diff := tuple(formula_diff(event)):
                yield "  <details><summary>formula</summary>\n\n  ```diff"
                yield from (f"  {sign} {line}" for sign, line in diff)
                yield "  ```\n\n  </details>"
    if review.outputs:
        yield f"\nReaches {outputs_text(review)}"


def summary(review: Review) -> str:
    """One line: how many fields, and how bad it is."""
    count = len(review.fields)
    fields = f"{count or 'no'} field{'' if count == 1 else 's'} changed"
    return f"{fields}, {review.severity if review.changes_behaviour else NO_CHANGE}"


def title(section: Section) -> str:
    """Which marches a section is about."""
    return ", ".join(section.marches) or "every march"


def field_text(field: FieldChange) -> str:
    """`march x9: rounding.requantize.post_shift: half_up -> floor`."""
    return f"{_name(field)}: {change_text(field)}"


def _name(field: FieldChange) -> str:
    """The spec and the field; marches that inherit it are named behind the one that says it."""
    spec = field.kind if field.kind == field.id else f"{field.kind} {field.id}"
    if field.marches:
        own = [name for name in field.marches if field.span and field.span.path.endswith(f"/{name}.yaml")]
        heirs = [name for name in field.marches if name not in own]
        spec = f"march {', '.join(own or heirs)}" + (f" (and {', '.join(heirs)})" if own and heirs else "")
    return f"{spec}: {field.field}" if field.path else spec


def notes(event: Event) -> Iterator[str]:
    """The reason, what was run, what is reached."""
    yield event.reason
    if event.delta is not None:
        yield f"run on {_settings(event.delta)}"
    if event.operators:
        yield f"operators: {', '.join(event.operators)}"
    fields = [field.field or field.id for field in event.causes]
    if fields:
        yield f"because of {', '.join(fields[:3])}" + (f" and {len(fields) - 3} more" if len(fields) > 3 else "")  # noqa: PLR2004


def _settings(delta: Delta) -> str:
    """How much was run."""
    settings = "1 setting" if delta.settings == 1 else f"{delta.settings} settings of dtypes and scales"
    rows = "every operand" if delta.exhaustive else "ends, ties and random operands where there are more than 2^20"
    return f"{settings}, {rows}"


def formula_diff(event: Event) -> Iterator[tuple[str, str]]:
    """The formulas that differ: ('-', before) and ('+', after)."""
    matcher = SequenceMatcher(None, event.before, event.after, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            yield from (("-", line) for line in event.before[i1:i2])
            yield from (("+", line) for line in event.after[j1:j2])


def outputs_text(review: Review) -> str:
    """How many generated files the edit reaches, and which."""
    names = list(review.outputs)
    shown = ", ".join(names[:_SHOWN_OUTPUTS])
    more = f" and {len(names) - _SHOWN_OUTPUTS} more" if len(names) > _SHOWN_OUTPUTS else ""
    return f"{len(names)} generated file{'' if len(names) == 1 else 's'}: {shown}{more}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
