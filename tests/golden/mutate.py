"""The whole mutation run behind ``horizon-gen mutate``: every change of every spec, what noticed it, and the score.

In: which specs to change. Out: a table of survivors and of counts by kind of change; specs/mutation.yaml with the counts of each spec
that was changed. A process a core; each tries every n-th change, so that a run is bounded by the number of changes alone.
"""

import argparse
import fnmatch
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import torch
from golden_support import GOLDEN, ROOT

from generator.link import Catalog
from generator.mutation import CHANGES, NOTHING, UNCHANGEABLE, add, digest_of, kind_of, short_digest
from generator.schema_mutation import Counts, FileScore, Mutation
from generator.source import Doc

from . import facts
from .further import further
from .leaves import Mutant
from .spec_tree import load_specs
from .trial import RESTATED, Trial, UnsoundError

FILE = ROOT / "specs" / "mutation.yaml"
DOC = "What became of every change that `horizon-gen mutate` tried, spec by spec, as [tried, noticed, waived]; it writes this file."


@dataclass(frozen=True, slots=True)
class Outcome:
    """One change: the spec below specs/, the kind of change, its name, and what noticed it or ''."""

    path: str
    change: str
    name: str
    by: str


def change_of(mutant: Mutant) -> str:
    """What kind of change it is, for the counts."""
    if mutant.how in ("left out", "deleted"):
        return "entries"
    if mutant.how == "first two swapped":
        return "orders"
    if "(token" in mutant.how:
        return "operators"
    return "words" if isinstance(mutant.leaf.value, (str, bool)) else "numbers"


def changes(trial: Trial, paths: Iterable[str]) -> Iterator[Mutant]:
    """Every change of some specs, by their paths below specs/."""
    wanted = {f"specs/{path}" for path in paths}
    numbers = (m for leaf in trial.leaves if leaf.path in wanted for m in trial.mutants(leaf))
    return chain(numbers, (m for m in further(trial.docs) if m.leaf.path in wanted))


def outcome(trial: Trial, mutant: Mutant) -> Outcome:
    """Try one change. A stage that raises has not noticed: a user would see a traceback and no place."""
    name = str(mutant)
    try:
        by = trial.caught_by(mutant)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on and the change is listed
        name, by = f"{name} [raises {type(error).__name__}]", ""
    return Outcome(mutant.leaf.path.removeprefix("specs/"), change_of(mutant), name, by)


def try_share(number: int, shares: int, paths: tuple[str, ...]) -> list[Outcome]:
    """The outcome of every `shares`-th change, beginning with `number`."""
    torch.set_num_threads(1)
    trial = Trial()
    return [outcome(trial, mutant) for mutant in islice(changes(trial, paths), number, None, shares)]


def waived_by(catalog: Catalog, name: str) -> str:
    """The reason why a change may go unnoticed; '' when there is none."""
    waivers = (waiver for linked in catalog.waivers for waiver in linked.spec.waivers)
    return next((waiver.why for waiver in waivers if fnmatch.fnmatchcase(name, waiver.change)), "")


def facts_digest() -> str:
    """A digest of all that judges: the hand-written facts and the code that compares."""
    files = (f for f in sorted(GOLDEN.iterdir()) if f.suffix in (".py", ".yaml", ".json"))
    return short_digest(b"".join(file.read_bytes() for file in files))


def scores(
    docs: Iterable[Doc], paths: Iterable[str], outcomes: Iterable[Outcome], waived: Mapping[str, str]
) -> dict[str, FileScore]:
    """Path -> counts of the specs that were changed."""
    counts: dict[str, dict[str, Counts]] = {path: {} for path in paths}
    for one in outcomes:
        row = counts[one.path]
        row[one.change] = add(row.get(one.change, NOTHING), (1, int(bool(one.by)), int(one.name in waived)))
    digests = {doc.path.removeprefix("specs/"): digest_of(doc) for doc in docs}
    return {path: FileScore(digest=digests[path], **row) for path, row in counts.items()}


def text_of(mutation: Mutation) -> str:
    """The whole spec anew, a line a file."""
    lines = ["# yaml-language-server: $schema=../generated/schema/mutation.schema.json", "schema: mutation/1"]
    lines += [f"doc: {DOC}", f'facts: "{mutation.facts}"', "specs:"]
    for path, score in sorted(mutation.specs.items()):
        found = ((change, getattr(score, change)) for change in CHANGES)
        counts = "".join(f", {change}: {list(numbers)}" for change, numbers in found if numbers != NOTHING)
        lines.append(f'  {path}: {{digest: "{score.digest}"{counts}}}')
    return "\n".join(lines) + "\n"


def _table(outcomes: list[Outcome], waived: Mapping[str, str]) -> Iterator[str]:
    grouped: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        grouped[one.change].append(one)
    for change in CHANGES:
        if found := grouped[change]:
            noticed, let = sum(bool(one.by) for one in found), sum(one.name in waived for one in found)
            yield f"{change:10} {len(found):6} changes {noticed:6} noticed {let:4} waived {(noticed + let) / len(found):8.2%}"


def main() -> int:
    """Run; 1 when a change survives without a waiver, or a waiver or a restated number is not needed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    start = time.perf_counter()
    docs, catalog = load_specs()
    known = (
        catalog.mutation[0].spec
        if catalog.mutation
        else Mutation(schema="mutation/1", doc=DOC, facts="0" * 12, specs={})
    )
    judged_by = facts_digest()
    policy = {doc.path.removeprefix("specs/"): digest_of(doc) for doc in docs if kind_of(doc) not in UNCHANGEABLE}
    fresh = (
        {p for p, s in known.specs.items() if s.digest == policy.get(p)}
        if args.changed and known.facts == judged_by
        else ()
    )
    paths = tuple(path for path in policy if fnmatch.fnmatch(path, args.only) and path not in fresh)
    work = partial(try_share, shares=args.jobs, paths=paths)
    try:
        with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
            outcomes = [one for share in pool.imap_unordered(work, range(args.jobs) if paths else ()) for one in share]
    except UnsoundError as error:
        print(f"the specs as they are contradict {error}; build, and correct the specs or the fact first")
        return 1
    survivors = sorted(one.name for one in outcomes if not one.by)
    waived = {name: why for name in survivors if (why := waived_by(catalog, name))}
    measured = {path: score for path, score in known.specs.items() if path in policy}
    measured |= scores(docs, paths, outcomes, waived)
    all_anew = set(paths) == set(policy)
    mutation = known.model_copy(update={"facts": judged_by if all_anew else known.facts, "doc": DOC, "specs": measured})
    FILE.write_text(text_of(mutation), encoding="utf-8", newline="\n")
    open_ = [name for name in survivors if name not in waived]
    globs = [waiver.change for linked in catalog.waivers for waiver in linked.spec.waivers]
    idle = [glob for glob in globs if all_anew and not any(fnmatch.fnmatchcase(name, glob) for name in survivors)]
    shown = {one.name.partition(" ")[0] for one in outcomes if one.by == RESTATED}
    idle += sorted(facts.RESTATED.keys() - shown) if all_anew else []
    for line in (*(f"NOT CAUGHT  {name}" for name in open_), *(f"NOT NEEDED  {glob}" for glob in idle)):
        print(line)
    print("\n".join(_table(outcomes, waived)))
    share = len(waived) / max(len(outcomes), 1)
    seconds = time.perf_counter() - start
    print(
        f"{len(outcomes)} changes of {len(paths)} specs, {len(open_)} not caught, {share:.2%} waived, {seconds:.0f} s"
    )
    return int(bool(open_ or idle))


if __name__ == "__main__":
    sys.exit(main())
