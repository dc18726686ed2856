# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/qconfig_resolution.py
"""Which qconfig each module gets, and why.

In: a fused graph module with `qconfig` attributes, and the user's `qconfig_dict`. Out: for each module that can be
quantized the qconfig and the rule it came from, and the rules that matched nothing.

From weak to strong: the "" rule, `qconfig` of the model itself, "module_type", then the deepest of the "module_name"
rules and container attributes that cover the module, then its own `qconfig` attribute. A generated module also lies in
the module whose forward made the call. A fused module is covered by whatever covers one of its parts; of equally strong
rules that of the later part holds.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from .graph_module import FusedPart, original_class
from .module_tree import attribute_of, named_modules, swappable
from .user_input import did_you_mean

_UNSET: Any = object()
_KEYS = ("", "module_type", "module_name")
_GLOBAL, _ROOT, _TYPE, _PLACE, _OWN = range(5)
_DEEPEST = sys.maxsize


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a qconfig_dict: `key` is "" or a type or a qualified name."""

    key: str | type[nn.Module]
    qconfig: Any
    is_name: bool = False

    def __str__(self) -> str:
        if isinstance(self.key, type):
            return f"module_type {self.key.__name__}"
        return f"module_name {self.key!r}" if self.is_name else 'global ""'


@dataclass(frozen=True, slots=True)
class Choice:
    """The qconfig of a module (None: not quantized) and the rule it came from; a stronger rule has a higher rank."""

    rank: tuple[int, int]
    qconfig: Any
    rule: str


@dataclass(frozen=True, slots=True)
class QConfigRow:
    """One module of a report."""

    module: str
    type: str
    qconfig: str
    rule: str


@dataclass(frozen=True, slots=True)
class QConfigReport:
    """Which rule gave which module its qconfig; `print` it.

    Attributes:
        rows: one for each module that can be quantized.
        unmatched: the rules that no module of the model matches.
    """

    rows: tuple[QConfigRow, ...]
    unmatched: tuple[str, ...]

    def __str__(self) -> str:
        table = [("module", "type", "qconfig", "rule"), *((r.module, r.type, r.qconfig, r.rule) for r in self.rows)]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
        return "\n".join([*lines, *(f"matched nothing: {rule}" for rule in self.unmatched)])


def parse_rules(qconfig_dict: object) -> tuple[Rule, ...]:
    """The rules of a qconfig_dict; none for None.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: an unknown key.
    """
    if qconfig_dict is None:
        return ()
    if not isinstance(qconfig_dict, Mapping):
        raise TypeError(f"qconfig_dict must be a dict or None, not {type(qconfig_dict).__name__}")
    for key in qconfig_dict:
        if key not in _KEYS:
            near = did_you_mean(str(key), _KEYS[1:])
            raise ValueError(f"qconfig_dict has the unknown key {key!r}; known: '', 'module_type', 'module_name'{near}")
    rules = [Rule("", qconfig_dict[""])] if "" in qconfig_dict else []
    rules += [Rule(key, q) for key, q in _pairs(qconfig_dict, "module_type", type)]
    rules += [Rule(key, q, is_name=True) for key, q in _pairs(qconfig_dict, "module_name", str)]
    for rule in rules:
        if rule.qconfig is not None and not (hasattr(rule.qconfig, "activation") and hasattr(rule.qconfig, "weight")):
            raise TypeError(f"qconfig_dict, {rule}: {rule.qconfig!r} is not a QConfig; None means: not quantized")
    return tuple(rules)


