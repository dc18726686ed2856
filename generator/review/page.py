"""A review as one self-contained HTML page: formulas before and after, and where outputs differ, as inline SVG.

In: a Review and the names of its two sides. Out: the page. It loads nothing from any network.
"""

from collections.abc import Iterator
from html import escape
from itertools import groupby

from generator.review.compare import Review
from generator.review.delta import Delta
from generator.review.events import Event
from generator.review.report import field_text, notes, outputs_text, summary, title

CELL = 8
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; border-bottom: 1px solid #d0d7de; } h3 { font-size: 1rem; margin-bottom: 0; }
code, pre { font: 13px/1.5 ui-monospace, monospace; } .event { margin: 1rem 0 1.6rem; padding-left: 0.8rem; border-left: 4px solid; }
.note { border-color: #8c959f; } .warning { border-color: #bf8700; } .breaking { border-color: #cf222e; }
.formulas { display: flex; flex-wrap: wrap; gap: 1rem; } .formulas pre { flex: 1 1 26rem; overflow-x: auto; background: #f6f8fa; padding: 0.6rem; }
del { background: #ffd8d3; text-decoration: none; } ins { background: #d3f5d8; text-decoration: none; } .why { color: #57606a; }
"""


def as_page(review: Review, sides: str) -> str:
    """The whole page."""
    return "".join(f"{line}\n" for line in _lines(review, sides))


def _lines(review: Review, sides: str) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f"<title>Spec review: {escape(summary(review))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield f"<h1>Spec review: {escape(summary(review))}</h1>\n<p>{escape(sides)}</p>\n<ul>"
    yield from (f"<li><code>{field.span}</code> {escape(field_text(field))}</li>" for field in review.fields)
    yield "</ul>"
    for section in review.sections:
        yield f"<h2>{escape(title(section))}</h2>"
        for event in section.events:
            yield from _event(event)
    if review.outputs:
        yield f"<p>Reaches {escape(outputs_text(review))}</p>"
    yield "</body>\n</html>"


def _event(event: Event) -> Iterator[str]:
    yield f'<div class="event {event.severity}">\n<h3>{event.severity}: {escape(event.subject)}</h3>'
    yield f'<p>{escape(event.text)}<br>\n<span class="why">{escape("; ".join(notes(event)))}</span></p>'
    if event.before or event.after:
        before, after = (_formulas(lines, others, tag) for lines, others, tag in (
            (event.before, event.after, "del"), (event.after, event.before, "ins")))  # fmt: skip
        yield f'<div class="formulas"><pre>{before}</pre><pre>{after}</pre></div>'
    if event.delta is not None and event.delta.changed and event.delta.picture:
        yield _picture(event.delta)
    yield "</div>"


def _formulas(lines: tuple[str, ...], others: tuple[str, ...], tag: str) -> str:
    return "\n".join(escape(line) if line in others else f"<{tag}>{escape(line)}</{tag}>" for line in lines)


def _picture(delta: Delta) -> str:
    """Where outputs differ: the darker, the larger the share of changed outputs."""
    rows, columns = len(delta.picture), len(delta.picture[0])
    width, height = columns * CELL + 20, rows * CELL + 40
    cells = "".join(
        _strip(x, y, length, share) for y, row in enumerate(delta.picture) for x, length, share in _strips(row)
    )
    first, second = (escape(axis) for axis in delta.axes)
    frame = f'<rect x="20" y="0" width="{columns * CELL}" height="{rows * CELL}" fill="none" stroke="#8c959f"/>'
    across = (
        f'<text x="20" y="{rows * CELL + 16}">{first}, smallest to largest; shade: share of outputs that change</text>'
    )
    down = f'<text transform="translate(14 {rows * CELL}) rotate(-90)">{second}</text>'
    name = f"where outputs of {first} and {second} differ"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{name}" width="{width}" height="{height}" font-size="12">'
        f"{frame}{cells}{across}{down}</svg>"
    )


def _strips(row: tuple[float, ...]) -> Iterator[tuple[int, int, float]]:
    """(start, length, share) of neighbours of equal share; what does not change is left out."""
    start = 0
    for share, cells in groupby(row):
        length = len(tuple(cells))
        if share:
            yield start, length, share
        start += length


def _strip(x: int, y: int, length: int, share: float) -> str:
    return f'<rect x="{20 + x * CELL}" y="{y * CELL}" width="{length * CELL}" height="{CELL}" fill="#cf222e" fill-opacity="{share}"/>'
