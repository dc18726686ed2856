"""JSON Schemas of every spec kind, for editors.

In: the models of `schema`. Out: one job a kind. The dialect is draft-07, which YAML language servers read, so tuples are
written as `items` lists. A schema says what may stand in a file, before `extends` adds what is inherited.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pydantic

from generator.overlay import OVERRIDES
from generator.plan import Job, Later
from generator.schema import KINDS
from generator.schema_words import WORDS

EXTENDS = "extends"
_OWN = ("schema", "id", "title")
_OVERRIDES = "In specs of an overlay only: the id of the spec that this one replaces; it is this one's id, too."


@dataclass(frozen=True, slots=True)
class SchemaView:
    """The text of a JSON Schema."""

    text: str


def schema_jobs() -> Iterator[Job]:
    """One schema a kind."""
    for kind in KINDS:
        view = Later(f"pydantic {pydantic.VERSION}", partial(_view, kind))  # else only the generator itself decides it
        yield Job(f"schema/{kind}.schema.json", "schema/[kind].schema.json.j2", view, (f"schema/{kind}",))


def _view(kind: str) -> SchemaView:
    return SchemaView(json.dumps(schema_of(kind), indent=2, ensure_ascii=False))


def schema_of(kind: str) -> dict[str, Any]:
    """The draft-07 schema of a kind."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **_draft7(KINDS[kind].model_json_schema())}
    schema["properties"][OVERRIDES] = {"type": "string", "description": _OVERRIDES}
    for model in (schema, *schema.get("$defs", {}).values()):
        _describe(model)
    return _inheriting(schema) if EXTENDS in schema["properties"] else schema


def _describe(model: dict[str, Any]) -> None:
    """Give every field words; those of its model come first."""
    for name, field in model.get("properties", {}).items():
        if name in WORDS and "$ref" not in field:  # draft-07 reads nothing beside a reference
            field.setdefault("description", WORDS[name])


def _inheriting(schema: dict[str, Any]) -> dict[str, Any]:
    """What must stand in the file itself: little where a parent says the rest, and no part of a mapping always."""
    for model in schema.get("$defs", {}).values():
        model.pop("required", None)
    whole = [name for name in schema["required"] if name not in _OWN]
    return schema | {"required": list(_OWN), "if": {"required": [EXTENDS]}, "else": {"required": whole}}


def _draft7(value: Any) -> Any:
    """Draft 2020-12 to draft-07: `prefixItems` is `items`, `$defs` stays legal.

    Enumerations are sorted: typing keeps one object for `Literal`s that differ in order alone, so the order that a model
    shows is that of whichever module of the process was imported first.
    """
    if isinstance(value, list):
        return [_draft7(item) for item in value]
    if not isinstance(value, dict):
        return value
    converted = {key: _draft7(item) for key, item in value.items()}
    if "prefixItems" in converted:
        converted["items"] = converted.pop("prefixItems")
    if "enum" in converted:
        converted["enum"] = sorted(converted["enum"])
    return converted