def _pairs(qconfig_dict: Mapping[str, Any], section: str, key_type: type) -> Iterator[tuple[Any, Any]]:
    value = qconfig_dict.get(section, ())
    entries = tuple(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(entries, list | tuple):
        raise TypeError(f"qconfig_dict[{section!r}] must be a list of pairs or a dict, not {type(value).__name__}")
    for entry in entries:
        if not isinstance(entry, list | tuple) or len(entry) != 2 or not isinstance(entry[0], key_type):  # noqa: PLR2004  # a pair
            raise TypeError(f"qconfig_dict[{section!r}]: {entry!r} is not a pair of {key_type.__name__} and qconfig")
        yield entry[0], entry[1]


def resolve(
    model: nn.Module, rules: tuple[Rule, ...], mapping: Mapping[type[nn.Module], type[nn.Module]]
) -> tuple[dict[str, Choice], QConfigReport]:
    """The choice for every sub-module whose class is in `mapping` and that something covers, and the report of it."""
    resolver = _resolver(model, rules)
    choices: dict[str, Choice] = {}
    rows: list[QConfigRow] = []
    for name, module in swappable(model, mapping):
        choice = resolver.choose(name)
        if choice is not None:
            choices[name] = choice
        shown = ("not quantized", "no rule") if choice is None else (_describe(choice.qconfig), choice.rule)
        rows.append(QConfigRow(name, type(module).__name__, *shown))
    return choices, QConfigReport(tuple(rows), tuple(resolver.unmatched()))


def qconfig_at(model: nn.Module, rules: tuple[Rule, ...], name: str) -> Choice | None:
    """The choice for any module, also one that has no quantized form; "" is the model itself."""
    return _resolver(model, rules).choose(name)


def _resolver(model: nn.Module, rules: tuple[Rule, ...]) -> "_Resolver":
    """A model that was not traced has no fused parts and no generated modules."""
    scopes, parts = getattr(model, "_generated_scopes", {}), getattr(model, "_fused_parts", {})
    return _Resolver(scopes, parts, dict(named_modules(model, all_names=True)), rules)


def _describe(qconfig: Any) -> str:
    if qconfig is None:
        return "not quantized"
    stage = getattr(qconfig, "stage", None) or "custom"
    return stage if qconfig.activation is not None else f"{stage}, output not quantized"


def check_stages(choices: Mapping[str, Choice]) -> None:
    """Raise ValueError when presets for calibration and for QAT meet in one model."""
    first: dict[str, str] = {}
    for name, choice in choices.items():
        stage = getattr(choice.qconfig, "stage", None)
        if stage is not None:
            first.setdefault(stage, f"{stage} for {name!r} by {choice.rule}")
    if len(first) > 1:
        raise ValueError(
            f"qconfig presets of several stages in one model: {'; '.join(first.values())}. Prepare the float model "
            f"once with calibration presets and once with QAT presets"
        )


@dataclass(frozen=True, slots=True)
class _Resolver:
    scopes: Mapping[str, str]
    parts: Mapping[str, tuple[FusedPart, ...]]
    modules: Mapping[str, nn.Module]
    rules: tuple[Rule, ...]

    def choose(self, name: str) -> Choice | None:
        """The strongest qconfig for a module; None when nothing covers it."""
        module = self.modules[name]
        if (own := attribute_of(module, "qconfig", _UNSET)) is not _UNSET:
            return Choice((_OWN, 0), own, f"attribute {name}.qconfig")
        parts = self.parts.get(name, (FusedPart(name, type(module)),))
        found = [choice for part in parts for choice in self._covering(part.name)]
        types = (type(module), parts[0].type)
        found += [Choice((_TYPE, _DEEPEST), r.qconfig, str(r)) for r in self.rules if r.key in types]
        return max(reversed(found), key=lambda choice: choice.rank, default=None)

    def _covering(self, name: str) -> Iterator[Choice]:
        """What the place of a module says: its names, and the containers it lies in."""
        places = self._places(name)
        for depth, place in zip(range(len(places), 0, -1), places, strict=True):
            container = None if place == name else self.modules.get(place)
            for rule in self.rules:
                if rule.is_name and rule.key == place:
                    yield Choice((_PLACE, 2 * depth), rule.qconfig, str(rule))
                elif rule.key == "" and not place:
                    yield Choice((_GLOBAL, 0), rule.qconfig, str(rule))
                elif container is not None and rule.key is original_class(container):
                    yield Choice((_TYPE, depth), rule.qconfig, str(rule))
            if (value := attribute_of(container, "qconfig", _UNSET)) is not _UNSET:
                rank = (_PLACE, 2 * depth + 1) if place else (_ROOT, 0)
                yield Choice(rank, value, f"attribute {place}.qconfig" if place else "attribute qconfig of the model")

    def _places(self, name: str) -> tuple[str, ...]:
        """The module and all it lies in, innermost first, "" last."""
        outer = self.scopes.get(name, name.rpartition(".")[0])
        return (name, *self._places(outer)) if name else ("",)

    def unmatched(self) -> Iterator[str]:
        """The rules that name no module and no class of the model."""
        parts = [part for group in self.parts.values() for part in group]
        types = {original_class(module) for module in self.modules.values()} | {part.type for part in parts}
        for rule in self.rules:
            if isinstance(rule.key, type) and rule.key not in types:
                yield str(rule)
            elif isinstance(rule.key, str) and rule.key not in self.modules:
                yield f"{rule}{did_you_mean(rule.key, self.modules)}"
