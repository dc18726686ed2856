# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/hybrid.py
"""Hybrid mode of `prepare_qat_fx`: some operators stay float on the CPU, with stubs where values change sides.

In: a fused graph, the qconfigs of its modules, and which modules the user keeps on the CPU. Out: the same graph with a
DeQuantStub before each CPU operator that reads quantized values and a QuantStub behind each one that a quantized operator
reads. Used too to quantize a model step by step, to find the layer that costs accuracy.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import fx, nn

from .._tables import TABLES
from .dispatch import has_quantized_form
from .graph_module import SELF, FusedPart, GraphModuleWithAttr, original_class
from .qconfig import QConfig
from .qconfig_resolution import Choice
from .stubs import QuantStub
from .user_input import did_you_mean

Side = Literal["quantized", "float", "either", "unknown"]
QConfigOf = Callable[[str], Choice | None]
_STUBS = (QuantStub, torch.ao.quantization.QuantStub, torch.ao.quantization.DeQuantStub)
_KEYS = ("module_type", "module_name")


@dataclass(frozen=True, slots=True)
class CpuRules:
    """What the user keeps on the CPU: types, and prefixes of qualified names."""

    types: tuple[type[nn.Module], ...]
    names: tuple[str, ...]

    def keeps(self, model: GraphModuleWithAttr, name: str) -> bool:
        """Whether a module stays float: its name lies under a given one, or it or a module it lies in has a given type."""
        parts = model._fused_parts.get(name, (FusedPart(name, type(model.get_submodule(name))),))
        places = {name, *(place for part in parts for place in _lineage(model, part.name))}
        types = {part.type for part in parts} | {original_class(model.get_submodule(place)) for place in places}
        return not places.isdisjoint(self.names) or not types.isdisjoint(self.types)


def _lineage(model: GraphModuleWithAttr, name: str) -> Iterator[str]:
    """A module and all it lies in but the model; a generated module lies in the one whose forward made the call."""
    while name:
        yield name
        name = model._generated_scopes.get(name, name.rpartition(".")[0])


def parse_cpu_rules(model: nn.Module, hybrid_dict: object) -> CpuRules:
    """The rules of a hybrid_dict; none for None.

    Raises:
        TypeError: not a dict, or an entry of the wrong type.
        ValueError: an unknown key, or a name that the model does not have.
    """
    given = {} if hybrid_dict is None else hybrid_dict
    if not isinstance(given, Mapping):
        raise TypeError(f"hybrid_dict must be a dict or None, not {type(given).__name__}")
    for key in given:
        if key not in _KEYS:
            raise ValueError(
                f"hybrid_dict has the unknown key {key!r}; known: {', '.join(_KEYS)}{did_you_mean(key, _KEYS)}"
            )
    types, names = tuple(given.get("module_type") or ()), tuple(given.get("module_name") or ())
    if not all(isinstance(t, type) for t in types) or not all(isinstance(n, str) for n in names):
        raise TypeError("hybrid_dict: 'module_type' is a list of classes and 'module_name' a list of names")
    known = dict(model.named_modules(remove_duplicate=False))
    for name in names:
        if name not in known:
            raise ValueError(f"hybrid_dict: the model has no module {name!r}{did_you_mean(name, known)}")
    return CpuRules(types, names)


def quantized_side(
    model: GraphModuleWithAttr, quantized: Mapping[str, Choice], rules: CpuRules, march: str
) -> dict[str, Choice]:
    """The choices without the modules that stay on the CPU: those of the rules, and those the march does not support."""
    return {
        name: choice
        for name, choice in quantized.items()
        if not rules.keeps(model, name) and _is_supported(model.get_submodule(name), march)
    }


def _is_supported(module: nn.Module, march: str) -> bool:
    qat_class: Any = TABLES.qat_modules[type(module)]
    try:
        qat_class._require_support(march, type(module).__name__)
    except NotImplementedError:
        return False
    return True


def insert_stubs(
    model: GraphModuleWithAttr, quantized: Mapping[str, Choice], qconfig_of: QConfigOf
) -> dict[str, Choice]:
    """Put stubs on every edge between the sides, in place.

    Args:
        model: the fused model.
        quantized: the modules of the quantized side.
        qconfig_of: qualified name of a module -> what covers it.

    Returns:
        The choices for the stubs.

    Raises:
        ValueError: a quantized operator reads float values of a place that no qconfig with an activation covers.
    """
    surgery = _Surgery(model, dict(quantized), qconfig_of)
    for node in tuple(model.graph.nodes):
        surgery.visit(node)
    for name in surgery.staying:
        vars(model.get_submodule(name)).pop("qconfig", None)
    return {name: surgery.quantized[name] for name in surgery.quantized if name not in quantized}


@dataclass(slots=True)
class _Surgery:
    """One walk along the graph: where quantized values flow, and what is put on the edges."""

    model: GraphModuleWithAttr
    quantized: dict[str, Choice]
    qconfig_of: QConfigOf
    flowing: set[fx.Node] = field(default_factory=set)
    floats: set[fx.Node] = field(default_factory=set)
    stubs: dict[fx.Node, fx.Node] = field(default_factory=dict)
    staying: list[str] = field(default_factory=list)

    def visit(self, node: fx.Node) -> None:
        """Note what comes out of a node, and put stubs before it where it needs them."""
        side, takes = self._side(node), not self.flowing.isdisjoint(node.all_input_nodes)
        if side == "quantized":
            if not isinstance(self._module(node), _STUBS):
                self._quantize_inputs(node)
            self._note(node, flows=self._puts_out_integers(node))
        elif side == "float":
            self._dequantize_inputs(node)
            self._note(node, flows=False)
            if node.op == "call_module":
                self.staying.append(str(node.target))
        elif side == "either":
            self._note(node, flows=takes)

    def _note(self, node: fx.Node, *, flows: bool) -> None:
        (self.flowing if flows else self.floats).add(node)

    def _side(self, node: fx.Node) -> Side:
        if node.op == "placeholder":
            return "float"
        if node.op == "call_module":
            return self._side_of_module(str(node.target))
        if (owner := self._owner(node)) is not None:
            if owner == SELF:
                return "unknown"
            return "quantized" if owner in self.quantized else "float"
        return self._side_of_function(node)

    def _side_of_module(self, name: str) -> Side:
        module = self.model.get_submodule(name)
        if any(known == name or known.startswith(f"{name}.") for known in self.quantized):
            return "quantized"
        return "either" if type(module) in TABLES.passthrough_modules else "float"

    def _side_of_function(self, node: fx.Node) -> Side:
        function: Any = getattr(torch.Tensor, str(node.target), None) if node.op == "call_method" else node.target
        if node.op not in {"call_function", "call_method"} or function in TABLES.plain:
            return "unknown"
        if function is operator.getitem or has_quantized_form(function):
            return "either"
        return "float" if function in torch.overrides.get_testing_overrides() else "unknown"

    def _dequantize_inputs(self, node: fx.Node) -> None:
        reads = [source for source in node.all_input_nodes if source in self.flowing]
        name = f"{node.name}_input_dequant"
        for index, source in enumerate(reads):
            stub = self._insert(name, torch.ao.quantization.DeQuantStub(), source, f"{name}_{index}", before=node)
            node.replace_input_with(source, stub)
        if reads:
            self.quantized[name] = Choice((0, 0), QConfig(), "hybrid mode")

    def _quantize_inputs(self, node: fx.Node) -> None:
        for source in node.all_input_nodes:
            if source in self.floats:
                node.replace_input_with(source, self._quantized(source, node))

    def _quantized(self, source: fx.Node, reader: fx.Node) -> fx.Node:
        """The quantized values of a float node; made once for all that read them."""
        if source not in self.stubs:
            name = f"{source.name}_activation_post_process"
            place = str(source.target) if source.op == "call_module" else str(source.meta.get("scope") or "")
            choice = None if source.op == "placeholder" else self.qconfig_of(place)
            if choice is None or choice.qconfig is None or choice.qconfig.activation is None:
                raise ValueError(
                    f"{reader.target} is quantized and reads the float values of {source.name}, which no qconfig with an "
                    f"activation covers: give {place or source.name!r} a qconfig, or put a QuantStub between them"
                )
            self.stubs[source] = self._insert(name, QuantStub(), source, name, after=source)
            self.quantized[name] = Choice(choice.rank, choice.qconfig, f"hybrid mode, {choice.rule}")
        return self.stubs[source]

    def _insert(
        self,
        target: str,
        stub: nn.Module,
        source: fx.Node,
        name: str,
        *,
        before: fx.Node | None = None,
        after: Any = None,
    ) -> fx.Node:
        graph = self.model.graph
        self.model.add_module(target, stub.train(self.model.training))
        with graph.inserting_before(before) if before is not None else graph.inserting_after(after):
            return graph.create_node("call_module", target, (source,), name=name)

    def _puts_out_integers(self, node: fx.Node) -> bool:
        if isinstance(self._module(node), torch.ao.quantization.DeQuantStub):
            return False
        name = str(node.target) if node.op == "call_module" else self._owner(node)
        return name not in self.quantized or self.quantized[str(name)].qconfig.activation is not None

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.model.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _owner(self, node: fx.Node) -> str | None:
        """The name of the module whose method a node calls; None when it calls none."""
        owner = node.args[0] if node.op == "call_method" and node.args else None
        return (
            str(owner.target)
            if isinstance(owner, fx.Node) and owner.op == "get_attr" and self._is_module(owner)
            else None
        )

    def _is_module(self, node: fx.Node) -> bool:
        name = str(node.target)
        return name == SELF or name in dict(self.model.named_modules(remove_duplicate=False))
