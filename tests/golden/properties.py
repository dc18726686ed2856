"""The table of properties: a second book of what the specs say, approved by a person and ordered the other way round.

In: properties.yaml and declarations.yaml (of kernels), in which a value of a property stands once, with all that have it, so that a reader sees at once who differs from
the rest of a family. Out: `written`, what it says of each operator, march or kind of spec; `properties`, what a spec says.
"""

import functools
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml
from golden_support import GOLDEN

from generator.schema_base import Spec

from .leaves import NAMES, PROSE, SETS

WHOLE = frozenset({"children", "dtypes", "observers", "fake_quants"})
"""Keys of mappings whose entries are written on one line each."""
Property = tuple[str, str]
"""(path of the field, its value as a text)"""


@functools.cache
def written(file: str = "properties.yaml") -> Mapping[str, frozenset[Property]]:
    """What a table says of each."""
    found: dict[str, set[Property]] = {}
    for name, values in yaml.load((GOLDEN / file).read_text("utf-8"), yaml.CSafeLoader).items():
        for value, owners in values.items():
            for owner in owners.split():
                found.setdefault(owner, set()).add((name, value))
    return {owner: frozenset(said) for owner, said in found.items()}


def properties(spec: Spec, elsewhere: Collection[str] = ()) -> Iterator[Property]:
    """Every field that is no prose and says something else than its default; fields of `elsewhere` are left out."""
    fields = spec.model_dump(by_alias=True, exclude_defaults=True)
    for name, value in fields.items():
        if name not in NAMES and name not in elsewhere:
            yield from _flat(name, value)


def _flat(path: str, value: Any) -> Iterator[Property]:
    name = path.rpartition(".")[2]
    if name in PROSE:
        return
    if isinstance(value, dict) and name in WHOLE:
        yield from ((f"{path}.{key}", _line(item)) for key, item in value.items())
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{path}.{key}", item)
    elif isinstance(value, tuple) and name in SETS:
        yield from ((path, str(item)) for item in value)
    else:
        yield path, ", ".join(map(_text, value)) if isinstance(value, tuple) else _text(value)


def _line(value: dict[str, Any]) -> str:
    """A mapping as one text: "op: linear, parameters.weight.name: weight_ih"."""
    return ", ".join(f"{path}: {text}" for key, item in value.items() for path, text in _flat(key, item))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
