"""View of nn.qat modules that are graphs of other modules: one line of Python a statement.

In: the graph of a composite. Out: a view; children, statements and results are final Python, for example::

    self.exp = self._child(SegmentLUT(...), "qint16")       # children
    e = self.exp(shifted)                                   # statements, on data
    e = scale_of(self.exp, None, shifted)                   # bindings, the same on scales
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from generator.composite.model import Constant, Graph, Layout, Setting, Use, Value, Variable
from generator.composite.read import read_graph
from generator.link import Catalog
from generator.schema_composite import Child
from generator.schema_op import Op
from generator.views.functional import method_alone
from generator.views.names import sentence

_BASES = {"plain": "QATComposite", "cell": "QATCell", "attention": "QATAttention"}
_FUNCTIONAL = "FloatFunctional()"
_REDUCTION = "reduction"


@dataclass(frozen=True, slots=True)
class CompositeChildView:
    """One child: its attribute and the code that makes it."""

    name: str
    made: str


@dataclass(frozen=True, slots=True)
class CompositeView:
    """An operator that is a graph of others."""

    op: str
    doc: str
    class_name: str
    base: str
    base_class: str
    float_classes: str
    quantized: str
    requires: str
    needs: tuple[str, ...]
    settings: tuple[str, ...]
    constants: str
    constant_children: tuple[str, ...]
    parameters: str
    tunable: tuple[str, ...]
    children: tuple[CompositeChildView, ...]
    plain: bool
    inputs: tuple[str, ...]
    arguments: str
    graph_arguments: str
    call: str
    refused: tuple[str, ...]
    bind_arguments: str
    further: tuple[str, ...]
    results: tuple[str, ...]
    statements: tuple[str, ...]
    bindings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FloatCompositeView:
    """A float module that torch does not have, or not with everything that can be set."""

    class_name: str
    doc: str
    base: str
    formula: str
    arguments: str
    refused: tuple[str, ...]
    tunable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FloatCompositesView:
    """Every such module."""

    modules: tuple[FloatCompositeView, ...]


@dataclass(frozen=True, slots=True)
class RecurrentView:
    """An operator that is a composite looped over time."""

    op: str
    doc: str
    class_name: str
    float_class: str
    requires: str
    cell_class: str


def recurrent_view(catalog: Catalog, op: Op) -> RecurrentView:
    """The QAT class of a recurrent operator."""
    cell = catalog.ops[op.cell or ""].spec
    float_class, requires = op.float.modules[0], repr(op.requires)
    return RecurrentView(op.id, sentence(op.doc), op.python.class_ or "", float_class, requires, cell.float.modules[0])


FILE = "composites"
"""The module of nn that holds the float modules of composites."""


def float_classes(op: Op, prefix: str = "nn.") -> tuple[str, ...]:
    """The classes that an operator takes the place of: torch's, then those of nn, which stand behind `prefix`."""
    own = (f"{prefix}{op.python.module}",) if op.python.module else ()
    return (*op.float.modules, *own)


def float_composites_view(ops: Iterable[Op]) -> FloatCompositesView:
    """Every float module that composites have beside torch's."""
    return FloatCompositesView(tuple(_float_composite(op) for op in ops if op.python.module))


def _float_composite(op: Op) -> FloatCompositeView:
    assert op.composite is not None
    tensors = [f"{name}: Tensor" for name in op.composite.inputs]
    return FloatCompositeView(
        class_name=op.python.module or "",
        doc=sentence(op.doc),
        base=op.float.modules[0] if op.float.modules else "torch.nn.Module",
        formula=op.formula or "",
        arguments=", ".join([*tensors, *(f"{name}: Any = {value!r}" for name, value in op.composite.refuses.items())]),
        refused=tuple(op.composite.refuses),
        tunable=op.composite.tunable,
    )


def composite_view(catalog: Catalog, op: Op) -> CompositeView:
    """The QAT class of a composite."""
    graph = read_graph(catalog, op.id)
    assert isinstance(graph, Graph), "checked before"
    spec, lowering = graph.composite, _Lowering(graph)
    tensors = [f"{name}: Tensor" for name in spec.inputs] + [f"{name}: Tensor | None = None" for name in spec.optional]
    refused = [f"{name}: Any = {value!r}" for name, value in spec.refuses.items()]
    return CompositeView(
        op=op.id,
        doc=sentence(op.doc),
        class_name=op.python.class_ or "",
        base=_BASES[spec.form],
        base_class=float_classes(op)[0].replace("nn.", f"{FILE}.", 1) if not op.float.modules else op.float.modules[0],
        float_classes="".join(f"{name}, " for name in float_classes(op, f"{FILE}.")),
        quantized=op.python.quantized or "",
        requires=repr(op.requires),
        needs=spec.needs,
        settings=spec.settings,
        constants=repr(spec.constants),
        constant_children=tuple(f"{name}_quant" for name in spec.constants),
        parameters=repr(_parameters(spec.children)),
        tunable=spec.tunable,
        children=tuple(CompositeChildView(name, _made(graph, use)) for name, use in graph.uses().items()),
        plain=spec.form == "plain",
        inputs=spec.inputs,
        arguments=", ".join([*tensors, *refused]),
        graph_arguments=", ".join(f"{name}: Any" for name in (*spec.inputs, *spec.optional)),
        call=", ".join((*spec.inputs, *spec.optional)),
        refused=tuple(spec.refuses),
        bind_arguments=", ".join(f"{name}: Known = None" for name in (*spec.inputs, *spec.optional)),
        further=tuple(_further(graph)),
        results=tuple(_last_child(graph, name) for name in spec.returns),
        statements=_lines(graph, lowering.on_data, ", "),
        bindings=_lines(graph, lowering.on_scales, " = "),
    )


