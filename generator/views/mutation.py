"""View of generated/docs/mutation.md: which share of all changes of the specs is noticed.

In: specs/mutation.yaml and specs/waivers.yaml. Out: one row a folder of specs, and the waivers with their reasons.
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.mutation import CHANGES, add, by_group, total
from generator.schema_mutation import Counts, FileScore, Mutation


@dataclass(frozen=True, slots=True)
class MutationRowView:
    """One folder of specs; `cells` is the rest of a table's row."""

    name: str
    cells: str


@dataclass(frozen=True, slots=True)
class WaiverView:
    """Changes that nothing needs to notice: a glob of them, and the reason."""

    change: str
    why: str


@dataclass(frozen=True, slots=True)
class MutationView:
    """The score of the last run of `horizon-gen mutate`."""

    summary: str
    header: str
    rule: str
    rows: tuple[MutationRowView, ...]
    waivers: tuple[WaiverView, ...]


def mutation_view(catalog: Catalog) -> MutationView | None:
    """None where nothing was measured."""
    if not catalog.mutation:
        return None
    specs = catalog.mutation[0].spec.specs
    rows = [MutationRowView(name, _cells(scores)) for name, scores in by_group(specs).items()]
    return MutationView(
        summary=summary(catalog.mutation[0].spec),
        header=f"| specs | {' | '.join(CHANGES)} | waived |",
        rule="|---|" + "---|" * (len(CHANGES) + 1),
        rows=(*rows, MutationRowView("all", _cells(tuple(specs.values())))),
        waivers=tuple(WaiverView(w.change, w.why) for linked in catalog.waivers for w in linked.spec.waivers),
    )


def summary(mutation: Mutation) -> str:
    """The score in a sentence."""
    scores = tuple(mutation.specs.values())
    leaves = add(total(scores, "numbers"), total(scores, "words"))
    every = add(*(total(scores, change) for change in CHANGES))
    tried, noticed, waived = every
    open_ = tried - noticed - waived
    return (
        f"{tried:,} changes of {len(scores)} specs: {noticed:,} noticed, {waived} waived ({waived / max(tried, 1):.2%}), "
        f"{open_} neither; {_share(leaves)} of the changes of numbers, switches and words noticed."
    )


def _cells(scores: tuple[FileScore, ...]) -> str:
    every = [total(scores, change) for change in CHANGES]
    return " | ".join([*(f"{counts[1]} of {counts[0]}" if counts[0] else "-" for counts in every), str(add(*every)[2])])


def _share(counts: Counts) -> str:
    return f"{counts[1] / max(counts[0], 1):.2%}"
