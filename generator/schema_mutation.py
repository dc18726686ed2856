"""What the specs of the mutation run may say: its score, and the changes that nothing needs to notice.

In: plain data, as for `schema`. Out: typed `Mutation` and `Waivers`.
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import Sentence, Spec

Counts = tuple[int, int, int]
"""Changes that were tried, that were noticed, and that are waived."""


class FileScore(Spec):
    """What became of the changes of one spec: each as [tried, noticed, waived]."""

    digest: str = Field(pattern=r"^[0-9a-f]{12}$", description="Of what the spec said, without comments and layout.")
    numbers: Counts = Field(default=(0, 0, 0), description="Numbers, also those in formulas.")
    words: Counts = Field(default=(0, 0, 0), description="Words of closed sets, names and switches.")
    operators: Counts = Field(default=(0, 0, 0), description="Operators of formulas.")
    orders: Counts = Field(default=(0, 0, 0), description="Lists whose order says something.")
    entries: Counts = Field(default=(0, 0, 0), description="Entries that were left out.")


class Mutation(Spec):
    """specs/mutation.yaml: the score of `horizon-gen mutate`, which writes it."""

    schema_: Literal["mutation/1"] = Field(alias="schema")
    doc: Sentence
    facts: str = Field(pattern=r"^[0-9a-f]{12}$", description="Digest of the hand-written facts that judged.")
    specs: dict[str, FileScore] = Field(description="Path of a spec below specs/ -> its score.")


class Waiver(Spec):
    """Changes that nothing notices, and why nothing needs to."""

    change: str = Field(description="A glob of changes, as `horizon-gen mutate` names them.")
    why: Sentence = Field(description="Why the change says nothing else than before.")


class Waivers(Spec):
    """specs/waivers.yaml: what `horizon-gen mutate` lets pass."""

    schema_: Literal["waivers/1"] = Field(alias="schema")
    doc: Sentence
    waivers: tuple[Waiver, ...] = Field(description="What is waived, each with its reason.")
