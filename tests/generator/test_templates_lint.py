"""Each kind of broken template is found, at its line; what is shipped is clean; mechanism without policy."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from trees import ROOT, cli, contents, edit

from generator.diag import DIAGNOSTICS, Diagnostic
from generator.lint import lint, lint_texts_of
from generator.pipeline import run
from generator.plan import Job, Mirror, check_plan
from generator.templates_lint import MAX_LINES, check_template, unread_fields


@dataclass(frozen=True, slots=True)
class Item:
    """What a template loops over."""

    name: str
    last: bool


@dataclass(frozen=True, slots=True)
class View:
    """The view of the templates below."""

    title: str
    items: tuple[Item, ...]
    first: Item
    public: bool


HEAD = f"{{#- view: generator.views.{Path(__file__).stem}.View -#}}\n"


@pytest.fixture(autouse=True)
def _views(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module is where the templates below find their view."""
    import sys

    monkeypatch.setitem(sys.modules, f"generator.views.{Path(__file__).stem}", sys.modules[__name__])


def found(text: str, head: str = HEAD) -> list[tuple[str, int]]:
    return [(d.id, d.span.line) for d in check_template("templates/x.j2", head + text) if d.span]


def one(text: str) -> Diagnostic:
    (finding,) = check_template("templates/x.j2", HEAD + text)
    return finding


GOOD = """{{ v.title }}{{ v.title | py }}{{ v.title | doc }}
{% for item in v.items %}
{{ item.name }}{% if not item.last %}, {% endif %}
{% endfor %}
{% if v.public %}{{ v.first.name | indent }}{% else %}-{% endif %}
"""


def test_a_good_template_is_clean() -> None:
    assert found(GOOD) == []


@pytest.mark.parametrize(
    ("code", "line", "text"),
    [
        ("T001", 3, "\n{{ v.title"),
        ("T001", 2, "{% if v.public %}"),
        ("T002", 3, "\n{% set x = v.title %}"),
        ("T002", 2, "{{ v.title.upper() }}"),
        ("T002", 2, "{{ v.items[0] }}"),
        ("T002", 2, "{{ 1 + 2 }}"),
        ("T002", 2, "{{ v.title ~ v.title }}"),
        ("T002", 2, "{{ v.title if v.public else '' }}"),
        ("T002", 3, "\n{% if v.title == 'x' %}{% endif %}"),
        ("T002", 2, "{% if v.public and v.public %}{% endif %}"),
        ("T002", 2, "{% if v.public or v.public %}{% endif %}"),
        ("T002", 2, "{% for item in v.items if item.last %}{% endfor %}"),
        ("T002", 2, "{% for a, b in v.items %}{% endfor %}"),
        ("T002", 2, "{% include 'other.j2' %}"),
        ("T002", 2, "{% macro m(x) %}{% endmacro %}"),
        ("T002", 2, "{{ v.title | upper }}"),
        ("T002", 2, "{{ 'text' }}"),
        ("T005", 2, "{{ v.titel }}"),
        ("T005", 4, "\n\n{% for item in v.items %}{{ item.nam }}{% endfor %}"),
        ("T005", 2, "{{ w.title }}"),
        ("T005", 2, "{{ v.first.name.length }}"),
        ("T005", 2, "{% if v.publik %}{% endif %}"),
        ("T006", 2, "{{ v.items }}"),
        ("T006", 2, "{{ v.first }}"),
        ("T006", 3, "\n{% for c in v.title %}{{ c }}{% endfor %}"),
        ("T009", MAX_LINES + 1, "x\n" * (MAX_LINES + 5)),
    ],
)
def test_each_fault_is_found_at_its_line(code: str, line: int, text: str) -> None:
    finding = one(text)
    assert (finding.id, finding.span and finding.span.line) == (code, line)
    assert finding.message


def test_near_names_are_suggested() -> None:
    assert one("{{ v.titel }}").hint == "did you mean 'title'?"


@pytest.mark.parametrize(
    ("code", "head"),
    [
        ("T003", ""),
        ("T003", "# a comment\n{#- view: package.MarchesView -#}\n"),
        ("T004", "{#- view: package.NoSuchView -#}\n"),
        ("T004", "{#- view: nosuchmodule.View -#}\n"),
        ("T004", "{#- view: View -#}\n"),
    ],
)
def test_the_first_line_names_a_view(code: str, head: str) -> None:
    assert found("text\n", head) == [(code, 1)]


def test_fields_that_no_template_reads_are_told() -> None:
    assert set(unread_fields({"a.j2": HEAD + "{{ v.title }}{{ v.first.name }}"})) == {"View.items", "View.public"}


def test_all_shipped_templates_are_clean() -> None:
    for path in sorted((ROOT / "templates").rglob("*.j2")):
        assert check_template(path.relative_to(ROOT).as_posix(), path.read_text()) == ()


def test_mechanism_is_clean() -> None:
    texts = lint_texts_of(ROOT)
    findings = lint(run(ROOT), texts)
    assert findings == ()
    assert any(path.startswith("generator/") for path in texts)
    assert any("/_runtime/" in path for path in texts)


