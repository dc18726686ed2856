"""`watch` answers a save with a fresh file, tells errors, and goes on after a broken save."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trees import ROOT, edit

from generator.cli import build
from generator.memo import Memo

MARCH = "specs/marches/bayes.yaml"
OUTPUT = "generated/horizon_plugin_pytorch/march.py"


def _lines(process: subprocess.Popen[str], last: str) -> list[str]:
    """What it prints until a line that holds `last`."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or last not in lines[-1]:
        line = process.stdout.readline()
        assert line, lines
        lines.append(line.rstrip("\n"))
    return lines


def test_a_save_a_broken_save_and_its_repair(checkout: Path) -> None:
    command = [sys.executable, "-u", "-m", "generator", "watch", "--builds", "4"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True) as process:
        _lines(process, "watching")
        edit(checkout, MARCH, "title: Bayes (", "title: The Bayes (")
        first = _lines(process, "after the save")
        assert "The Bayes (" in (checkout / OUTPUT).read_text()
        fresh = (checkout / OUTPUT).read_bytes()
        edit(checkout, MARCH, "weighted.post_shift: half_up", "weighted.post_shift: half_upp")
        broken = _lines(process, "after the save")
        assert any(re.match(rf"{MARCH}:\d+:\d+: error C021: unknown rounding mode", line) for line in broken)
        assert (checkout / OUTPUT).read_bytes() == fresh
        edit(checkout, MARCH, "weighted.post_shift: half_upp", "weighted.post_shift: floor")
        repaired = _lines(process, "after the save")
        assert any("written" in line for line in repaired)
        assert process.wait() == 0
    print(first[-1], broken[-1], repaired[-1], sep="; ")


def test_an_answer_costs_little(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    memo = Memo()
    build.run(build.PLAIN, checkout, memo)
    spent = []
    for number in range(5):
        text = (checkout / MARCH).read_text()
        (checkout / MARCH).write_text(re.sub(r"title: .*", f"title: Bayes {number}", text))
        memo.next_run()
        start = time.process_time()
        assert build.run(build.PLAIN, checkout, memo) == 0
        spent.append(time.process_time() - start)
        assert f"Bayes {number}" in (checkout / OUTPUT).read_text()
    print(f"{min(spent) * 1e3:.0f} ms of processor time from a save to fresh files")
    assert min(spent) < 0.2
