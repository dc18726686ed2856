# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/explain.py
"""`explain`: why a module of a prepared model is what it is.

In: what `prepare_qat_fx` returned, and a qualified name. Out: an `Explanation`: which pattern fused it or why none did,
which rule gave it its qconfig, which kernel computes it when it is converted, and what the march supports.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import fx, nn

from .._kernel_names import KERNELS, LABELS
from .._tables import TABLES
from .fold import foldable
from .graph_module import FusedPart, ObservedGraphModule
from .match import called_module, uses_of
from .support import support_row
from .tables import FusionPattern, Step
from .user_input import did_you_mean


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a module of a prepared model is what it is; `print` it.

    Attributes:
        module: qualified name of the module that computes what was asked for.
        type: its class.
        pattern: id of the pattern that fused it; empty when none did.
        fusion: the parts of the chain, or why nothing was fused.
        qconfig: its qconfig, by stage.
        rule: the rule that the qconfig came from.
        kernels: the integer kernels that it is converted to, each with what it computes.
        support: what the march supports for its operators.
    """

    module: str
    type: str
    pattern: str
    fusion: tuple[str, ...]
    qconfig: str
    rule: str
    kernels: tuple[str, ...]
    support: tuple[str, ...]

    def __str__(self) -> str:
        rows = [
            *((f"pattern {self.pattern}" if self.pattern else "not fused", line) for line in self.fusion),
            ("qconfig", f"{self.qconfig}, by {self.rule}"),
            *(("kernel", line) for line in self.kernels),
            *(("support", line) for line in self.support),
        ]
        return "\n".join([f"{self.module}: {self.type}", *(f"  {label}: {text}" for label, text in rows)])


def explain(model: nn.Module, name: str) -> Explanation:
    """Explain one module of a prepared model.

    Args:
        model: what `prepare_qat_fx` returned.
        name: qualified name of a module, also of one that was fused into another.

    Raises:
        TypeError: the model is not prepared.
        ValueError: no such module.
    """
    if not isinstance(model, ObservedGraphModule):
        raise TypeError(f"explain takes what prepare_qat_fx returns, not {type(model).__name__}")
    modules = dict(model.named_modules(remove_duplicate=False))
    if name not in modules or not name:
        raise ValueError(f"the model has no module {name!r}{did_you_mean(name, modules)}")
    target = next((fused for fused, parts in model._fused_parts.items() if name in {p.name for p in parts}), name)
    module = modules[target]
    parts = model._fused_parts.get(target, ())
    pattern = _pattern(parts)
    chain = " -> ".join(f"{p.name} ({p.type.__name__})" for p in parts)
    fusion = (chain,) if parts else tuple(dict.fromkeys(_Reasons(model, target).tell()))
    row = next((row for row in model.qconfig_report.rows if row.module == target), None)
    operators = tuple(dict.fromkeys(_operators(model, target)))
    march = str(getattr(module, "march", ""))
    return Explanation(
        module=target,
        type=type(module).__name__,
        pattern=pattern.id if pattern else "",
        fusion=fusion,
        qconfig=row.qconfig if row else "not quantized",
        rule=row.rule if row else "no rule: its class has no quantized form",
        kernels=tuple(LABELS[march, KERNELS[op]] for op in operators if (march, KERNELS.get(op, "")) in LABELS),
        support=tuple(f"{op} on {march}: {support_row(op, march)}" for op in operators if march),
    )


def _pattern(parts: tuple[FusedPart, ...]) -> FusionPattern | None:
    """The pattern whose steps are the parts' classes."""
    types = [part.type for part in parts]
    fitting = (p for p in TABLES.patterns if len(p.steps) == len(types))
    return next((p for p in fitting if all(t in s.modules for t, s in zip(types, p.steps, strict=True))), None)


