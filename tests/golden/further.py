"""Changes of specs beyond numbers and choices: operators of formulas, words of closed sets, order of lists, entries left out.

In: the Docs of all specs. Out: `Mutant` values, one or a few a leaf, so that their count grows as the specs do. What is
no leaf, `leaves` says.
"""

import copy
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from generator.mutation import kind_of
from generator.source import Doc

from .leaves import MEASURED, SETS, Leaf, Mutant, Pointer, is_formula, is_leaf, name_of

SWAPS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "+", ">>": "<<", "<<": ">>", "&": "|", "|": "&", "<": ">=", ">": "<=",
    "<=": ">", ">=": "<", "==": "!=", "!=": "==", "**": "*", "floor": "ceil", "ceil": "floor", "trunc": "floor", "min": "max", "max": "min",
}  # fmt: skip


def further(docs: tuple[Doc, ...]) -> Iterator[Mutant]:
    """Every such change, in the order of the files."""
    pools = _pools(docs)
    for doc in docs:
        for pointer, value in _walk((), doc.value) if kind_of(doc) not in MEASURED else ():
            if isinstance(value, str) and is_formula(pointer):
                yield from _operators(doc, pointer, value)
            elif isinstance(value, str):
                others = sorted(pools[_place(doc, pointer)] - {value})
                if others:
                    other = next((word for word in others if word > value), others[0])
                    yield _mutant(doc, pointer, value, f"-> {other}", _edited(doc, pointer, other))
            if isinstance(value, list) and len(value) > 1 and value[0] != value[1] and _is_ordered(pointer):
                swapped = [value[1], value[0], *value[2:]]
                yield _mutant(doc, pointer, str(value)[:40], "first two swapped", _edited(doc, pointer, swapped))
            if pointer and isinstance(value, (dict, list, str)):
                yield _mutant(doc, pointer, str(value)[:40], "left out", _without(doc, pointer))


def _is_ordered(pointer: Pointer) -> bool:
    """Whether the order of a list says anything; the steps of a pattern do, the list of patterns or of kernels does not."""
    return (pointer != ("kernels",) and not SETS.intersection(map(str, pointer))) or (
        pointer[0] == "patterns" and len(pointer) > 1
    )


def _place(doc: Doc, pointer: Pointer) -> tuple[str, str]:
    """Where words of one meaning stand: the kind of spec and the nearest keys that are no names of things."""
    words = [str(step) for step in pointer if not isinstance(step, int)]
    return str(doc.value["schema"]), words[-1] if len(words) < 3 else f"{words[0]}..."


def _pools(docs: tuple[Doc, ...]) -> dict[tuple[str, str], set[str]]:
    pools: dict[tuple[str, str], set[str]] = defaultdict(set)
    for doc in docs:
        for pointer, value in _walk((), doc.value):
            if isinstance(value, str):
                pools[_place(doc, pointer)].add(value)
    return pools


def _walk(pointer: Pointer, value: Any) -> Iterator[tuple[Pointer, Any]]:
    if not is_leaf(pointer, value):
        return
    yield pointer, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from _walk((*pointer, step), item)


def _operators(doc: Doc, pointer: Pointer, text: str) -> Iterator[Mutant]:
    for number, token in enumerate(tokenize.generate_tokens(io.StringIO(text).readline)):
        if token.string in SWAPS:
            (_, start), (_, end) = token.start, token.end
            changed = text[:start] + SWAPS[token.string] + text[end:]
            how = f"{token.string} -> {SWAPS[token.string]} (token {number})"
            yield _mutant(doc, pointer, text, how, _edited(doc, pointer, changed))


def _mutant(doc: Doc, pointer: Pointer, value: str, how: str, changed: Doc) -> Mutant:
    return Mutant(Leaf(name_of(doc, pointer), doc.path, pointer, value), how, changed)


def _edited(doc: Doc, pointer: Pointer, value: Any) -> Doc:
    whole, box = _copy(doc, pointer)
    box[pointer[-1]] = value
    return replace(doc, value=whole)


def _without(doc: Doc, pointer: Pointer) -> Doc:
    whole, box = _copy(doc, pointer)
    del box[pointer[-1]]
    return replace(doc, value=whole)


def _copy(doc: Doc, pointer: Pointer) -> tuple[Any, Any]:
    """A copy of a document, and what holds the place in it."""
    whole = box = copy.deepcopy(doc.value)
    for step in pointer[:-1]:
        box = box[step]
    return whole, box
