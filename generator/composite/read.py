"""The spec of a composite to its Graph, or everything that is wrong with it.

In: the catalog and an operator with a `composite`. Out: a Graph, every name resolved and every call of the right shape; or
diagnostics, each at its line and column. Formulas are parsed by `generator.formula`, so a graph accepts nothing else.
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from generator.compile_problems import moved
from generator.composite.functions import FUNCTIONS, OPERANDS, Function, Kind
from generator.composite.model import Constant, Graph, Layout, Setting, Statement, Use, Value, Variable, uses_in
from generator.diag import Diagnostic, Span, did_you_mean
from generator.formula.parse import parse
from generator.formula.syntax import Call, Expr, Name, Num

if TYPE_CHECKING:
    from generator.formula.problems import Place
    from generator.link import Catalog, Linked
    from generator.schema_composite import Child, Composite
    from generator.schema_op import Op


def read_graph(catalog: Catalog, op: str) -> Graph | tuple[Diagnostic, ...]:
    """The graph of an operator that has one."""
    linked = catalog.ops[op]
    assert linked.spec.composite is not None
    reader = _Reader(catalog, linked, linked.spec.composite)
    statements = reader.read()
    return tuple(reader.found) or Graph(linked.spec, linked.spec.composite, statements)


def operands_of(op: Op) -> tuple[Kind, ...] | None:
    """The kinds of operands that a child of this operator takes; None when it cannot be a child."""
    if op.composite is not None:
        return tuple("data" for _ in op.composite.inputs) if len(op.composite.returns) == 1 else None
    return OPERANDS.get(op.family)


class _Reader:
    """Resolves names and checks calls; collects what is wrong with all of them."""

    def __init__(self, catalog: Catalog, linked: Linked[Op], composite: Composite) -> None:
        self.found: list[Diagnostic] = []
        self._catalog = catalog
        self._linked = linked
        self._composite = composite
        self._variables = {*composite.inputs, *composite.optional}
        self._read: set[str] = set()  # variables, constants, settings and children that something uses

    def read(self) -> tuple[Statement, ...]:
        """Every statement; after a mistake in one, what is unused may be used there and is not told."""
        self._check_children()
        statements = []
        for target, text in self._composite.graph.items():
            value = self._value_of(target, text)
            targets = tuple(part.strip() for part in target.split(","))
            self._define(target, targets, value)
            if value is not None:
                statements.append(Statement(targets, value))
                self._check_optional(value)
        self._check_results()
        if not self.found:
            self._check_unused()
        return tuple(statements)

    def _report(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.found.append(Diagnostic(code, message, span, hint=hint))

    def _span(self, *pointer: str | int) -> Span:
        return self._linked.span("composite", *pointer)

    def _at(self, place: Place) -> Span:
        return moved(self._span("graph", place.where), place.offset, self._linked.doc.text)

    def _check_children(self) -> None:
        dtypes = self._catalog.dtypes.spec.dtypes
        for name, child in self._composite.children.items():
            at = ("children", name)
            if child.op not in self._catalog.ops:
                hint = did_you_mean(child.op, self._catalog.ops)
                self._report("G001", f"unknown operator {child.op!r}", self._span(*at, "op"), hint)
            elif operands_of(self._catalog.ops[child.op].spec) is None:
                message = f"{child.op} cannot be a child: a child has one output with a scale of its own"
                self._report("G001", message, self._span(*at, "op"))
            if child.dtype is not None and child.dtype not in dtypes:
                hint = did_you_mean(child.dtype, dtypes)
                self._report("C024", f"unknown dtype {child.dtype!r}", self._span(*at, "dtype"), hint)
            absent = (*self._composite.constants, *self._composite.optional)
            if child.when is not None and child.when not in absent:
                message = f"{child.when!r} is neither a constant nor an optional input"
                self._report("G002", message, self._span(*at, "when"), did_you_mean(child.when, absent))
            self._read.update(child.given.values())
            self._read.update(name for name in self._composite.optional if name == child.when)
        for name, dtype in self._composite.constants.items():
            if dtype not in dtypes:
                self._report(
                    "C024", f"unknown dtype {dtype!r}", self._span("constants", name), did_you_mean(dtype, dtypes)
                )

    def _value_of(self, target: str, text: str) -> Value | None:
        parsed = parse(text, target)
        if isinstance(parsed, tuple):
            for p in parsed:
                span = moved(self._span("graph", target), p.offset, self._linked.doc.text)
                self._report(p.code, p.message, span, p.hint)
            return None
        return self._resolve(parsed)

    def _resolve(self, expr: Expr) -> Value | None:
        match expr:
            case Num(value=value, place=place):
                return Setting(repr(value), place)
            case Name():
                return self._name(expr)
            case Call():
                return self._call(expr)
        self._report("G003", "a graph has calls, names and numbers only", self._at(expr.place), "name a child for it")
        return None

    def _name(self, name: Name) -> Value | None:
        self._read.add(name.text)
        if name.text in self._variables:
            return Variable(name.text, name.place)
        if name.text in self._composite.constants:
            return Constant(name.text, name.place)
        if name.text in self._composite.settings:
            return Setting(f"self.{name.text}", name.place)
        known = (*self._variables, *self._composite.constants, *self._composite.settings)
        self._report("G002", f"unknown name {name.text!r}", self._at(name.place), did_you_mean(name.text, known))
        return None

    def _call(self, call: Call) -> Value | None:
        child = self._composite.children.get(call.function)
        function = FUNCTIONS.get(call.function)
        args = tuple(self._resolve(arg) for arg in call.args)
        if child is None and function is None:
            known = (*self._composite.children, *FUNCTIONS)
            message = f"{call.function!r} is neither a child nor a function of graphs"
            self._report("G002", message, self._at(call.place), did_you_mean(call.function, known))
            return None
        resolved = tuple(arg for arg in args if arg is not None)
        if len(resolved) != len(args):
            return None
        if child is not None:
            return self._use(call, child, resolved)
        assert function is not None
        fits = self._fits(call, function.operands, resolved)
        return _layout(function, resolved, call.place) if fits else None

    def _use(self, call: Call, child: Child, args: tuple[Value, ...]) -> Value | None:
        if call.function in self._read:
            hint = "add a child: each call has an output scale of its own"
            self._report("G005", f"the child {call.function!r} is used twice", self._at(call.place), hint)
            return None
        self._read.add(call.function)
        op = self._catalog.ops.get(child.op)
        kinds = None if op is None else operands_of(op.spec)
        if op is None or kinds is None:
            return None  # told by _check_children
        return Use(call.function, child, op.spec, args, call.place) if self._fits(call, kinds, args) else None

    def _fits(self, call: Call, kinds: tuple[Kind, ...], args: tuple[Value, ...]) -> bool:
        given = tuple(_kind(arg) for arg in args)
        if given == kinds and not call.keywords:
            return True
        wanted = ", ".join(kinds)
        message = f"{call.function} takes ({wanted}), not ({', '.join(given)}{', keywords' if call.keywords else ''})"
        self._report("G004", message, self._at(call.place))
        return False

    def _define(self, target: str, targets: tuple[str, ...], value: Value | None) -> None:
        span = self._linked.key_span("composite", "graph", target)
        taken = {*self._variables, *self._composite.constants, *self._composite.settings}
        for name in targets:
            if not name.isidentifier() or keyword.iskeyword(name) or name in taken or targets.count(name) > 1:
                self._report("G006", f"{name!r} cannot be a target here", span, "a new name of letters, digits and _")
        if value is not None and (_kind(value) == "list") != (len(targets) > 1):
            message = "several targets take a list apart" if len(targets) > 1 else "a list needs several targets"
            self._report("G004", message, span)
        elif value is not None and _kind(value) == "setting":
            self._report("G004", "a statement gives data", span, "write the setting where it is used")
        self._variables.update(targets)

    def _check_optional(self, value: Value) -> None:
        """An optional child is a statement of its own, over a name that can take its place."""
        for use in uses_in(value):
            if use.child.when is not None and use is not value:
                hint = f"write 'name: {use.name}(other_name, ...)'"
                self._report("G004", f"the optional child {use.name!r} is not alone", self._at(use.place), hint)

    def _check_results(self) -> None:
        for index, name in enumerate(self._composite.returns):
            self._read.add(name)
            if name not in self._variables:
                span = self._span("returns", index)
                self._report("G002", f"unknown name {name!r}", span, did_you_mean(name, self._variables))

    def _check_unused(self) -> None:
        sections: dict[str, Any] = {key: getattr(self._composite, key) for key in ("children", "constants")}
        for section, names in sections.items():
            for name in names:
                if name not in self._read:
                    what = "child" if section == "children" else "constant"
                    span = self._linked.key_span("composite", section, name)
                    self._report("G007", f"the graph uses no {what} {name!r}", span, "remove it, or use it")
        for section in ("inputs", "optional", "settings"):
            for index, name in enumerate(getattr(self._composite, section)):
                if name not in self._read:
                    self._report("G007", f"the graph does not read {name!r}", self._span(section, index))
        for target in self._composite.graph:
            for name in (part.strip() for part in target.split(",")):
                if name not in self._read:
                    span = self._linked.key_span("composite", "graph", target)
                    self._report("G007", f"nothing reads {name!r}", span, "remove it, or return it")


def _kind(value: Value) -> Kind:
    match value:
        case Setting():
            return "setting"
        case Layout(function=function):
            return function.result
        case _:
            return "data"


def _layout(function: Function, args: tuple[Value, ...], place: Place) -> Value:
    """A call of a function; one of settings is a setting itself."""
    if function.result == "setting":
        return Setting(function.code.format(*(arg.code for arg in args if isinstance(arg, Setting))), place)
    return Layout(function, args, place)
