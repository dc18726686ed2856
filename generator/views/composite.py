"""View of nn.qat modules that are graphs of other modules: one line of Python a statement.

In: the graph of a composite. Out: a view; children, statements and results are final Python, for example::

    self.exp = self._child(SegmentLUT(...), "qint16")       # children
    e = self.exp(shifted)                                   # statements, on data
    e = scale_of(self.exp, None, shifted)                   # bindings, the same on scales
"""

from collections.abc import Iterable
from dataclasses import dataclass

from generator.composite.model import Constant, Graph, Layout, Setting, Use, Value, Variable
from generator.composite.read import read_graph
from generator.link import Catalog
from generator.schema_composite import Child
from generator.schema_op import Op
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
    float_class: str
    float_classes: str
    requires: str
    needs: tuple[str, ...]
    settings: tuple[str, ...]
    constants: str
    parameters: str
    tunable: tuple[str, ...]
    children: tuple[CompositeChildView, ...]
    plain: bool
    inputs: tuple[str, ...]
    arguments: str
    call: str
    refused: tuple[str, ...]
    bind_arguments: str
    statements: tuple[str, ...]
    bindings: tuple[str, ...]
    result: str


def composite_view(catalog: Catalog, op: Op) -> CompositeView:
    """The QAT class of a composite."""
    graph = read_graph(catalog, op.id)
    assert isinstance(graph, Graph), "checked before"
    spec = graph.composite
    tensors = [f"{name}: Tensor" for name in spec.inputs] + [f"{name}: Tensor | None = None" for name in spec.optional]
    refused = [f"{name}: Any = {value!r}" for name, value in spec.refuses.items()]
    return CompositeView(
        op=op.id,
        doc=sentence(op.doc),
        class_name=op.python.class_ or "",
        base=_BASES[spec.form],
        float_class=op.float.modules[0],
        float_classes="".join(f"{name}, " for name in op.float.modules),
        requires=repr(op.requires),
        needs=spec.needs,
        settings=spec.settings,
        constants=repr(spec.constants),
        parameters=repr(_parameters(spec.children)),
        tunable=spec.tunable,
        children=tuple(CompositeChildView(name, _made(graph, use)) for name, use in graph.uses().items()),
        plain=spec.form == "plain",
        inputs=spec.inputs,
        arguments=", ".join([*tensors, *refused] if spec.form == "plain" else tensors),
        call=", ".join((*spec.inputs, *spec.optional)),
        refused=tuple(spec.refuses),
        bind_arguments=", ".join(f"{name}: Known = None" for name in (*spec.inputs, *spec.optional)),
        statements=tuple(f"{_targets(s.targets)} = {_on_data(s.value)}" for s in graph.statements),
        bindings=tuple(_binding(s.targets, s.value) for s in graph.statements),
        result=", ".join(spec.returns),
    )


def _targets(names: Iterable[str]) -> str:
    return ", ".join(names)


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
    if use.op.python.method:
        return _FUNCTIONAL
    module = use.op.float.modules[0]
    if use.child.parameters:
        return f'self._weighted({module}, "{use.name}")'
    given = [f"{name}=self.{setting}" for name, setting in use.child.given.items()]
    return f"{module}({', '.join([*(f'{k}={v!r}' for k, v in use.child.make.items()), *given])})"


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


def _on_data(value: Value) -> str:
    match value:
        case Variable(name=name):
            return name
        case Constant(name=name):
            return f"self.{name}_quant(self.{name})"
        case Setting(code=code):
            return code
        case Layout():
            return value.function.code.format(*map(_on_data, value.args))
        case Use():
            return _used(value)


def _used(use: Use) -> str:
    args = [_on_data(arg) for arg in use.args]
    keep = ["True"] if use.op.family == _REDUCTION else []  # dimensions stay, so that results broadcast
    method = f".{use.op.python.method}" if use.op.python.method else ""
    call = f"self.{use.name}{method}({', '.join([*args, *keep])})"
    return call if use.child.when is None else f"{call} if {_there(use)} else {args[0]}"


def _there(use: Use) -> str:
    """Whether an optional child is at work: its constant is there, or its optional input is given."""
    args = [arg for arg in use.args if isinstance(arg, Variable) and arg.name == use.child.when]
    return f"{args[0].name} is not None" if args else f"self.{use.name} is not None"


def _binding(targets: tuple[str, ...], value: Value) -> str:
    return f"{' = '.join(targets)} = {_on_scales(value)}"


def _on_scales(value: Value) -> str:
    match value:
        case Variable(name=name):
            return name
        case Constant(name=name):
            return f"scale_of(self.{name}_quant, None)"
        case Layout():
            return _on_scales(value.args[0])
        case Use():
            known = [_on_scales(arg) for arg in value.args if not isinstance(arg, Setting)]
            bound = f"scale_of(self.{value.name}, {value.op.python.method!r}, {', '.join(known)})"
            return bound if value.child.when is None else f"{bound} if {_there(value)} else {known[0]}"
        case Setting():
            return "None"
