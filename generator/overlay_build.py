"""A package of an overlay: exactly those outputs that its specs add or change, with what runs their tests.

In: the root of the base (a checkout, or what an installed generator carries) and an `Overlay`. Out: `Produced` bytes by path
below the overlay's own folder. The base is planned twice, without and with the overlay; outputs with equal keys are equal.
"""

import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from generator.diag import Diagnostic, errors
from generator.format import format_texts
from generator.layout import GENERATED, STATE, TEMPLATES
from generator.manifest import body_hash
from generator.memo import Memo
from generator.outputs import PACKAGE
from generator.overlay import Overlay
from generator.pipeline import run
from generator.plan import OVERLAY, Job, plan_mirrors
from generator.produce import Produced, tools
from generator.render import job_keys, render
from generator.views.overlay import OverlayView

_TESTS = "tests/"
_SHARED_DEFINITIONS = "tests/reference/common.py"  # which the tests of every march compare with
_LEFT_OUT = f"{PACKAGE}/__init__.py"  # it finds the overlay, so it cannot lie in one
_LEGAL = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def problem_with(overlay: Overlay, root: Path) -> str:
    """Why there can be no such package; '' when there can."""
    if not _LEGAL.fullmatch(overlay.package) or overlay.package in (PACKAGE, "generator", "tests"):
        return f"--package {overlay.package!r}: lower-case letters, digits and single _ between them, and not {PACKAGE}"
    out = overlay.out.resolve()
    for place in (root.resolve(), *(folder.resolve() for folder in overlay.specs)):
        if out == place or out in place.parents:
            return f"--out {overlay.out} holds {place}: name a folder of its own"
    if any(out.is_relative_to(folder.resolve()) for folder in overlay.specs):
        return f"--out {overlay.out} lies in a folder of specs: name a folder of its own"
    return ""


def produce_overlay(root: Path, overlay: Overlay) -> Produced:
    """Run every stage but the last."""
    memo = Memo(overlay.out / STATE)
    merged = run(root, overlay.specs, memo)
    if errors(merged.diagnostics):
        return Produced({}, {}, merged.diagnostics, dict(merged.texts))
    home = package_home(root)
    if not home.is_dir():
        message = f"no {PACKAGE} to add to: {home} is missing"
        return Produced({}, {}, (Diagnostic("T019", message, None, hint="run horizon-gen build there first"),))
    templates = root / TEMPLATES
    keys = job_keys(merged.jobs, templates, tools(root), memo)
    base = job_keys(run(root, memo=memo).jobs, templates, tools(root), memo)
    memo.save()
    changed = tuple(job for job in merged.jobs if base.get(job.path) != keys[job.path] and job.path != _LEFT_OUT)
    if any(job.path.startswith(_TESTS) for job in changed):
        changed += tuple(job for job in merged.jobs if job.path == _SHARED_DEFINITIONS and job not in changed)
    own = _own_jobs(overlay, root, _digest(templates)(home))
    keys |= job_keys(own, templates, tools(root))
    made, failures = _made((*changed, *own), keys, root, overlay.out)
    if errors(failures):
        return Produced({}, {}, (*merged.diagnostics, *failures), dict(merged.texts))
    kept = {path: data for path, data in made.items() if _says_more(path, data, home)}
    if any(path.startswith(_TESTS) for path in kept):
        kept |= {
            m.path: (templates / m.path).read_bytes() for m in plan_mirrors(templates) if m.path.startswith(_TESTS)
        }
    outputs = {_place(path, overlay.package): data for path, data in kept.items()}
    return Produced(outputs, {path: body_hash(data) for path, data in outputs.items()}, merged.diagnostics)


def package_home(root: Path) -> Path:
    """The package that an overlay adds to: the one in a checkout, else the one installed beside this generator."""
    built = root / GENERATED / PACKAGE
    return built if built.is_dir() else Path(__file__).parents[1] / PACKAGE


def _digest(templates: Path) -> Callable[[Path], str]:
    """The function by which the package itself finds out whether an overlay was made for it."""
    spec = importlib.util.spec_from_file_location(
        "module_digest", templates / PACKAGE / "_runtime" / "module_digest.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    digest: Callable[[Path], str] = module.digest
    return digest


def _own_jobs(overlay: Overlay, root: Path, made_for: str) -> tuple[Job, ...]:
    """The files that make it a package."""
    summary = f"Marches, operators, patterns or colours for {PACKAGE}, from {', '.join(p.name for p in overlay.specs)}."
    view = OverlayView(overlay.package, overlay.package.replace("_", "-"), PACKAGE, summary, made_for)
    places = {
        "pyproject.toml": "pyproject.toml",
        f"{overlay.package}/__init__.py": "__init__.py",
        f"{PACKAGE}/MADE_FOR": "MADE_FOR",
    }
    return tuple(Job(path, f"{OVERLAY}/{template}.j2", view, ()) for path, template in places.items())


def _made(
    jobs: tuple[Job, ...], keys: Mapping[str, str], root: Path, out: Path
) -> tuple[dict[str, bytes], tuple[Diagnostic, ...]]:
    rendered, failures = render(jobs, root / TEMPLATES, keys, out / STATE / "jinja")
    templates = {job.path: job.template for job in jobs}
    made, unformatted = format_texts(
        {item.path: item.text for item in rendered}, templates, root, out / STATE / "stage"
    )
    return made, (*failures, *unformatted)


def _says_more(path: str, data: bytes, home: Path) -> bool:
    """Whether a module differs from the base's in more than the names of specs in its header."""
    file = home.parent / path
    return not (path.startswith(f"{PACKAGE}/") and file.is_file()) or _body(file.read_bytes()) != _body(data)


def _body(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if not line.startswith((b"#", b"<!--"))), 0)
    return b"".join(lines[start:])


def _place(path: str, package: str) -> str:
    """Where an output lies in the overlay's folder: modules below the package, under the path that they extend."""
    return f"{package}/{path}" if path.startswith(f"{PACKAGE}/") else path
