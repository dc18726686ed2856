"""Spec trees that chance and malice make: only diagnostics, in bounded time and memory, and nothing is run or written.

The suite tries a few of them; ``pytest tests/generator/test_fuzz.py --spec-trees 10000 -s`` tries all and prints the counts.
"""

import resource
import time
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from trees import ROOT, cli, contents

from generator.diag import DIAGNOSTICS, Diagnostic, render
from generator.files import decode
from generator.formula.problems import CODES
from generator.memo import Memo
from generator.pipeline import Understood, understand_docs
from generator.source import document, load_tree

SECONDS, MEGABYTES = 5.0, 700
EVIL = "__import__('os').system('touch PWNED')"
FORMULAS = (
    EVIL, "x.__class__.__mro__", "().__class__", "(lambda: 0)()", "[y for y in x]", "f'{x}'", "9**9**9**9", "2**(2**62)",
    "1 << (1 << 62)", "x" + " + x" * 120, "(" * 200 + "x" + ")" * 200, "-" * 400 + "x", "x if x else x", "x := 1", "1e999", "x @ x",
    "floor(" * 80 + "x" + ")" * 80, "0x" + "f" * 400, "x // 0", "open('PWNED','w')", "getattr(x, '__dict__')", "a" * 500, "\u0445 + 1",
)  # fmt: skip
SCALARS = (
    "", "~", "null", "true", "no", "010", "1e400", "-1e400", ".nan", ".inf", "9" * 400, "-9223372036854775809", "0x" + "f" * 60,
    "'../x'", "'../../../../etc/passwd'", "'/etc/passwd'", "'a/b'", "'CON'", "'a\\b'", '"a\\u0000b"', "'" + "a" * 5000 + "'",
    "*a", "&a x", "!!python/object/apply:os.system ['touch PWNED']", "!!binary aGk=", "<<: *a", "{}", "[]", "[[[[]]]]", "{a: {b: {}}}",
    "[1, [2, [3]]]", "- -", ": :", "? x", "|\n  x", ">-\n  x", "2026-01-01", "12:30:45", '"__class__"', "'{{ v.a }}'", "'{% for %}'",
    "'\"\"\"'", '"a\\nb"', "'\u202e'", "'# x'", "'${jndi:x}'",
)  # fmt: skip
WHOLE = (
    "", "\ufeff", "---\n---\n", "- a\n", "a: &a [x]\nb: [*a, *a]\n", "[" * 20000, "{a: " * 5000, "\t- x", "%YAML 1.1\n---\na: 1\n",
    "a: &a [l]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c]\n", "x: " + "y" * 200000, "a\n" * 20000,
    "? [a]\n: b\n", "schema: op/1\n" * 50, "schema: [op/1]\n", "schema: op/99999999999999999999\n", "\x00", "a: \x07\n",
)  # fmt: skip


@cache
def shipped() -> dict[str, str]:
    texts: dict[str, str] = {}
    load_tree(ROOT / "specs", ROOT, texts)
    return texts


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, str]:
    """One to three shipped specs changed: a line, a value, a formula, a piece of text, or all of it."""
    changed: dict[str, str] = {}
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(shipped())))
        changed[path] = _changed(draw, changed.get(path, shipped()[path]))
    return changed


