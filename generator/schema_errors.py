"""Pydantic's errors as diagnostics: one a mistake, in the spec's own words, with a suggestion.

In: a ValidationError, the model and the value. Out: diagnostics at the line of the offending key.
"""

from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from generator.diag import Diagnostic, Span, did_you_mean, suggest
from generator.schema_base import LEGAL_NAMES

Pointer = tuple[str | int, ...]


def schema_diagnostics(
    error: ValidationError, model: type[BaseModel], value: object, locate: Callable[[Pointer], Span]
) -> list[Diagnostic]:
    """One diagnostic a mistake.

    A value that fits none of the forms of a union gives one pydantic error a form; they are told once.
    An unknown key beside a missing one of a similar name is one misspelling, not two mistakes.
    """
    problems = {_pointer(e, value): e for e in reversed(error.errors(include_url=False))}
    diagnostics = []
    for pointer, details in problems.items():
        if details["type"] == "missing" and _misspelled(pointer, problems):
            continue
        diagnostics.append(_diagnostic(details, pointer, model, locate(pointer)))
    return diagnostics


def _pointer(details: ErrorDetails, value: object) -> Pointer:
    """The path of the error in the spec: pydantic's loc without the names of union members."""
    pointer: list[str | int] = []
    for step in details["loc"]:
        name = "class" if step == "class_" else step
        if isinstance(value, Mapping) and (name in value or _is_last(details, step)):
            pointer.append(name)
            value = value.get(name)
        elif isinstance(value, tuple) and isinstance(step, int) and step < len(value):
            pointer.append(step)
            value = value[step]
    return tuple(pointer)


def _is_last(details: ErrorDetails, step: str | int) -> bool:
    return details["type"] == "missing" and details["loc"][-1] == step


def _misspelled(pointer: Pointer, problems: Mapping[Pointer, ErrorDetails]) -> bool:
    """Whether an unknown sibling is close enough to be this missing key."""
    siblings = [
        str(other[-1])
        for other, details in problems.items()
        if details["type"] == "extra_forbidden" and other[:-1] == pointer[:-1]
    ]
    return bool(suggest(str(pointer[-1]), siblings))


def _diagnostic(details: ErrorDetails, pointer: Pointer, model: type[BaseModel], span: Span) -> Diagnostic:
    name = pointer[-1] if pointer else "the document"
    kind = details["type"]
    if kind == "extra_forbidden":
        known = tuple(_fields(model, pointer[:-1]))
        hint = did_you_mean(str(name), known) or f"known keys: {', '.join(known)}"
        return Diagnostic("S001", f"unknown key {name!r}", span, hint=hint)
    if kind == "missing":
        return Diagnostic("S002", f"missing key {name!r}", span)
    if kind == "literal_error":
        expected = str(details.get("ctx", {}).get("expected", ""))
        options = [word.strip("' ") for part in expected.split(" or ") for word in part.split(",")]
        hint = did_you_mean(str(details["input"]), options) or f"one of {expected}"
        return Diagnostic("S003", f"{_path(pointer)} may not be {details['input']!r}", span, hint=hint)
    if kind == "string_pattern_mismatch":
        pattern = str(details.get("ctx", {}).get("pattern", ""))
        hint = LEGAL_NAMES.get(pattern, details["msg"])
        return Diagnostic("S004", f"{_path(pointer)}: {details['input']!r} is not a legal name", span, hint=hint)
    if any("|" in str(step) or "[" in str(step) for step in details["loc"]):
        return Diagnostic(
            "S005",
            f"{_path(pointer)} has none of its allowed forms: {_short(details['input'])}",
            span,
            hint=_forms(model, pointer),
        )
    return Diagnostic(
        "S006", f"{_path(pointer)}: {details['msg'].lower()}", span, hint=f"the value is {_short(details['input'])}"
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line's worth


def _path(pointer: Pointer) -> str:
    return ".".join(map(str, pointer)) or "the document"


def _forms(model: type[BaseModel], pointer: Pointer) -> str:
    annotation = _annotation(model, pointer)
    return f"expected {_describe(annotation)}" if annotation is not None else ""


def _describe(annotation: Any) -> str:
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return " or ".join(_describe_one(member) for member in members)


def _describe_one(member: Any) -> str:
    if isinstance(member, type) and issubclass(member, BaseModel):
        return "{" + ", ".join(_aliases(member)) + "}"
    if get_origin(member) is tuple:
        return "a list"
    if args := get_args(member):
        return ", ".join(repr(arg) for arg in args if isinstance(arg, str)) or str(member)
    return getattr(member, "__name__", str(member))


def _aliases(model: type[BaseModel]) -> Iterable[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _fields(model: type[BaseModel], pointer: Pointer) -> Iterable[str]:
    """The keys that are known where `pointer` leads."""
    annotation = _annotation(model, pointer)
    for member in (annotation, *get_args(annotation)):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return _aliases(member)
    return ()


def _annotation(model: type[BaseModel], pointer: Pointer) -> Any:
    """The declared type where `pointer` leads; None when it leads nowhere."""
    annotation: Any = model
    for step in pointer:
        annotation = _step(annotation, step)
    return annotation


def _step(annotation: Any, step: str | int) -> Any:
    for member in (annotation, *get_args(annotation)):
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name, info in member.model_fields.items():
                if step in (name, info.alias):
                    return info.annotation
        elif get_origin(member) is dict:
            return get_args(member)[1]
        elif get_origin(member) is tuple and isinstance(step, int):
            args = get_args(member)
            return args[0] if args[-1] is Ellipsis else args[min(step, len(args) - 1)]
    return None