@pytest.mark.parametrize(
    ("code", "file", "text", "line"),
    [
        ("T012", "templates/horizon_plugin_pytorch/_runtime/place.py", 'X = "bayes-e"', None),
        ("T012", "templates/horizon_plugin_pytorch/_runtime/place.py", "X = Bernoulli2", None),
        ("T012", "templates/horizon_plugin_pytorch/_runtime/place.py", "# as conv2d does", None),
        ("T012", "templates/horizon_plugin_pytorch/_runtime/place.py", "Y = conv2d_relu", None),
        ("T012", "templates/horizon_plugin_pytorch/march.py.j2", "{# bayes #}", None),
        ("T012", "generator/policy.py", "MARCHES = ('bayes',)", 1),
    ],
)
def test_policy_in_mechanism_is_found(checkout: Path, code: str, file: str, text: str, line: int | None) -> None:
    path = checkout / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}{text}\n")
    told = cli(checkout, "build")
    assert told.status == 1
    assert f"{file}:{line or before.count(chr(10)) + 1}:" in told.out
    assert told.out.count(f"error {code}: ") == 1


def test_a_mirrored_module_says_that_it_is_mirrored(checkout: Path) -> None:
    file = "templates/horizon_plugin_pytorch/_runtime/place.py"
    (checkout / file).write_text("x = 1\n" + (checkout / file).read_text())
    told = cli(checkout, "build")
    assert (told.status, told.out.count("error T011")) == (1, 1)
    assert f"{file}:1:1: error T011" in told.out


def test_a_render_that_fails_names_the_line_of_its_template(checkout: Path) -> None:
    file = "templates/horizon_plugin_pytorch/march.py.j2"
    text = (checkout / file).read_text()
    (checkout / file).write_text(text + "{{ v.marches | py }}\n")
    before = contents(checkout / "generated")
    told = cli(checkout, "build")
    assert told.status == 1
    assert f"{file}:{text.count(chr(10)) + 1}:1: error T013" in told.out
    assert contents(checkout / "generated") == before


def test_text_that_cannot_be_formatted_names_its_template(checkout: Path) -> None:
    file = "templates/horizon_plugin_pytorch/march.py.j2"
    (checkout / file).write_text((checkout / file).read_text() + "def (\n")
    before = contents(checkout / "generated")
    told = cli(checkout, "build")
    assert (told.status, told.out.count("error T014")) == (1, 1)
    assert file in told.out
    assert contents(checkout / "generated") == before


def test_bytes_that_are_no_text_are_told(checkout: Path) -> None:
    file = checkout / "templates/horizon_plugin_pytorch/march.py.j2"
    file.write_bytes(file.read_bytes() + b"\xff\n")
    told = cli(checkout, "build")
    assert (told.status, told.err) == (1, "")


def test_plans_that_cannot_be_written() -> None:
    def codes(jobs: list[Job], mirrors: list[Mirror], templates: list[str]) -> list[tuple[str, str]]:
        return [(d.id, d.severity) for d in check_plan(jobs, mirrors, templates)]

    def job(path: str) -> Job:
        return Job(path, "t.j2", None, ())

    assert codes([job("a.py")], [], ["t.j2"]) == []
    assert codes([job("a.py"), job("A.py")], [], ["t.j2"]) == [("T015", "error")]
    assert codes([job("a.py"), job("a.py/b.py")], [], ["t.j2"]) == [("T015", "error")]
    assert codes([job("a.py")], [Mirror("a.py")], ["t.j2"]) == [("T015", "error")]
    for path in ("../a.py", "/a.py", "MANIFEST", "a b.py", "", "x/./a.py", "x\\a.py"):
        assert codes([job(path)], [], ["t.j2"]) == [("T015", "error")], path
    assert codes([job("a.py")], [], []) == [("T017", "error")]
    assert codes([job("a.py")], [], ["t.j2", "idle.j2"]) == [("T017", "warning")]


def test_a_module_that_cannot_be_imported_is_told(checkout: Path) -> None:
    edit(
        checkout,
        "templates/horizon_plugin_pytorch/march.py.j2",
        HEAD_OF_MARCH,
        "import nosuchmodule  # noqa: F401\n" + HEAD_OF_MARCH,
    )
    assert cli(checkout, "build").status == 0
    told = cli(checkout, "check", "--full")
    assert (told.status, told.out.count("error T016")) == (1, 1)
    assert "nosuchmodule" in told.out


HEAD_OF_MARCH = "from ._runtime.march import"


def test_every_code_is_documented() -> None:
    import re

    text = "".join(path.read_text() for path in sorted((ROOT / "generator").rglob("*.py")))
    used = set(re.findall(r'"([STPLCDF]\d{3})"', text))
    from generator.formula.problems import CODES

    assert used <= set(DIAGNOSTICS) | set(CODES), sorted(used - set(DIAGNOSTICS) - set(CODES))
