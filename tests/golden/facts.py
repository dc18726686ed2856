"""The facts of facts.yaml as goldens, and its restated numbers.

In: facts.yaml, written by hand from numerics.md. Out: `GOLDENS`, one a fact and march: a kernel fed with plain values must
derive the integers and give the results that are written down. `RESTATED` holds what no input can show.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import yaml
from golden_support import COMMON, GOLDEN, MARCHES, Build, Golden, run

DOCUMENT: dict[str, Any] = yaml.safe_load((GOLDEN / "facts.yaml").read_text("utf-8"))
NOT_ARGUMENTS = frozenset({"fact", "source", "kernel", "march", "params", "result", "mode", "form"})


@dataclass(frozen=True, slots=True)
class Restated:
    """A number or choice of the specs that no behaviour shows, by the leaf's name, and why."""

    value: int | float | str
    why: str


def _checks() -> list[Golden]:
    found = []
    for fact in DOCUMENT["facts"]:
        for march in fact.get("march", (COMMON,)):
            name = f"fact {fact['kernel'] if 'kernel' in fact else fact['mode']}: {fact['fact']}{f' ({march})' if march else ''}"
            found.append(Golden(name, march, partial(_check, fact, march)))
    return found


def _check(fact: dict[str, Any], march: str, build: Build) -> None:
    if "mode" in fact:
        mode = build.mode(fact["mode"])
        values = {name: value for name, value in fact.items() if name not in NOT_ARGUMENTS}
        assert run(mode, fact["form"], **values)[1] == fact["result"], fact["fact"]
        return
    arguments = {name: value for name, value in fact.items() if name not in NOT_ARGUMENTS}
    params, result = run(build.kernels(march), fact["kernel"], **arguments)
    for name, value in fact.get("params", {}).items():
        assert params[name] == value, f"{fact['fact']}: {name}"
    if "result" in fact:
        assert result == fact["result"], fact["fact"]


GOLDENS = tuple(_checks())
RESTATED = {name: Restated(item["value"], why["why"]) for why in DOCUMENT["restated"] for name, value in why["leaves"].items() for item in [{"value": value}]}
KNOWN_MARCHES = frozenset(MARCHES)