def _further(graph: Graph) -> Iterator[str]:
    """Class attributes that not every composite has."""
    optional = tuple(name for name, use in graph.uses().items() if _is_optional(graph, use))
    if graph.composite.masked is not None:
        yield f"_MASKED = {float(graph.composite.masked)!r}"
    if optional:
        yield f"_OPTIONAL = {optional!r}"
    if graph.composite.repeats:
        yield "_REPEATS = True"


def _is_optional(graph: Graph, use: Use) -> bool:
    """Whether a child works only when an optional input is given."""
    given = {arg.name for arg in use.args if isinstance(arg, Variable)}
    return use.child.when in graph.composite.optional or not given.isdisjoint(graph.composite.optional)


def _last_child(graph: Graph, name: str) -> str:
    """The child whose output a result is; "" when it is none."""
    value = graph.value_of(name)
    return value.name if isinstance(value, Use) else ""


def _parameters(children: dict[str, Child]) -> dict[str, tuple[str, int, int]]:
    """State dict key below the composite -> (key of the float module, which part, of how many)."""
    return {
        f"{name}.{key}": (part.name, part.part, part.of)
        for name, child in children.items()
        for key, part in child.parameters.items()
    }


def _made(graph: Graph, use: Use) -> str:
    child = f"self._child({_float_module(use)}, {_dtype(graph, use)})"
    if use.child.when in graph.composite.constants:
        return f"{child} if self.{use.child.when} is not None else None"
    return child


def _float_module(use: Use) -> str:
    if method_alone(use.op):
        return _FUNCTIONAL
    given = [f"{name}=self.{setting}" for name, setting in use.child.given.items()]
    options = "".join(f", {text}" for text in (*(f"{k}={v!r}" for k, v in use.child.make.items()), *given))
    if use.child.parameters:
        return f'self._weighted({use.op.float.modules[0]}, "{use.name}")'
    if use.op.family == "unary" and use.op.python.module:
        return f'self._table(unary.{use.op.python.module}, "{use.name}"{options})'
    return f"{float_classes(use.op, f'{FILE}.')[0]}({options.removeprefix(', ')})"


def _dtype(graph: Graph, use: Use) -> str:
    """The dtype of a child's output; that of the composite's where no optional child behind it is there."""
    behind = _absent_behind(graph, use)
    if use.child.dtype is None or not behind:
        return repr(use.child.dtype)
    there = " or ".join(f"self.{name} is not None" for name in behind)
    return f"{use.child.dtype!r} if {there} else None"


def _absent_behind(graph: Graph, use: Use) -> tuple[str, ...]:
    """The constants that the optional children hang on through which the value of `use` reaches the output."""
    for name in graph.composite.returns:
        value, hung = graph.value_of(name), []
        while isinstance(value, Use) and value.name != use.name and value.child.when in graph.composite.constants:
            hung.append(value.child.when or "")
            first = value.args[0]
            value = graph.value_of(first.name) if isinstance(first, Variable) else first
        if isinstance(value, Use) and value.name == use.name:
            return tuple(hung)
    return ()


def _lines(graph: Graph, lower: Callable[[Value], str], join: str) -> tuple[str, ...]:
    """A line a statement; a result that the last one gives is returned at once."""
    lines = [f"{join.join(s.targets)} = {lower(s.value)}" for s in graph.statements]
    last = graph.statements[-1]
    if last.targets == graph.composite.returns:
        return (*lines[:-1], f"return {lower(last.value)}")
    return (*lines, f"return {', '.join(graph.composite.returns)}")


@dataclass(frozen=True, slots=True)
class _Lowering:
    """A graph as Python, on data or on scales."""

    graph: Graph

    def on_data(self, value: Value) -> str:
        """The value as an expression over QTensors."""
        match value:
            case Variable(name=name):
                return name
            case Constant(name=name):
                return f"self.{name}_quant(self.{name})"
            case Setting(code=code):
                return code
            case Layout():
                return value.function.code.format(*map(self.on_data, value.args))
            case Use():
                args = [self.on_data(arg) for arg in value.args]
                keep = ["True"] if value.op.family == _REDUCTION else []  # dimensions stay, so that results broadcast
                method = f".{method_alone(value.op)}" if method_alone(value.op) else ""
                return self._optional(value, f"self.{value.name}{method}({', '.join([*args, *keep])})", args[0])

    def on_scales(self, value: Value) -> str:
        """The same over what is known of scales."""
        match value:
            case Variable(name=name):
                return name
            case Constant(name=name):
                return f"scale_of(self.{name}_quant, None)"
            case Setting(code=code):
                return code
            case Layout():
                return self.on_scales(value.args[0])
            case Use():
                number = value.op.family != _REDUCTION  # else the setting is a dimension
                known = [self.on_scales(arg) for arg in value.args if number or not isinstance(arg, Setting)]
                bound = f"scale_of(self.{value.name}, {method_alone(value.op)!r}, {', '.join(known)})"
                return self._optional(value, bound, known[0])

    def _optional(self, use: Use, call: str, passed: str) -> str:
        """The call, or the first operand where the constant or the optional input that it hangs on is missing."""
        if use.child.when is None:
            return call
        there = use.child.when if use.child.when in self.graph.composite.optional else f"self.{use.name}"
        return f"{call} if {there} is not None else {passed}"
