"""Templates without logic, checked against the views that they are filled from.

In: a template's text. Out: diagnostics: constructs outside of the white list, fields that the view does not have, values
used in a way that their type does not allow. The first line of a template names its view class.
"""

import importlib
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import jinja2
from jinja2 import nodes

from generator.diag import Diagnostic, Span, did_you_mean

MAX_LINES = 80
VIEWS = "generator.views"
FILTERS = frozenset({"py", "doc", "indent"})
_VIEW = re.compile(r"\{#-?\s*view:\s*([\w.]+)\s*-?#\}")
_HINTS: Mapping[type[nodes.Node], str] = {
    nodes.Call: "a view holds values, not functions",
    nodes.Compare: "let the view hold a bool",
    nodes.Add: "let the view hold the sum",
    nodes.Concat: "let the view hold the whole string",
    nodes.Assign: "let the view hold the value",
    nodes.Getitem: "give the element a field of its own",
    nodes.CondExpr: "let the view hold the chosen value",
    nodes.And: "let the view hold a bool",
    nodes.Or: "let the view hold a bool",
}


def check_template(path: str, text: str) -> tuple[Diagnostic, ...]:
    """Everything that is wrong with one template."""
    checker = _Checker(path)
    lines = text.count("\n")
    if lines > MAX_LINES:
        checker.report(
            "T009", f"{lines} lines, more than {MAX_LINES}", MAX_LINES + 1, "split it, or move text to a view"
        )
    view = checker.view_class(text)
    try:
        tree = jinja2.Environment(autoescape=False).parse(text)  # noqa: S701 - the output is source code
    except jinja2.TemplateSyntaxError as error:
        checker.report("T001", error.message or "not well-formed", error.lineno)
        return tuple(checker.found)
    checker.check(tree, {} if view is None else {"v": view})
    return tuple(checker.found)


@dataclass(slots=True)
class _Checker:
    path: str
    found: list[Diagnostic] = field(default_factory=list)

    def report(self, code: str, message: str, line: int, hint: str = "") -> None:
        self.found.append(Diagnostic(code, message, Span(self.path, line, 1), hint=hint))

    def view_class(self, text: str) -> type | None:
        """The class that the first line names."""
        match = _VIEW.match(text)
        if match is None:
            self.report("T003", "the first line names the view class", 1, "{#- view: module.ClassView -#}")
            return None
        dotted = match[1] if match[1].startswith("generator.") else f"{VIEWS}.{match[1]}"
        module, _, name = dotted.rpartition(".")
        try:
            found: type = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            self.report("T004", f"there is no view class {dotted}", 1)
            return None
        return found

    def check(self, node: nodes.Node, types: Mapping[str, Any]) -> None:
        """Check statements."""
        for child in node.iter_child_nodes():
            match child:
                case nodes.Output():
                    for part in child.nodes:
                        self.printed(part, types)
                case nodes.For():
                    self.loop(child, types)
                case nodes.If():
                    test = child.test.node if isinstance(child.test, nodes.Not) else child.test
                    self.chain(test, types)
                    self.check_all([*child.body, *child.elif_, *child.else_], types)
                case _:
                    self.forbidden(child)

    def check_all(self, body: list[nodes.Node], types: Mapping[str, Any]) -> None:
        """Check a block."""
        self.check(nodes.Template(body), types)

    def loop(self, node: nodes.For, types: Mapping[str, Any]) -> None:
        """`for x in chain`: x is what the tuple holds."""
        if node.test is not None or node.else_ or node.recursive or not isinstance(node.target, nodes.Name):
            self.forbidden(node)
            return
        kind = self.chain(node.iter, types)
        item = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else Any
        if kind is not Any and item is Any:
            self.report("T006", "only a tuple can be looped over", node.lineno, f"its type is {kind}")
        self.check_all(node.body, {**types, node.target.name: item})

    def printed(self, node: nodes.Node, types: Mapping[str, Any]) -> None:
        """Text, a chain, or a chain through a known filter."""
        if isinstance(node, nodes.TemplateData):
            return
        if isinstance(node, nodes.Filter):
            if node.name not in FILTERS:
                self.report(
                    "T002",
                    f"the filter {node.name!r} is not allowed",
                    node.lineno,
                    f"only {', '.join(sorted(FILTERS))}",
                )
            if (
                node.kwargs
                or node.dyn_args
                or node.dyn_kwargs
                or not all(isinstance(a, nodes.Const) for a in node.args)
            ):
                self.report("T002", f"the filter {node.name!r} takes literals only", node.lineno)
            if node.node is not None:
                self.chain(node.node, types)
            return
        kind = self.chain(node, types)
        if typing.get_origin(kind) is tuple or is_dataclass(kind):
            self.report("T006", f"a {kind} cannot be printed", node.lineno, "print its fields, or use the filter py")

    def chain(self, node: nodes.Node, types: Mapping[str, Any]) -> Any:
        """The type of `a.b.c`."""
        if isinstance(node, nodes.Name):
            if node.name not in types and types:
                self.report("T005", f"unknown name {node.name!r}", node.lineno, did_you_mean(node.name, types))
            return types.get(node.name, Any)
        if isinstance(node, nodes.Getattr):
            return self.attribute(self.chain(node.node, types), node)
        self.forbidden(node)
        return Any

    def attribute(self, owner: Any, node: nodes.Getattr) -> Any:
        """The type of one field."""
        if owner is Any:
            return Any
        fields = typing.get_type_hints(owner) if is_dataclass(owner) else {}
        if node.attr not in fields:
            name = getattr(owner, "__name__", str(owner))
            self.report("T005", f"{name} has no field {node.attr!r}", node.lineno, did_you_mean(node.attr, fields))
            return Any
        return fields[node.attr]

    def forbidden(self, node: nodes.Node) -> None:
        """A construct outside of the white list."""
        what = type(node).__name__
        self.report(
            "T002",
            f"{what} is not allowed in a template",
            node.lineno,
            _HINTS.get(type(node), "templates have no logic"),
        )


def unread_fields(texts: Mapping[str, str]) -> Iterator[str]:
    """Fields of views that no template of `texts` (path -> text) mentions."""
    mentioned = set(re.findall(r"\.(\w+)", " ".join(texts.values())))
    for text in texts.values():
        match = _VIEW.match(text)
        view = _Checker("").view_class(text) if match else None
        if view is not None and is_dataclass(view):
            for name in typing.get_type_hints(view):
                if name not in mentioned:
                    yield f"{view.__name__}.{name}"
