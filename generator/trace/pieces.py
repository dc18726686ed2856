"""A template rendered piece by piece: each piece knows its template line and what encloses it.

In: a job and the folder of templates. Out: pieces whose texts, joined, are what `render` writes before formatting. The
language of templates is small (text, chains, three filters, for, if; a lint keeps it so), hence this is a short walk.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes

from generator.plan import Job
from generator.render import header, make_environment


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an output: its line in the template, whether it stands there as it is, and the elements of the loops around it."""

    text: str
    line: int
    fixed: bool
    items: tuple[object, ...] = ()


HEADER = 0
"""The template line of the header, which `render` writes."""


def pieces(job: Job, templates: Path) -> tuple[Piece, ...]:
    """All pieces of an output, the header first."""
    environment = make_environment(templates)
    tree = environment.parse(Path(templates, job.template).read_text(encoding="utf-8"))
    body = list(_walk(tree.body, {"v": job.view}, (), environment))
    while body and not (text := body[0].text.lstrip("\n")):
        body.pop(0)
    if body and text != body[0].text:
        first = body[0]
        skipped = len(first.text) - len(text)
        body[0] = Piece(text, first.line + skipped, first.fixed, first.items)
    top = header(job)
    return (*([Piece(top, HEADER, fixed=True)] if top else []), *body)


def _walk(
    body: list[nodes.Node], scope: Mapping[str, Any], items: tuple[object, ...], environment: jinja2.Environment
) -> Iterator[Piece]:
    for node in body:
        match node:
            case nodes.Output():
                for part in node.nodes:
                    yield _piece(part, scope, items, environment)
            case nodes.For():
                assert isinstance(node.target, nodes.Name)  # the lint of templates admits nothing else
                for item in _value(node.iter, scope):
                    yield from _walk(node.body, {**scope, node.target.name: item}, (*items, item), environment)
            case nodes.If():
                branches = [(node.test, node.body), *((other.test, other.body) for other in node.elif_)]
                chosen = next((b for test, b in branches if _value(test, scope)), node.else_)
                yield from _walk(chosen, scope, items, environment)


def _piece(
    node: nodes.Expr, scope: Mapping[str, Any], items: tuple[object, ...], environment: jinja2.Environment
) -> Piece:
    if isinstance(node, nodes.TemplateData):
        return Piece(node.data, node.lineno, fixed=True, items=items)
    if isinstance(node, nodes.Filter) and node.node is not None:
        arguments = [arg.as_const() for arg in node.args]
        text = str(environment.filters[node.name](_value(node.node, scope), *arguments))
    else:
        text = str(_value(node, scope))
    return Piece(text, node.lineno, fixed=False, items=items)


def _value(node: nodes.Node, scope: Mapping[str, Any]) -> Any:
    match node:
        case nodes.Name():
            return scope[node.name]
        case nodes.Getattr():
            return getattr(_value(node.node, scope), node.attr)
        case nodes.Not():
            return not _value(node.node, scope)
        case _:
            raise TypeError(f"a template holds {type(node).__name__}, which the lint of templates refuses")
