"""Jobs become text: Jinja fills a template's holes from one view, and a header says where the text came from.

In: `Job` values and templates/. Out: `Rendered` texts, each with the key of everything that it was made from, and a
finding with the template's line for every render that failed. A template sees exactly one variable, ``v``, and three
filters: ``py`` (a Python literal), ``doc`` (text fit for a docstring) and Jinja's ``indent``.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from generator.diag import Diagnostic, Span
from generator.manifest import body_hash
from generator.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import jinja2

    from generator.plan import Job

COMMAND = "horizon-gen build"
HEADER_WIDTH = 110

_COMMENTS = {".md": ("<!-- ", " -->"), ".h": ("/* ", " */"), ".json": None}
_HASH_COMMENT = ("# ", "")
_REFERENCE = re.compile(r"""\{%[-+]?\s*(?:from|import|include|extends)\s+["']([^"']+)["']""")
_LITERALS = (str, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of one output before formatting, header included, and the key of what it was made from."""

    path: str
    text: str
    key: str


def job_keys(jobs: Iterable[Job], templates_dir: Path, tools: str, memo: Memo | None = None) -> dict[str, str]:
    """Return output path -> 16 hex digits for template, macros, view, spec ids, `tools`, and this very stage.

    Equal keys mean equal output. `tools` names what else decides the bytes (the formatter and its configuration). A key that
    the memo knows by the inputs of a view is not worked out, and the view is not made.
    """
    sources: dict[str, bytes] = {}
    hashes: dict[str, str] = {}
    texts = _Texts()
    stage, memo = _stage_hash(), memo or Memo()
    keys = {}
    for job in jobs:
        template = _template_source(job.template, templates_dir, sources)
        work_out = partial(_job_key, job, template, texts, f"{stage} {tools}")
        if job.inputs is None:
            keys[job.path] = work_out()
            continue
        if job.template not in hashes:
            hashes[job.template] = body_hash(template)
        parts = (job.path, hashes[job.template], job.inputs, job.specs, stage, tools)
        keys[job.path] = memo.recall("job", parts, work_out)
    return keys


class _Texts:
    """The texts of views, each written once: several outputs are made from one view."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, bytes]] = {}

    def of(self, view: object) -> bytes:
        if id(view) not in self._known:
            self._known[id(view)] = view, repr(view).encode()
        return self._known[id(view)][1]


def _job_key(job: Job, template: bytes, texts: _Texts, tools: str) -> str:
    total = blake2b(tools.encode(), digest_size=8)
    for part in (job.path.encode(), template, texts.of(job.view), header(job).encode()):
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def render(
    jobs: Iterable[Job], templates_dir: Path, keys: Mapping[str, str], cache_dir: Path | None = None
) -> tuple[tuple[Rendered, ...], tuple[Diagnostic, ...]]:
    """Render every job; `keys` comes from `job_keys`, `cache_dir` keeps compiled templates between runs.

    A failing job gives a finding with the place in the template and no text.
    """
    planned = tuple(jobs)
    if not planned:
        return (), ()
    environment = make_environment(templates_dir, cache_dir)
    done: list[Rendered] = []
    found: list[Diagnostic] = []
    for job in planned:
        try:
            body = environment.get_template(job.template).render(v=job.view)
        except Exception as error:  # noqa: BLE001 - whatever a template raises is its author's error, with a place
            found.append(_failure(error, job, templates_dir))
        else:
            done.append(Rendered(job.path, header(job) + body.lstrip("\n"), keys[job.path]))
    return tuple(done), tuple(found)


def make_environment(templates_dir: Path, cache_dir: Path | None = None) -> jinja2.Environment:
    """Return the Jinja environment of this project: strict, without escaping, with the filters `py` and `doc`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is source code
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        bytecode_cache=_bytecode_cache(cache_dir),
    )
    environment.globals.clear()
    environment.filters["py"] = py_literal
    environment.filters["doc"] = docstring_text
    return environment


