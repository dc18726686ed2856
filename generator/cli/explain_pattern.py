"""`explain --pattern NAME`: why a chain of operators fuses, or why it does not.

In: the id of a pattern, or a chain of operator ids. Out: for a pattern its steps and what goes before it; for a chain the
pattern that takes it, what stays behind, and which step no pattern goes on with.
"""

import re
from collections.abc import Iterator

from generator.diag import did_you_mean
from generator.patterns import Expanded
from generator.pipeline import Knowledge

_CONDITIONS = (
    "each step but the last is read once, by the next step",
    "a module is called with positional arguments only, and no other place of the model needs it alone",
    "a norm has running statistics of as many channels as the base has outputs",
)


def explain_pattern(known: Knowledge, name: str) -> tuple[int, tuple[str, ...]]:
    """(exit status, lines)."""
    by_id = {pattern.id: pattern for pattern in known.patterns}
    if name in by_id:
        return 0, tuple(_pattern(known, by_id[name]))
    chain = tuple(re.split(r"\s*(?:->|,|\s)\s*", name.strip()))
    unknown = [step for step in chain if step not in known.catalog.ops]
    if len(chain) > 1 and not unknown:
        return 0, tuple(_chain(known, chain))
    if len(chain) > 1:
        return 1, (f"no operator {unknown[0]!r}. {did_you_mean(unknown[0], known.catalog.ops)}",)
    hint = did_you_mean(name, by_id) or "a chain of operator ids, with blanks between them, is explained too"
    return 1, (f"no pattern {name!r}. {hint}",)


def _pattern(known: Knowledge, pattern: Expanded) -> Iterator[str]:
    yield f"pattern {pattern.id}, {pattern.span}: {' -> '.join(pattern.steps)}"
    for step, operators in zip(pattern.steps, choices(pattern), strict=True):
        titles = ", ".join(known.catalog.ops[op].spec.title for op in operators)
        yield f"  {step}: {titles}"
    longer = [p.id for p in known.patterns if len(p.steps) > len(pattern.steps) and _starts_with(p, pattern)]
    shorter = [p.id for p in known.patterns if len(p.steps) < len(pattern.steps) and _starts_with(pattern, p)]
    yield f"  goes first where it matches: {', '.join(longer) or 'no other pattern'} (longer wins)"
    yield f"  goes before: {', '.join(shorter) or 'no other pattern'}"
    yield f"  becomes: {_result(pattern)}"
    yield from (f"  only if {condition}" for condition in _CONDITIONS)


def _chain(known: Knowledge, chain: tuple[str, ...]) -> Iterator[str]:
    """Which pattern takes a chain of operators, each read by the next one alone."""
    taken = max((p for p in known.patterns if _takes(p, chain)), key=lambda p: len(p.steps), default=None)
    if taken is None:
        yield from _untaken(known, chain)
        return
    length = len(taken.steps)
    yield f"{' -> '.join(chain[:length])} fuses by pattern {taken.id}, {taken.span}, into {_result(taken)}"
    if length < len(chain):
        steps = dict.fromkeys(
            op for p in known.patterns if _starts_with(p, taken) and len(p.steps) > length for op in choices(p)[length]
        )
        yield f"  {chain[length]} stays on its own: behind {chain[length - 1]} patterns go on with {', '.join(steps) or 'nothing'}"
    yield from (f"  only if {condition}" for condition in _CONDITIONS)


def _untaken(known: Knowledge, chain: tuple[str, ...]) -> Iterator[str]:
    first, second = chain[:2]
    starting = [p for p in known.patterns if p.base == first]
    yield f"{' -> '.join(chain)} does not fuse"
    if not starting:
        bases = dict.fromkeys(p.base for p in known.patterns)
        yield f"  no pattern starts with {first}; they start with {', '.join(bases)}"
    else:
        steps = dict.fromkeys(op for p in starting for op in choices(p)[1])
        yield f"  no pattern goes on with {second} behind {first}; they go on with {', '.join(steps)}"


def choices(pattern: Expanded) -> list[tuple[str, ...]]:
    """The operators of each step."""
    roles = {"base": (pattern.base,), "norm": pattern.norms, "add": pattern.adds, "activation": (pattern.activation,)}
    return [roles[step] for step in pattern.steps]


def _takes(pattern: Expanded, chain: tuple[str, ...]) -> bool:
    steps = choices(pattern)
    return len(steps) <= len(chain) and all(op in allowed for op, allowed in zip(chain, steps, strict=False))


def _starts_with(long: Expanded, short: Expanded) -> bool:
    return all(set(a) == set(b) for a, b in zip(choices(long), choices(short), strict=False))


def _result(pattern: Expanded) -> str:
    if not pattern.tail:
        return "the base with the norm folded into its weight, under its own name"
    return "one module under the name of the add" if pattern.add else "one module under the name of the base"
