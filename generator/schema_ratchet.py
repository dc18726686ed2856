"""What the spec of measured numbers may say: numbers that may only fall.

In: plain data, as for `schema`. Out: a typed `Ratchet`.
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import Identifier, Sentence, Spec


class Ratchet(Spec):
    """specs/ratchet.yaml: what is measured of the tree itself, committed so that it can only get better."""

    schema_: Literal["ratchet/1"] = Field(alias="schema")
    doc: Sentence
    todo_cells: int = Field(ge=0, description="Cells of the support matrix that are to do.")
    least_cosine: float = Field(
        default=0.999, ge=0, le=1, description="Of a composite's int16 results and those of the float operator."
    )
    explain_above: dict[Identifier, int] = Field(
        default={}, description="Output dtype -> beyond how many steps an operator has to say why."
    )
    explained_families: tuple[Identifier, ...] = Field(
        default=(), description="Families of operators that may be that far and say why; others may not."
    )
    reasons: dict[Identifier, Sentence] = Field(
        default={}, description="Why integers may be further from QAT: what operators name in `why`."
    )
    cosines: dict[Identifier, float] = Field(
        default={}, description="Composite -> the worst cosine measured, rounded down."
    )
    worst_steps: dict[Identifier, dict[Identifier, dict[Identifier, int]]] = Field(
        default={},
        description="Operator -> march -> output dtype -> how many steps integers were from QAT at worst, in all its tests.",
    )