def _changed(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    at = draw(st.integers(0, len(lines) - 1))
    key, colon, _ = lines[at].partition(": ")
    match draw(st.sampled_from(("value", "formula", "drop", "double", "swap", "indent", "cut", "insert", "whole"))):
        case "value" if colon:
            lines[at] = f"{key}: {draw(st.sampled_from(SCALARS))}"
        case "formula" if colon:
            lines[at] = f'{key}: "{draw(st.sampled_from(FORMULAS))}"'
        case "drop":
            del lines[at]
        case "double":
            lines.insert(at, lines[at])
        case "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        case "indent":
            lines[at] = " " * draw(st.integers(0, 6)) + lines[at].lstrip()
        case "cut":
            return text[: draw(st.integers(0, len(text)))]
        case "insert":
            place = draw(st.integers(0, len(text)))
            return text[:place] + draw(st.text(max_size=8)) + text[place:]
        case "whole":
            return draw(st.sampled_from(WHOLE))
        case _:
            pass
    return "\n".join(lines)


def understood_from(texts: dict[str, str], memo: Memo) -> Understood:
    """Every stage up to the proofs, as if these texts stood in files."""
    found: list[Diagnostic] = []
    shown: dict[str, str] = {}
    read = {path: decode(text.encode(), path, found, shown) for path, text in texts.items()}
    documents = [document(path, text, memo) for path, text in read.items() if text is not None]
    found += (finding for _, findings in documents for finding in findings)
    return understand_docs(tuple(doc for doc, _ in documents if doc is not None), tuple(found), shown, memo)


def test_mutated_trees_give_only_diagnostics(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    count = int(request.config.getoption("--spec-trees", default=None) or 40)
    memo, outcomes, slowest = Memo(), Counter[str](), 0.0

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated())
    def one(changed: dict[str, str]) -> None:
        nonlocal slowest
        texts = shipped() | changed
        memo.next_run()
        start = time.process_time()
        understood = understood_from(texts, memo)
        told = render(understood.diagnostics, understood.texts)
        spent = time.process_time() - start
        slowest = max(slowest, spent)
        assert spent < SECONDS
        ids = {diagnostic.id for diagnostic in understood.diagnostics}
        assert ids <= {*DIAGNOSTICS, *CODES}, ids
        assert told or understood.knowledge is not None
        outcomes[min(ids, default="sound")] += 1

    one()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{sum(outcomes.values())} trees, slowest {slowest:.2f} s, {used:.0f} MB: {dict(outcomes.most_common())}")
    assert sum(outcomes.values()) >= min(count, 20)
    assert not list(tmp_path.iterdir())
    if count <= 1000:
        assert used < MEGABYTES + 800  # torch and the rest of the suite live in this process, too


@pytest.mark.parametrize("text", FORMULAS)
def test_no_formula_is_run(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = "specs/rounding.yaml"
    texts = shipped() | {path: shipped()[path].replace("real: floor(x)\n", f'real: "{text}"\n', 1)}
    start = time.process_time()
    understood = understood_from(texts, Memo())
    assert time.process_time() - start < SECONDS
    assert any(d.is_error for d in understood.diagnostics) or text.startswith(("-", "x +", "(", "x // 0"))
    assert not list(tmp_path.iterdir())


HOSTILE = {
    "escape.yaml": "schema: march/1\nid: ../../../escape\nextends: bayes\ntitle: X\n",
    "absolute.yaml": "schema: march/1\nid: /tmp/escape\nextends: bayes\ntitle: X\n",
    "folder.yaml": "schema: op/1\nid: x\nfamily: window_max\ntitle: X\ndoc: X.\npython: {file: ../../x, class: X}\n",
    "bomb.yaml": WHOLE[9],
    "tag.yaml": "schema: !!python/object/apply:os.system ['touch PWNED']\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_writes_nothing_anywhere(checkout: Path, name: str) -> None:
    (checkout / "specs" / name).write_text(HOSTILE[name])
    before = contents(checkout.parent)
    told = cli(checkout, "build")
    after = {path: data for path, data in contents(checkout.parent).items() if "/.horizon-gen/" not in path}
    assert (told.status, told.err) == (1, "")
    assert f"specs/{name}:" in told.out
    assert after == {path: data for path, data in before.items() if "/.horizon-gen/" not in path}


@pytest.mark.parametrize("data", [b"", b"\x80\x05garbage", b"cos\nsystem\n(S'touch PWNED'\ntR."])
def test_a_hostile_memo_is_as_good_as_none(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memo").write_bytes(data)
    memo = Memo(tmp_path)
    assert memo.recall("x", (1,), lambda: "made") == "made"
    memo.save()
    assert Memo(tmp_path).recall("x", (1,), lambda: "made again") == "made"
    assert [path.name for path in tmp_path.iterdir()] == ["memo"]
