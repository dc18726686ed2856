"""Write the second book, properties.yaml and declarations.yaml, anew from the specs: ``horizon-gen mutate --book``.

In: the specs. Out: both tables. They are approved, not derived: what git shows of them after a spec edit is what a reviewer
reads, property by property, and nothing else in the specs may have changed.
"""

import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from golden_support import GOLDEN

from generator.decide import decide

from .operators import OperatorFacts
from .policies import declarations, label, policy_properties
from .properties import Property
from .spec_tree import load_specs

WIDTH = 120
PLAIN = re.compile(r"[A-Za-z_][\w.*|/<>() -]*")
WORDS = frozenset({"true", "false", "null"})
FIRST = (
    "family", "kernel", "behaviour", "scale", "march_scale", "returns", "host", "tail", "masks", "keepdim_before", "requires", "float",
    "python", "formula", "numbers", "mac", "window", "tensor", "color", "table", "runtime", "cell", "composite", "steps", "cases",
    "cells", "limits",
)  # fmt: skip
"""Properties of operators in reading order; others follow by name."""
PROPERTIES = """\
# The second book: what the specs say of operators, marches, tensor functions, observers and qconfigs, ordered by property. A
# value stands once, with all that have it, so that a reader sees who differs from the rest of a family. After a spec edit
# `horizon-gen mutate --book` writes it anew, and a person approves what git then shows: nothing else may have changed.
#
# property: {value: who has it}. Lists whose order says nothing have one line an entry. cells and limits: of operators and
# marches of which the manual (contract_table.yaml) says nothing; the notation is that of the manual's table. cases: how
# many generated tests are fed. What is prose, and what a schema's default says, does not stand here.
"""
DECLARATIONS = """\
# What kernels declare beside their formulas, ordered by property: operands and what they may be, rounding sites, results. A value
# stands once, with all kernels that have it. Written and approved as properties.yaml is.
"""


def text_of(head: str, owners: Mapping[str, Iterable[Property]]) -> str:
    """The table of who has which properties."""
    table: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for owner, said in owners.items():
        for name, value in said:
            table[name][value].append(owner)
    return "\n".join([head, *(line for name in sorted(table, key=_place) for line in _lines(name, table[name]))]) + "\n"


def _place(name: str) -> tuple[int, str]:
    top = name.partition(".")[0]
    return (FIRST.index(top) if top in FIRST else len(FIRST), name)


def _lines(name: str, values: Mapping[str, list[str]]) -> Iterator[str]:
    yield f"{_quoted(name)}:"
    for value, owners in sorted(values.items()):
        line = f"  {_quoted(value)}: {' '.join(sorted(owners))}"
        if len(line) <= WIDTH:
            yield line
        else:
            yield f"  {_quoted(value)}:"
            yield from (f"    {part}" for part in textwrap.wrap(" ".join(sorted(owners)), WIDTH - 4))


def _quoted(text: str) -> str:
    plain = PLAIN.fullmatch(text) and ": " not in text and text not in WORDS and text == text.strip()
    return text if plain else json.dumps(text, ensure_ascii=False)


def main() -> None:
    """Write both."""
    catalog = load_specs()[1]
    decisions, facts = decide(catalog)[0], OperatorFacts(catalog)
    ops = {name: facts.properties(catalog, decisions, op) for name, op in catalog.ops.items()}
    kernels = {label(entry): declarations(entry) for entry in catalog.kernels}
    books = {
        "properties.yaml": text_of(PROPERTIES, {**ops, **policy_properties(catalog)}),
        "declarations.yaml": text_of(DECLARATIONS, kernels),
    }
    for name, text in books.items():
        (GOLDEN / name).write_text(text, encoding="utf-8", newline="\n")
    print("wrote tests/golden/properties.yaml and declarations.yaml; next: git diff tests/golden")


if __name__ == "__main__":
    main()