def _operators(model: ObservedGraphModule, name: str) -> Iterator[str]:
    """The operators that a module computes: its own, or those of the methods that the graph calls."""
    own = getattr(type(model.get_submodule(name)), "_OP", "")
    if own:
        yield str(own)
    by_method = {row.method: row.op for row in TABLES.replacements if row.method}
    for node in model.graph.nodes:
        if node.op == "call_method" and called_module(node) == name and str(node.target) in by_method:
            yield by_method[str(node.target)]


class _Reasons:
    """Why no pattern took a module."""

    def __init__(self, model: ObservedGraphModule, name: str) -> None:
        self.modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
        self.floats: dict[type[nn.Module], type[nn.Module]] = {}
        for source, qat in TABLES.qat_modules.items():
            self.floats.setdefault(qat, source)
        self.nodes = [node for node in model.graph.nodes if called_module(node) == name and node.op != "get_attr"]

    def tell(self) -> Iterator[str]:
        """One line for each place where the module is called."""
        if not self.nodes:
            yield "the graph does not call it"
        for node in self.nodes:
            first = [p for p in TABLES.patterns if self._performs(node, p.steps[0])]
            later = [p for p in TABLES.patterns if any(self._performs(node, step) for step in p.steps[1:])]
            if first:
                yield self._behind(node, first)
            elif later:
                yield self._before(node, later)
            else:
                yield f"no pattern has a {self._title(node)}"

    def _behind(self, node: fx.Node, patterns: list[FusionPattern]) -> str:
        """Why nothing behind the first step of some patterns was taken."""
        if (reads := uses_of(node)) != 1:
            return f"its output is read {reads} times; a chain goes on only where there is one reader"
        reader = next(iter(node.users))
        steps = {p.steps[1] for p in patterns if len(p.steps) > 1}
        fitting = [step for step in steps if self._performs(reader, step)]
        if not fitting:
            return f"{self._title(reader)} comes behind it; patterns go on with {_titles(steps)}"
        if fitting[0].role == "norm" and not foldable(self._module(node), self._module(reader)):
            return f"{self._title(reader)} behind it cannot be folded: it has no running statistics of as many channels"
        return (
            f"{self._title(reader)} behind it is called with other arguments, or shared with another place of the model"
        )

    def _before(self, node: fx.Node, patterns: list[FusionPattern]) -> str:
        """Why the step that some patterns end with stayed alone."""
        sources = [arg for arg in node.all_input_nodes if arg.op != "get_attr"]
        starts = {step for p in patterns for step in p.steps[:1]}
        for source in sources:
            if any(self._performs(source, step) for step in starts):
                reads = uses_of(source)
                return (
                    f"{self._title(source)} before it is read {reads} times; a chain goes on only where there is one reader"
                    if reads != 1
                    else f"{self._title(source)} before it is shared with another place of the model, or called with other arguments"
                )
        titles = ", ".join(self._title(source) for source in sources) or "nothing"
        return f"{titles} comes before it; patterns with it start with {_titles(starts)}"

    def _module(self, node: fx.Node) -> nn.Module:
        return self.modules[called_module(node) or ""]

    def _float_class(self, node: fx.Node) -> type[nn.Module] | None:
        name = called_module(node)
        if name is None or name not in self.modules:
            return None
        found = type(self.modules[name])
        return self.floats.get(found, found)

    def _performs(self, node: fx.Node, step: Step) -> bool:
        """Whether a node calls a module of the step, or the step's method of one."""
        method = node.target if node.op == "call_method" else None
        return self._float_class(node) in step.modules and method == step.method

    def _title(self, node: fx.Node) -> str:
        """What a node calls, as a user calls it."""
        if node.op == "output":
            return "the model's output"
        found = self._float_class(node)
        if found is None:
            return f"{node.op.replace('call_', '')} {node.name}"
        return f"{found.__name__}.{node.target}" if node.op == "call_method" else found.__name__


def _titles(steps: set[Step]) -> str:
    """The classes and methods of steps."""
    names = {f"{m.__name__}.{s.method}" if s.method else m.__name__ for s in steps for m in s.modules}
    return ", ".join(sorted(names))
