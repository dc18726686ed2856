"""Every name that the API documents can be imported, and takes the arguments that it documents."""

import ast
import importlib
import inspect
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

TABLE = yaml.safe_load((Path(__file__).parent / "golden" / "contract_names.yaml").read_text())
PACKAGE = "horizon_plugin_pytorch"


def found(path: str) -> Any:
    """The object at a dotted path, whose first parts are modules."""
    module = importlib.import_module(PACKAGE)
    for part in path.split("."):
        module = getattr(module, part)
    return module


def documented(signature: str) -> list[tuple[str, Any]]:
    """(argument, default) in order; the default is `...` where none is documented."""
    inside = signature.strip()[1:-1]
    call = ast.parse(f"f({', '.join(_as_keyword(part) for part in _split(inside))})", mode="eval").body
    assert isinstance(call, ast.Call)
    return [(str(k.arg), ast.literal_eval(k.value)) for k in call.keywords]


def _split(text: str) -> list[str]:
    depth, parts = 0, [""]
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        parts = [*parts, ""] if character == "," and depth == 0 else [*parts[:-1], parts[-1] + character]
    return [part.strip() for part in parts]


def _as_keyword(part: str) -> str:
    return part if "=" in part else f"{part.lstrip('*')}=..."


@pytest.mark.parametrize("module", TABLE["names"])
def test_names_can_be_imported(module: str) -> None:
    imported = importlib.import_module(module)
    assert [name for name in TABLE["names"][module] if not hasattr(imported, name)] == []


@pytest.mark.parametrize("path", TABLE["classes"])
def test_classes_have_their_members(path: str) -> None:
    module, _, name = path.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    assert [member for member in TABLE["classes"][path] if not hasattr(cls, member)] == []


@pytest.mark.parametrize("path", TABLE["signatures"])
def test_signatures_are_the_documented_ones(path: str) -> None:
    parts = path.split(".")
    actual = [
        (name, ... if p.default is p.empty else p.default)
        for name, p in inspect.signature(reduce(getattr, parts[1:], found(parts[0]))).parameters.items()
    ]
    wanted = documented(TABLE["signatures"][path])
    assert [name for name, _ in actual[: len(wanted)]] == [name for name, _ in wanted]
    differing = [
        (name, default, given)
        for (name, default), (_, given) in zip(wanted, actual, strict=False)
        if default is not ... and default != given
    ]
    assert differing == []


@pytest.mark.parametrize("module", TABLE["absent"])
def test_what_is_not_promised_is_said_so(module: str) -> None:
    imported = importlib.import_module(module)
    assert [name for name in TABLE["absent"][module] if hasattr(imported, name)] == []
