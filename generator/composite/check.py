"""Dtypes through the graphs of composites: every child must support what reaches it, wherever the composite is supported.

In: the catalog and the decisions. Out: diagnostics, each at the child and with the march on which it fails; a composite
that is a child is followed into its own graph.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from generator.composite.model import Constant, Graph, Layout, Setting, Use, Value, Variable, uses_in
from generator.composite.read import read_graph
from generator.diag import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from generator.decide import Decision, Decisions
    from generator.link import Catalog


_FLOAT = "float32"  # an optional input comes from outside of the quantized region


def check_composites(catalog: Catalog, decisions: Decisions) -> tuple[Diagnostic, ...]:
    """Read every graph; when all are sound, follow dtypes through them."""
    read = {name: read_graph(catalog, name) for name, op in catalog.ops.items() if op.spec.composite is not None}
    mistakes = [d for graph in read.values() if isinstance(graph, tuple) for d in graph]
    if mistakes:
        return tuple(mistakes)
    graphs = {name: graph for name, graph in read.items() if isinstance(graph, Graph)}
    checker = _Checker(catalog, decisions, graphs)
    own = tuple(problem for name in graphs for problem in checker.check(name, nested=False))
    return own or tuple(problem for name in graphs for problem in checker.check(name, nested=True))


class _Checker:
    def __init__(self, catalog: Catalog, decisions: Decisions, graphs: Mapping[str, Graph]) -> None:
        self._catalog = catalog
        self._decisions = decisions
        self._graphs = graphs
        self._supported: dict[str, list[Decision]] = {}
        for decision in decisions.values():
            if decision.status == "supported":
                self._supported.setdefault(decision.op, []).append(decision)

    def check(self, name: str, *, nested: bool) -> Iterator[Diagnostic]:
        """Every march, input dtype and output dtype that the composite supports; the first child that fails is told.

        Args:
            name: the composite.
            nested: whether to look into children that are composites too.
        """
        for decision in self._supported.get(name, ()):
            for output in decision.outputs:
                for use, problem in self._follow(name, decision.march, decision.dtype, output, nested):
                    yield self._diagnostic(name, use, problem)
                    return

    def _diagnostic(self, name: str, use: str, problem: str) -> Diagnostic:
        span = self._catalog.ops[name].key_span("composite", "children", use)
        return Diagnostic("G008", f"{name} needs what its child {use!r} cannot do: {problem}", span)

    def _follow(self, name: str, march: str, dtype: str, output: str, nested: bool) -> Iterator[tuple[str, str]]:
        """(child, what it cannot do) for one cell."""
        graph = self._graphs[name]
        known = {key: {dtype} for key in graph.composite.inputs}
        known |= {key: {_FLOAT} for key in graph.composite.optional}
        for statement in graph.statements:
            for use in uses_in(statement.value):
                yield from self._unsupported(graph, use, march, known, output, nested)
            found = _dtypes(graph, statement.value, known, output)
            known |= dict.fromkeys(statement.targets, found)

    def _unsupported(
        self, graph: Graph, use: Use, march: str, known: Mapping[str, set[str]], output: str, nested: bool
    ) -> Iterator[tuple[str, str]]:
        given = [_dtypes(graph, arg, known, output) for arg in use.args if not isinstance(arg, Setting)]
        for source, target in product(sorted(set.union(*given)), sorted(_output_dtypes(use, output))):
            if use.op.id in self._graphs:
                for inner, problem in self._follow(use.op.id, march, source, target, nested) if nested else ():
                    yield use.name, f"{inner!r} of {use.op.id}: {problem}"
                continue
            decision = self._decisions.get((use.op.id, march, source))
            if decision is None or target not in decision.outputs:
                yield use.name, f"{use.op.id} on {march} gives no {target} from {source}"


def _output_dtypes(use: Use, output: str) -> set[str]:
    """The dtype of a child's output: its own, or that of the composite, which takes the place of an absent last child."""
    return {use.child.dtype or output}


def _dtypes(graph: Graph, value: Value, known: Mapping[str, set[str]], output: str) -> set[str]:
    match value:
        case Variable(name=name):
            return known[name]
        case Constant(name=name):
            return {graph.composite.constants[name]}
        case Use():
            passes = _dtypes(graph, value.args[0], known, output) if value.child.when else set()
            return _output_dtypes(value, output) | passes
        case Layout():
            return _dtypes(graph, value.args[0], known, output)
    return set()
