"""What a view says it follows from is all that it reads: keys recalled by inputs are those of views made anew.

The suite tries a few edits; ``pytest tests/generator/test_inputs.py --spec-trees 1000 -s`` tries more and prints the counts.
"""

import random
import re
from collections import Counter

import pytest
from test_fuzz import shipped, understood_from
from trees import ROOT

from generator.compile import Compiler
from generator.diag import errors
from generator.memo import Memo
from generator.outputs import jobs_of
from generator.pipeline import Knowledge
from generator.render import job_keys

WORDS = ("floor", "half_up", "half_even", "half_away", "trunc", "ceil", "qint8", "qint16", "true", "false")
EDITS = {
    "number": r"(?<![\w.])\d+(?![\w.])",
    "text": r"(?<=title: |  doc: |ource: )\S+",
    "word": r"(?<=[ \[])(?:" + "|".join(WORDS) + r")(?=[,\]\s])",
    "entry": r"\n +- \[?[^\n:]+(?=\n)",
    "place": r"^",
}
"""Kind of edit -> the texts that it may replace."""


def replacement(kind: str, text: str, chance: random.Random) -> str:
    match kind:
        case "number":
            return str(int(text) + chance.choice((-1, 1)))
        case "text":
            return f"Another {chance.randrange(99)}"
        case "word":
            return chance.choice(WORDS)
        case "place":
            return "# moved\n"
    return ""


def edited(text: str, chance: random.Random) -> tuple[str, str]:
    """One edit that may leave the specs sound, and its kind."""
    kind = chance.choice(tuple(EDITS))
    places = list(re.finditer(EDITS[kind], text))
    if not places:
        return "none", text
    place = chance.choice(places)
    return kind, text[: place.start()] + replacement(kind, place[0], chance) + text[place.end() :]


def keys(known: Knowledge, memo: Memo | None) -> dict[str, str]:
    jobs = jobs_of(known.catalog, known.decisions, known.patterns, known.compiled, memo)
    return job_keys(jobs, ROOT / "templates", "", memo)


def kernels(known: Knowledge, memo: Memo) -> bool:
    """Whether the kernels that were recalled are those that the specs name."""
    compiler, compiled = Compiler(known.catalog, memo), known.compiled
    recalled = {**compiled.by_march, None: compiled.common}
    return all(found.keys_by_role == compiler.compile(march).keys_by_role for march, found in recalled.items())


def test_recalled_keys_are_those_of_views_made_anew(request: pytest.FixtureRequest) -> None:
    count = int(request.config.getoption("--spec-trees", default=None) or 30)
    chance, memo, tried, changed = random.Random(count), Memo(), Counter[str](), 0
    first = understood_from(shipped(), memo).knowledge
    assert first is not None
    before = keys(first, memo)
    paths = sorted(shipped())
    often = [path for path in paths if not path.startswith("specs/ops/")]
    for _ in range(count):
        memo.next_run()
        path = chance.choice(chance.choice((paths, often)))
        kind, text = edited(shipped()[path], chance)
        understood = understood_from(shipped() | {path: text}, memo)
        if kind == "none" or understood.knowledge is None or errors(understood.diagnostics):
            continue
        recalled = keys(understood.knowledge, memo)
        assert recalled == keys(understood.knowledge, None), (path, kind)
        assert kernels(understood.knowledge, memo), (path, kind)
        tried[kind] += 1
        changed += recalled != before
    print(f"{sum(tried.values())} sound edits of {count}, {changed} change outputs: {dict(tried)}")
    assert sum(tried.values()) >= count // 4
    assert changed >= count // 8
