"""`trace`: lines of generated/ back to template lines and spec fields."""

import re
from functools import cache
from pathlib import Path

import pytest

from generator.cli.commands import run
from generator.layout import GENERATED, TEMPLATES
from generator.pipeline import understand
from generator.render import render
from generator.trace.align import aligned
from generator.trace.answer import Traces
from generator.trace.pieces import pieces

ROOT = Path(__file__).parent.parent.parent


@cache
def traces() -> Traces:
    known = understand(ROOT).knowledge
    assert known is not None
    return Traces(ROOT, known)


def _line(path: str, text: str) -> int:
    return next(number for number, line in enumerate(_lines(path), 1) if text in line)


def _lines(path: str) -> list[str]:
    return (ROOT / GENERATED / path).read_text(encoding="utf-8").split("\n")


def _traced(path: str, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    place = f"{GENERATED}/{path}:{_line(path, text)}"
    assert run(["--root", str(ROOT), "trace", place]) == 0
    return capsys.readouterr().out


def test_pieces_are_what_the_renderer_writes() -> None:
    jobs = traces().jobs
    rendered, found = render(jobs.values(), ROOT / TEMPLATES, dict.fromkeys(jobs, ""))
    assert found == ()
    differing = [r.path for r in rendered if "".join(p.text for p in pieces(jobs[r.path], ROOT / TEMPLATES)) != r.text]
    assert differing == []


def test_every_line_of_kernels_tables_headers_and_pages_has_an_answer() -> None:
    paths = [
        path for path in traces().jobs if "/bayes." in path or path.startswith(("docs/", "c/")) or "_tables" in path
    ]
    lines = [(path, number, line) for path in paths for number, line in enumerate(_lines(path), 1) if line.strip()]
    kinds = [answer.kind for path, number, _ in lines if (answer := traces().answer(path, number))]
    assert len(kinds) == len(lines)
    assert kinds.count("field") > kinds.count("fixed")


def test_a_line_of_a_kernel_leads_to_formula_rounding_mode_and_march(capsys: pytest.CaptureFixture[str]) -> None:
    text = _traced("horizon_plugin_pytorch/kernels/bayes_e.py", "z = torch.clamp((z_y_wide >> p.z_post_shift)", capsys)
    assert "template: templates/horizon_plugin_pytorch/kernels/[march].py.j2:" in text
    assert re.search(
        r"spec: specs/kernels/requantize.yaml:\d+:\d+: y: saturate\(shift_right\(t \* mult, post_shift, post\), output\)\n",
        text,
    )
    assert re.search(r"spec: specs/rounding.yaml:\d+:\d+: rounding mode half_up\n", text)
    assert "spec: specs/marches/bayes.yaml:18:26: bayes-e: requantize.post_shift\n" in text


def test_a_limit_leads_to_the_march(capsys: pytest.CaptureFixture[str]) -> None:
    text = _traced("horizon_plugin_pytorch/kernels/bernoulli2.py", "z_pre_shift = torch.clamp(", capsys)
    assert re.search(r"spec: specs/marches/bernoulli2.yaml:\d+:\d+: bernoulli2: requantize.pre_shift.max\n", text)


def test_a_line_of_a_header_leads_to_the_same_formula(capsys: pytest.CaptureFixture[str]) -> None:
    text = _traced("c/bayes.h", "const int64_t mult =", capsys)
    assert re.search(
        r"spec: specs/kernels/requantize.yaml:\d+:\d+: mult: clip\(floor\(m \* 2\*\*15 \+ 0.5\), -32768, 32767\)\n",
        text,
    )


def test_a_row_of_a_page_leads_to_the_field(capsys: pytest.CaptureFixture[str]) -> None:
    text = _traced("docs/marches/bayes.md", "| rounding of requantize.post_shift |", capsys)
    assert "spec: specs/marches/bayes.yaml:18:26: half_up\n" in text


def test_a_mirrored_line_leads_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    path = "horizon_plugin_pytorch/_runtime/match.py"
    text = _traced(path, "class Match:", capsys)
    assert f"template: templates/{path}:{_line(path, 'class Match:')}\n" in text


def test_fixed_text_says_that_no_spec_decides(capsys: pytest.CaptureFixture[str]) -> None:
    text = _traced("horizon_plugin_pytorch/_tables.py", '"""Traced calls that become sub-modules."""', capsys)
    assert "spec: none; it is the text of a template, which no spec changes\n" in text


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("generated/nothing.py:1", "generated/nothing.py is no output of the generator"),
        ("generated/MANIFEST:1", "generated/MANIFEST is no output of the generator"),
        ("generated/c/bayes.h", "is no place: write FILE:LINE"),
        ("generated/c/bayes.h:1000000", "generated/c/bayes.h has "),
        ("../../etc/passwd:1", "is no output of the generator"),
    ],
)
def test_a_wrong_place_is_told(place: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--root", str(ROOT), "trace", place]) == 1
    assert told in capsys.readouterr().out


def test_lines_are_followed_through_the_formatter() -> None:
    before = 'import os\nimport ast\nx = f(a,\n  b)\ny = [1, 2]\nz = """one\ntwo"""\n'
    after = 'import ast\nimport os\n\nx = f(a, b)\ny = [\n    1,\n    2,\n]\nz = """one\ntwo"""\n'
    found = aligned(before, after)
    assert found == {1: (2,), 2: (1,), 4: (3, 4), 5: (5,), 6: (5,), 7: (5,), 8: (5,), 9: (6,), 10: (7,)}
