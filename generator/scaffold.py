"""New specs that are complete as created: text that passes every check, to be edited from there.

In: the checked knowledge and what the user named. Out: a `Scaffold` (path and text), or in words why there is none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from generator.checks import NEEDS
from generator.diag import did_you_mean
from generator.overlaps import overlaps
from generator.patterns import expand_family
from generator.pipeline import Knowledge
from generator.schema_policy import PatternAxes, PatternRoles, Patterns
from generator.views.names import camel

_LEGAL = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_WIDTH = 118
_OWN_OF_OP = ("float", "support", "steps", "like", "limits")

_MARCH = """\
# yaml-language-server: $schema=../../generated/schema/march.schema.json
schema: march/1
id: {id}
extends: {parent}
title: {title}
boards: []

# What is not said here is {parent}'s. Say only what differs, for example one rounding site:
# rounding:
#   {site}: {mode}
"""
_PATTERN = """\
# yaml-language-server: $schema=../../generated/schema/patterns.schema.json
schema: patterns/1
family: {id}
doc: What follows a layer and is computed with it.
axes:
  base: [{base}]
  activation: [{activation}]
roles:
  norm: [{norm}]
  add: [{add}]
patterns:
{lines}
"""
_OP_HEAD = """\
# yaml-language-server: $schema=../../../generated/schema/op.schema.json
# Made like {like}: what is not said of support is {like}'s. Say under support what differs, for example
# support:
#   {march}: {{{dtype}: {{unsupported: the reason a user reads}}}}
"""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A file below specs/ and its text."""

    path: str
    text: str


def new_march(known: Knowledge, name: str, extends: str | None) -> Scaffold | str:
    """A march like another one; like the first by default."""
    marches = known.catalog.marches
    parent = extends or next(iter(marches))
    if problem := _unusable(name, "march", marches) or _unknown(parent, "march", marches):
        return problem
    site, mode = next(iter(marches[parent].spec.rounding.items()))
    text = _MARCH.format(id=name, parent=parent, title=f"{name} (like {parent})", site=site, mode=mode)
    return Scaffold(f"specs/marches/{name}.yaml", text)


def new_op(known: Knowledge, name: str, like: str | None, module: str | None, function: str | None) -> Scaffold | str:
    """An operator of the family, with the kernel and the support of another one, for a module or a function of its own."""
    ops = known.catalog.ops
    if problem := _unusable(name, "operator", ops):
        return problem
    if like is None or not (module or function):
        return "a new operator needs --like OP, and --module torch.nn.X or --function torch.x or both"
    if problem := _unknown(like, "operator", ops):
        return problem
    if taken := next(
        (op for op in ops.values() if {module, function} & {*op.spec.float.modules, *op.spec.float.functions}), None
    ):
        return f"{module or function} is operator {taken.spec.id!r} already ({taken.span('id')})"
    source = ops[like].doc
    value = {key: item for key, item in source.value.items() if key not in _OWN_OF_OP}
    form = {"modules": [module] if module else [], "functions": [function] if function else []}
    if short := next((n for n in NEEDS[value["family"]] if n.startswith("float.") and not form[n[6:]]), ""):
        return f"an operator like {like} needs --{short[6:-1]}, too"
    value |= {
        "id": name,
        "title": module or function,
        "doc": f"As {like}.",
        "float": {key: names for key, names in form.items() if names},
        "like": like,
    }
    value |= {"python": _python_names(source.value.get("python", {}), name)} if "python" in value else {}
    value |= {"tail": camel(name)} if "tail" in value else {}
    march, dtype = next(iter(known.catalog.marches)), next(iter(known.catalog.dtypes.spec.dtypes))
    head = _OP_HEAD.format(like=like, march=march, dtype=dtype)
    body = yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=_WIDTH, allow_unicode=True)
    folder = source.path.split("/")[2]
    return Scaffold(f"specs/ops/{folder}/{name}.yaml", head + body)


def _python_names(names: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The names in code: every one that the other operator has, made from the new id."""
    own = {"file": name, "class": camel(name), "method": name, "function": name, "fused": camel(name) + "{tail}"}
    return {key: own.get(key, value) for key, value in names.items()}


def new_pattern(known: Knowledge, name: str, base: list[str], activation: list[str]) -> Scaffold | str:
    """Chains of the first family that end in an activation, for other layers or other activations."""
    families = {family.spec.family: family for family in known.catalog.patterns}
    if problem := _unusable(name, "pattern family", families):
        return problem
    if not base or not activation:
        return "a new pattern needs --base OP and --activation OP, each as often as there are operators"
    if problem := next(filter(None, (_unknown(op, "operator", known.catalog.ops) for op in (*base, *activation))), ""):
        return problem
    first = next(iter(families.values())).spec
    lines = tuple(line for line in first.patterns if line[-1] == "activation")
    axes = PatternAxes(base=tuple(base), activation=tuple(activation))
    roles = PatternRoles(norm=first.roles.norm, add=first.roles.add)
    family = Patterns(schema="patterns/1", family=name, doc="-", axes=axes, roles=roles, patterns=lines)
    wanted = tuple(expand_family(family, lambda _: known.patterns[0].span))
    if clash := next(overlaps((*known.patterns, *wanted)), None):
        return f"{' -> '.join(clash.chain)} is matched by pattern {clash.winner.id} already ({clash.winner.span})"
    text = _PATTERN.format(
        id=name, base=", ".join(base), activation=", ".join(activation),
        norm=", ".join(roles.norm), add=", ".join(roles.add),
        lines="\n".join(f"  - [{', '.join(line)}]" for line in lines),
    )  # fmt: skip
    return Scaffold(f"specs/patterns/{name}.yaml", text)


def _unusable(name: str, kind: str, taken: Mapping[str, object]) -> str:
    if not _LEGAL.fullmatch(name):
        return f"{name!r} is not a legal id: lower-case letters, digits, single - or _ between them"
    return f"{kind} {name!r} exists already" if name in taken else ""


def _unknown(name: str, kind: str, known: Mapping[str, object]) -> str:
    return "" if name in known else f"no {kind} {name!r}. {did_you_mean(name, known)}"
