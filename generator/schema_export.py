"""JSON Schemas of every spec kind, for editors.

In: the models of `schema`. Out: one job a kind. The dialect is draft-07, which YAML language servers read, so tuples are
written as `items` lists.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.overlay import OVERRIDES
from generator.plan import Job
from generator.schema import KINDS

_OVERRIDES = "In specs of an overlay only: the id of the spec that this one replaces; it is this one's id, too."


@dataclass(frozen=True, slots=True)
class SchemaView:
    """The text of a JSON Schema."""

    text: str


def schema_jobs() -> Iterator[Job]:
    """One schema a kind."""
    for kind, model in KINDS.items():
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **_draft7(model.model_json_schema())}
        schema["properties"][OVERRIDES] = {"type": "string", "description": _OVERRIDES}
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        yield Job(f"schema/{kind}.schema.json", "schema/[kind].schema.json.j2", SchemaView(text), (f"schema/{kind}",))


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