def py_literal(value: object) -> str:
    """Return the Python literal of a string, number, bool, None or a tuple of such; TypeError for anything else.

    ``py_literal(("a", 1.5))`` is ``("a", 1.5)``; strings get double quotes where that needs no escape.
    """
    if isinstance(value, tuple):
        items = [py_literal(item) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if not isinstance(value, _LITERALS) or type(value) not in {str, int, float, bool, type(None)}:
        raise TypeError(
            f"the filter py writes str, int, float, bool, None and tuples of them, not {type(value).__name__}"
        )
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):  # noqa: PLR0124 - NaN
        raise TypeError(f"{value} has no Python literal")
    text = repr(value)
    return f'"{text[1:-1]}"' if isinstance(value, str) and text[0] == "'" and '"' not in text else text


def docstring_text(text: str, width: int = 0) -> str:
    """Return text for the inside of a docstring: later lines indented by `width`, quotes and backslashes escaped."""
    escaped = text.strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if escaped.endswith('"'):
        escaped = escaped[:-1] + '\\"'
    first, *rest = (line.rstrip() for line in escaped.split("\n"))
    return "\n".join((first, *(" " * width + line if line else "" for line in rest)))


def header(job: Job) -> str:
    """Return the comment block that opens an output, '' for formats without comments. Nothing in it is volatile.

    # @generated by horizon-gen; do not edit, run: horizon-gen build
    # template: horizon_plugin_pytorch/kernels/[march].py.j2
    # specs: kernels/requantize, marches/x1
    """
    comment = _COMMENTS.get(posixpath.splitext(job.path)[1], _HASH_COMMENT)
    if comment is None:
        return ""
    lines = [f"@generated by horizon-gen; do not edit, run: {COMMAND}", f"template: {job.template}"]
    lines += _wrapped("specs: ", job.specs) if job.specs else []
    opening, closing = comment
    return "".join(f"{opening}{line}{closing}\n" for line in lines)


def _wrapped(label: str, names: tuple[str, ...]) -> Iterable[str]:
    """Yield the names behind a label, comma-separated, in lines of a bounded width."""
    line = label + names[0]
    for name in names[1:]:
        if len(line) + len(name) + 2 > HEADER_WIDTH:
            yield line + ","
            line = " " * len(label) + name
        else:
            line += f", {name}"
    yield line


def _template_source(name: str, templates_dir: Path, known: dict[str, bytes]) -> bytes:
    """Return the bytes of a template and of all it imports, in a fixed order; `known` remembers what was read."""
    if name not in known:
        known[name] = b""  # ends a cycle of imports
        try:
            own = Path(templates_dir, name).read_bytes()
        except OSError:
            return b""  # reported by check_plan and by the render itself
        imported = sorted(set(_REFERENCE.findall(own.decode("utf-8", "replace"))))
        known[name] = b"\0".join((name.encode(), own, *(_template_source(i, templates_dir, known) for i in imported)))
    return known[name]


@cache
def _stage_hash() -> str:
    """Return a hash of the code that decides what a view and a template become."""
    here = Path(__file__).parent
    return blake2b(
        b"".join((here / name).read_bytes() for name in ("render.py", "format.py")), digest_size=8
    ).hexdigest()


def _bytecode_cache(cache_dir: Path | None) -> jinja2.BytecodeCache | None:
    import jinja2

    try:
        if cache_dir is not None:
            cache_dir.mkdir(parents=True, exist_ok=True)
            return jinja2.FileSystemBytecodeCache(str(cache_dir))
    except OSError:
        pass  # a checkout that cannot be written to renders without a cache
    return None


def _failure(error: Exception, job: Job, templates_dir: Path) -> Diagnostic:
    """Return a finding at the template line that raised, for one output."""
    name, line = job.template, 1
    step = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.endswith(".j2"):
            name, line = (
                Path(file).relative_to(templates_dir).as_posix() if file.startswith(str(templates_dir)) else file,
                step.tb_lineno,
            )
        step = step.tb_next
    if (lineno := getattr(error, "lineno", None)) and type(error).__name__ in {
        "TemplateSyntaxError",
        "TemplateAssertionError",
    }:
        name, line = getattr(error, "name", None) or name, lineno
    message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
    return Diagnostic("T013", f"rendering generated/{job.path}: {message}", Span(f"templates/{name}", line, 1))
