"""What the generator costs, and how that grows with the specs.

``python tests/benchmarks/builds.py`` copies this checkout and measures, then multiplies the specs tenfold by operators and
measures again: a check with nothing to do against a bare Python, a full build, a build after one spec was edited, also by
`watch`, which stays in memory. Every figure is the best of several, in seconds of the wall clock; the processor time of the process and its
children stands beside it.
"""

import gc
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("specs", "templates", "generator", "generated")
TIMES, RUNS = 10, 5
EDITED = {"march": "specs/marches/bayes.yaml", "op": "specs/ops/weighted/conv2d.yaml"}
CHECK_RATIO, BUILD_SECONDS, EDIT_SECONDS, WATCH_SECONDS = 5.0, 3.0, 0.5, 0.1


def copy(target: Path) -> Path:
    for name in PARTS:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def multiply(root: Path, times: int) -> None:
    """`times` as many specs: copies of the shipped operators that only move elements."""
    moving = [
        path for path in sorted((root / "specs/ops").rglob("*.yaml")) if "family: passthrough" in path.read_text()
    ]
    total = len(list((root / "specs").rglob("*.yaml"))) * (times - 1)
    for number in range(total):
        source = moving[number % len(moving)]
        name = f"copy_{number}"
        text = re.sub(r"^id: .*$", f"id: {name}", source.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^(float|cases|limits|python|behaviour|tensor):.*\n(?:  .*\n)*", "", text, flags=re.MULTILINE)
        (root / "specs/ops/shape" / f"{name}.yaml").write_text(text)


def run(root: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second run finds its modules compiled
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def best(work: Callable[[int], None], runs: int = RUNS) -> tuple[float, float]:
    """(wall, processor) seconds of the quickest run."""
    found = []
    for number in range(runs):
        start, spent = time.perf_counter(), _processor()
        work(number)
        found.append((time.perf_counter() - start, _processor() - spent))
    return min(found)


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def edit(root: Path, file: str, number: int) -> None:
    text = (root / file).read_text()
    (root / file).write_text(re.sub(r"^title: .*$", f"title: Edited {number}", text, flags=re.MULTILINE))


def measure(root: Path) -> dict[str, tuple[float, float]]:
    run(root, "-m", "generator", "build", "--force")
    figures = {"bare Python": best(lambda _: run(root, "-c", "pass"))}
    figures["check, nothing to do"] = best(lambda _: run(root, "-m", "generator", "check"))
    figures["full check"] = best(lambda _: run(root, "-m", "generator", "check", "--full"), 2)

    def anew(_: int) -> None:
        shutil.rmtree(root / "generated")
        shutil.rmtree(root / ".horizon-gen")
        run(root, "-m", "generator", "build")

    figures["full build"] = best(anew, 3)
    for kind, file in EDITED.items():

        def edited(number: int, file: str = file) -> None:
            edit(root, file, number)
            run(root, "-m", "generator", "build")

        figures[f"one {kind} edited"] = best(edited)
    for kind, file in EDITED.items():
        figures[f"watch, {kind} saved"] = watched(root, file)
    return figures


def watched(root: Path, file: str) -> tuple[float, float]:
    """What `watch` does between a save and fresh files."""
    from generator.cli import build
    from generator.layout import STATE
    from generator.memo import Memo

    memo, found = Memo(root / STATE), []
    with redirect_stdout(StringIO()):
        for number in range(RUNS + 1):
            edit(root, file, number)
            memo.next_run()
            start, spent = time.perf_counter(), _processor() + time.process_time()
            build.run(build.PLAIN, root, memo)
            found.append((time.perf_counter() - start, _processor() + time.process_time() - spent))
            gc.freeze()
    return min(found)


def main() -> int:
    """Print the table; 1 when a bound at today's size is missed."""
    with tempfile.TemporaryDirectory() as folder:
        root = copy(Path(folder))
        sizes, columns = [], []
        for times in (1, TIMES):
            if times > 1:
                multiply(root, times)
            sizes.append(len(list((root / "specs").rglob("*.yaml"))))
            columns.append(measure(root))
    now, later = columns
    print(f"{'':24}{f'{sizes[0]} specs':>20}{f'{sizes[1]} specs':>20}   grows")
    for name, (wall, spent) in now.items():
        wall_later, spent_later = later[name]
        pairs = (f"{wall:.3f} s ({spent:.2f})", f"{wall_later:.3f} s ({spent_later:.2f})")
        print(f"{name:24}{pairs[0]:>20}{pairs[1]:>20}   x{wall_later / wall:.1f}")
    ratio = now["check, nothing to do"][0] / now["bare Python"][0]
    edits = max(now[f"one {kind} edited"][0] for kind in EDITED)
    saves = max(now[f"watch, {kind} saved"][0] for kind in EDITED)
    print(
        f"check / bare Python {ratio:.1f} (bound {CHECK_RATIO}), full build bound {BUILD_SECONDS} s, one edit bound {EDIT_SECONDS} s, "
        f"watch bound {WATCH_SECONDS} s"
    )
    missed = now["full build"][0] > BUILD_SECONDS or edits > EDIT_SECONDS or saves > WATCH_SECONDS
    return int(ratio > CHECK_RATIO or missed)


if __name__ == "__main__":
    sys.exit(main())
