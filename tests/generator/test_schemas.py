"""The exported JSON Schemas, judged by a validator that is not ours: they accept every shipped spec and refuse mistakes."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from trees import ROOT

from generator.schema import KINDS
from generator.schema_export import schema_of

SPECS = sorted((ROOT / "specs").rglob("*.yaml"))
SCHEMAS = ROOT / "generated" / "schema"
NOT_DRAFT_7 = {"prefixItems", "unevaluatedProperties", "dependentRequired", "$dynamicRef", "$anchor", "minContains"}


def _schema_named_in(path: Path) -> Path:
    """The schema that an editor finds by the first line of a spec."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    assert first.startswith("# yaml-language-server: $schema="), path
    return (path.parent / first.partition("=")[2]).resolve()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_shipped_spec_is_valid_in_an_editor(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema = _schema_named_in(path)
    assert schema == SCHEMAS / f"{document['schema'].partition('/')[0]}.schema.json"
    jsonschema.Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_draft_7_and_describes_every_field(kind: str) -> None:
    schema = schema_of(kind)
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert not NOT_DRAFT_7 & set(_keys(schema))
    models = {kind: schema, **schema.get("$defs", {})}
    fields = [(model, name, field) for model, m in models.items() for name, field in m.get("properties", {}).items()]
    assert not [(model, name) for model, name, field in fields if not {"description", "$ref"} & set(field)]


def _keys(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in _keys(item))]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("march", {"schema": "march/1", "id": "x9", "extends": "bayes", "title": "X", "bords": []}),
        ("march", {"schema": "march/1", "id": "X 9", "extends": "bayes", "title": "X"}),
        ("march", {"schema": "march/1", "id": "x9", "title": "X"}),
        ("op", {"schema": "op/1", "id": "a", "family": "no-such-family", "title": "A", "doc": "A."}),
        ("dtypes", {"schema": "dtypes/1", "doc": "D.", "dtypes": {"q": {"bits": "8"}}}),
    ],
)
def test_mistakes_are_underlined(kind: str, wrong: dict[str, object]) -> None:
    assert not jsonschema.Draft7Validator(schema_of(kind)).is_valid(wrong)


def test_a_march_that_extends_another_may_be_short() -> None:
    short = {
        "schema": "march/1",
        "id": "x9",
        "extends": "bayes",
        "title": "X",
        "requantize": {"post_shift": {"max": 3}},
    }
    jsonschema.Draft7Validator(schema_of("march")).validate(short)
