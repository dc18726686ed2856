"""What goldens run on: the kernels and colour functions of one set of specs, imported from disk or made in memory.

In: the generated package, or a catalog (perhaps of changed specs). Out: a `Build`; a golden asks it for kernels, and the
build remembers what it was asked for, so that a changed spec need only be held against the goldens that it can reach.
Nothing is written to disk: lowered lines are executed as they leave the formula compiler.
"""

import builtins
import functools
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

import horizon_plugin_pytorch.functional
import horizon_plugin_pytorch.qtensor
import horizon_plugin_pytorch.quantization.qconfig
from generator import formula
from generator.compile import _Compiler
from generator.formula import Compiled, MarchFacts
from generator.link import Catalog, link
from generator.render import make_environment
from generator.source import Doc, load_tree
from generator.views.package import colors_view
from generator.views.presets import presets_view
from horizon_plugin_pytorch._runtime import march as march_state
from horizon_plugin_pytorch.dtype import DTYPES, QuantDType
from horizon_plugin_pytorch.kernels import common, load

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
MARCHES = ("bernoulli", "bernoulli2", "bayes", "bayes-e")
COMMON = ""
"""Stands for a march where no march changes anything."""
Key = tuple[str, str]
"""(march, kernel role), or ("mode", rounding mode), or ("color", "tables")."""

TABLES: Key = ("color", "tables")
PRESETS: Key = ("presets", "qconfigs")


class UnprovedError(Exception):
    """The formula compiler refuses a kernel; the argument is the first problem."""


class Build:
    """Kernels by march, and the colour functions, as they were generated."""

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self.touched: set[Key] = set()

    def kernels(self, march: str) -> Any:
        """The kernels of a march, or for COMMON those of no march."""
        return _Asked(self, march, common if march == COMMON else load(march))

    def mode(self, name: str) -> Any:
        """A rounding mode by itself: `.real(x)` and `.shift(x, n=n)`."""
        self.touched.add(("mode", name))
        return _in_memory().mode(name)

    def at_sites(self, march: str, role: str, sites: Mapping[str, str]) -> Any:
        """A kernel of a march with other rounding modes at some sites."""
        self.touched |= {(march, role), *(("mode", mode) for mode in sites.values())}
        return _in_memory().at_sites(march, role, sites)

    @property
    def functional(self) -> Any:
        """The module of colour functions."""
        self.touched.add(TABLES)
        return horizon_plugin_pytorch.functional

    @property
    def presets(self) -> Any:
        """The module of named qconfigs."""
        self.touched.add(PRESETS)
        return horizon_plugin_pytorch.quantization.qconfig

    @property
    def color(self) -> Any:
        """The mechanism of colour functions, and `.tables` with the colour spaces."""
        self.touched.add(TABLES)
        from horizon_plugin_pytorch import _colors
        from horizon_plugin_pytorch._runtime import color

        return SimpleNamespace(inverse_parameters=color.inverse_parameters, tables=_colors)


class MemoryBuild(Build):
    """The same from a catalog, compiled when asked for; what a base build has compiled already is taken from there."""

    def __init__(self, catalog: Catalog, base: "MemoryBuild | None" = None) -> None:
        """Prepare, compile nothing."""
        super().__init__()
        self.catalog = catalog
        self.base = base
        self.specs = _Compiler(catalog)
        self.facts = {**self.specs.facts, COMMON: MarchFacts("common", {}, {}, {})}
        self.dtypes = {name: _dtype(name, spec) for name, spec in catalog.dtypes.spec.dtypes.items()}
        self._roles = {march: self._roles_of(march) for march in self.facts}
        self._compiled: dict[Key, Compiled] = {}
        self._functions: dict[str, dict[str, Any]] = {march: {} for march in self.facts}

    def kernels(self, march: str) -> Any:
        return _Asked(self, march, _Lazy(self, march))

    def roles(self, march: str) -> tuple[str, ...]:
        """Every kernel role of a march."""
        return self._roles[march]

    def _roles_of(self, march: str) -> tuple[str, ...]:
        scope = "common" if march == COMMON else "march"
        chosen = self.facts[march].algorithms
        kernels = [entry.kernel for entry in self.catalog.kernels if entry.family.spec.scope == scope]
        return tuple(kernel.id for kernel in kernels if kernel.variant in (None, chosen.get(kernel.id)))

    def compiled(self, march: str, role: str) -> Compiled:
        """One kernel, from the base build if no part of it changed.

        Raises:
            UnprovedError: the formula compiler reports a problem.
            AttributeError: the march has no such kernel.
        """
        key = (march, role)
        if key not in self._compiled:
            old = self.base and self.base.compiled_or_none(march, role)
            self._compiled[key] = old if old and self.is_unchanged(march, role) else self._compile(self.facts[march], role)
        return self._compiled[key]

    def compiled_or_none(self, march: str, role: str) -> Compiled | None:
        """One kernel, or None if the march has none of that role."""
        return self.compiled(march, role) if march in self.facts and role in self.roles(march) else None

    def is_unchanged(self, march: str, role: str) -> bool:
        """Whether a kernel says in this build, with all that it reads, what it said in the base build."""
        assert self.base is not None
        old = self.base.compiled(march, role)
        now, before = self.facts[march], self.base.facts[march]
        labels = [(label.partition("/")[0], label.partition("/")[2]) for label in (old.label, *old.calls)]
        modes = {before.sites[site] for site in old.sites}
        return (
            all(self.specs.kernels.get(key) == self.base.specs.kernels[key] for key in labels)
            and all(now.algorithms.get(called) == before.algorithms.get(called) for called, _ in labels)
            and all(now.sites.get(site) == before.sites[site] for site in old.sites)
            and all(self.specs.rounding.get(mode) == self.base.specs.rounding[mode] for mode in modes)
            and all(now.constants.get(name) == before.constants[name] for name in old.constants)
            and self.specs.dtypes == self.base.specs.dtypes
        )

    def changed(self) -> set[Key]:
        """Everything that is not as in the base build."""
        assert self.base is not None
        found = {
            (march, role)
            for march in self.facts
            for role in {*self.roles(march), *self.base.roles(march)}
            if role not in self.roles(march) or role not in self.base.roles(march) or not self.is_unchanged(march, role)
        }
        found |= {("mode", m) for m, spec in self.base.specs.rounding.items() if self.specs.rounding.get(m) != spec}
        colors = [{name: linked.spec for name, linked in b.catalog.colors.items()} for b in (self, self.base)]
        found |= {TABLES} if colors[0] != colors[1] else set()
        presets = [(b.catalog.qconfigs.spec, b.catalog.observers.spec) for b in (self, self.base)]
        return found | ({PRESETS} if presets[0] != presets[1] else set())

    def function(self, march: str, name: str) -> Any:
        """A kernel's function or, with the prefix derive_, what derives its integers."""
        known, role = self._functions[march], name.removeprefix("derive_")
        if role not in known:
            if role not in self.roles(march):
                raise AttributeError(name)
            compiled = self.compiled(march, role)
            shared = self.base and self.base.compiled_or_none(march, role) is compiled
            known.update(self.base._both(march, role) if shared and self.base else _functions(role, compiled))
        if name not in known:
            raise AttributeError(name)
        return known[name]

    def _both(self, march: str, role: str) -> dict[str, Any]:
        self.function(march, role)
        return {name: f for name, f in self._functions[march].items() if name.removeprefix("derive_") == role}

    def mode(self, name: str) -> Any:
        self.touched.add(("mode", name))
        facts = MarchFacts("probe", {}, {"site": name}, {})
        real = formula.Kernel(
            id="real", tensors={"x": "real"}, sites={"m": "site"}, result="real",
            compute=(formula.Formula(("y",), "round_real(x, m)", "probe"),),
        )  # fmt: skip
        shift = formula.Kernel(
            id="shift", tensors={"x": (-(2**30), 2**30)}, integers={"n": (0, 31)}, sites={"m": "site"}, result="qint32",
            compute=(formula.Formula(("y",), "shift_right(x, n, m)", "probe"),),
        )  # fmt: skip
        found: dict[str, Any] = {}
        for kernel in (real, shift) if self.specs.rounding[name].shift else (real,):
            found |= _functions(kernel.id, self._prove(kernel, facts))
        return SimpleNamespace(**found)

    def at_sites(self, march: str, role: str, sites: Mapping[str, str]) -> Any:
        self.touched |= {(march, role), *(("mode", mode) for mode in sites.values())}
        facts = replace(self.facts[march], sites={**self.facts[march].sites, **sites})
        return SimpleNamespace(**_functions(role, self._compile(facts, role)))

    @functools.cached_property
    def _color_modules(self) -> tuple[ModuleType, ModuleType, ModuleType]:
        """(mechanism, tables, functions) over this build's kernels and colour spaces."""
        color = _execute("color", _COLOR_SOURCE, {"kernels": SimpleNamespace(common=self.kernels(COMMON), load=self.kernels)}, "_runtime")
        view = colors_view(self.catalog)
        runtime = SimpleNamespace(color=color)
        tables = _execute("tables", _render("_colors.py", view), {"_runtime.color": color})
        found = {"_colors": tables, "_runtime": runtime, "_runtime.qtensor": horizon_plugin_pytorch.qtensor}
        return color, tables, _execute("functional", _render("functional.py", view), found)

    @property
    def functional(self) -> Any:
        self.touched.add(TABLES)
        return self._color_modules[2]

    @property
    def presets(self) -> Any:
        self.touched.add(PRESETS)
        return _execute("presets", _render("quantization/qconfig.py", presets_view(self.catalog)), {}, "quantization")

    @property
    def color(self) -> Any:
        self.touched.add(TABLES)
        mechanism, tables, _ = self._color_modules
        return SimpleNamespace(inverse_parameters=mechanism.inverse_parameters, tables=tables)

    def _compile(self, facts: MarchFacts, role: str) -> Compiled:
        variant = facts.algorithms.get(role, "")
        kernels = self.specs.kernels
        return self._prove(kernels.get((role, variant)) or kernels[role, ""], facts)

    def _prove(self, kernel: formula.Kernel, facts: MarchFacts) -> Compiled:
        result = formula.compile_kernel(kernel, facts, self.specs.kernels, self.specs.dtypes, self.specs.rounding)
        if isinstance(result, tuple):
            raise UnprovedError(f"{result[0].code}: {result[0].message}")
        return result


class _Asked:
    """A namespace of kernels that notes who was asked for."""

    def __init__(self, build: Build, march: str, kernels: Any) -> None:
        self._build, self._march, self._kernels = build, march, kernels

    def __getattr__(self, name: str) -> Any:
        self._build.touched.add((self._march, name.removeprefix("derive_")))
        return getattr(self._kernels, name)


class _Lazy:
    """A namespace of kernels that compiles them when they are asked for."""

    def __init__(self, build: MemoryBuild, march: str) -> None:
        self._build, self._march = build, march

    def __getattr__(self, name: str) -> Any:
        return self._build.function(self._march, name)


@dataclass(frozen=True, slots=True)
class Golden:
    """A fact that no spec generated: `check` raises AssertionError when a build contradicts it.

    Attributes:
        name: Unique, for reports.
        march: The march that it speaks of, or COMMON.
        check: Takes a build.
    """

    name: str
    march: str
    check: Callable[[Build], None]


def load_specs() -> tuple[tuple[Doc, ...], Catalog]:
    """The specs of this checkout, which must be sound."""
    docs, unreadable = load_tree(ROOT / "specs", ROOT)
    catalog, mistyped = link(docs)
    assert catalog is not None, [*unreadable, *mistyped]
    return docs, catalog


@functools.cache
def _in_memory() -> MemoryBuild:
    return MemoryBuild(load_specs()[1])


def run(kernels: Any, role: str, dtypes: Mapping[str, QuantDType] = DTYPES, **values: Any) -> tuple[dict[str, Any], Any]:
    """Derive and compute one kernel from plain values.

    Args:
        kernels: A namespace of kernels.
        role: The kernel.
        dtypes: The dtypes that names stand for.
        values: Every argument of both functions by name: strings are dtypes; floats and lists are tensors (float32 or
            int64), ints of tensors' names too.

    Returns:
        (derived parameters as plain values, result as plain values); a result is None when a tensor is missing.
    """
    derive, compute = getattr(kernels, f"derive_{role}", None), getattr(kernels, role)
    given = {name: _argument(value, dtypes) for name, value in values.items()}
    params: Any = None
    if derive is not None:
        params = derive(**{name: given[name] for name in _parameters(derive)})
    needed = [name for name in _parameters(compute) if name != "p"]
    if any(name not in given for name in needed):
        return _plain_params(params), None
    for name in needed:
        if isinstance(given[name], int) and not isinstance(given[name], bool) and name in _positional(compute):
            given[name] = torch.tensor(given[name])
    extra = {} if params is None else {"p": params}
    return _plain_params(params), plain(compute(**{name: given[name] for name in needed}, **extra))


def plain(value: Any) -> Any:
    """A tensor as a number or as nested lists of numbers."""
    return value.tolist() if isinstance(value, Tensor) else value


def f32(*values: float) -> Tensor:
    """A float32 tensor: 0-d for one value."""
    return torch.tensor(values[0] if len(values) == 1 else values, dtype=torch.float32)


@contextmanager
def current_march(march: str) -> Iterator[None]:
    """Set the process-wide march for a while."""
    before = march_state.get_march()
    march_state.set_march(march)
    try:
        yield
    finally:
        march_state._Process.march = before


def _plain_params(params: Any) -> dict[str, Any]:
    return {} if params is None else {name: plain(value) for name, value in params._asdict().items()}


def _argument(value: Any, dtypes: Mapping[str, QuantDType]) -> Any:
    if isinstance(value, str):
        return dtypes[value]
    if isinstance(value, (float, list, tuple)):
        tensor = torch.tensor(value)
        return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
    return value


def _parameters(function: Any) -> tuple[str, ...]:
    code: CodeType = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _positional(function: Any) -> tuple[str, ...]:
    code: CodeType = function.__code__
    return code.co_varnames[: code.co_argcount]


def _dtype(name: str, spec: Any) -> QuantDType:
    return QuantDType(name, bits=spec.bits, min=spec.min, max=spec.max, storage=getattr(torch, spec.storage))


@functools.cache
def _helpers() -> dict[str, Any]:
    """The functions that lowered lines call."""
    found: dict[str, Any] = {"torch": torch, "Tensor": Tensor}
    for text in formula.TORCH_HELPERS.values():
        exec(text, found)  # noqa: S102 - the generator's own text
    return found


def _functions(role: str, compiled: Compiled) -> dict[str, Any]:
    """A compiled kernel as functions with the signatures of the generated modules."""
    names = [param.name for param in compiled.params]
    text = _function(role, compiled.compute_args, compiled.torch_compute, params=bool(names))
    if names:
        result = f"return _Params({', '.join(names)})"
        text += _function(f"derive_{role}", compiled.derive_args, (*compiled.torch_derive, result), params=False)
    scope = {**_helpers(), "_Params": namedtuple("_Params", names)}  # noqa: PYI024 - its fields are known now only
    exec(text, scope)  # noqa: S102 - the formula compiler's own text
    return {name: scope[name] for name in (role, f"derive_{role}") if name in scope}


def _function(name: str, args: Any, lines: tuple[str, ...], *, params: bool) -> str:
    first = [arg.name for arg in args if arg.kind in ("tensor", "scale")] + (["p"] if params else [])
    last = [arg.name for arg in args if arg.kind in ("int", "dtype")]
    signature = ", ".join([*first, *(["*", *last] if last else [])])
    return "\n".join([f"def {name}({signature}):", *(f"    {line}" for line in lines), ""])


_COLOR_SOURCE = compile((ROOT / "templates/horizon_plugin_pytorch/_runtime/color.py").read_text("utf-8"), "color.py", "exec")


@functools.cache
def _environment() -> Any:
    return make_environment(ROOT / "templates")


def _render(name: str, view: Any) -> str:
    text: str = _environment().get_template(f"horizon_plugin_pytorch/{name}.j2").render(v=view)
    return text


def _execute(name: str, source: str | CodeType, relative: Mapping[str, Any], folder: str = "") -> ModuleType:
    """Execute a module of the package whose relative imports come from `relative`, else from the package on disk."""

    def find(module: str, scope: Any, local: Any, wanted: Any, level: int) -> Any:
        if level and module in relative:
            return relative[module]
        return builtins.__import__(module, scope, local, wanted, level)

    module = ModuleType(f"in_memory_{name}")
    scope = module.__dict__
    scope["__builtins__"] = {**vars(builtins), "__import__": find}
    scope["__package__"] = f"horizon_plugin_pytorch.{folder}".rstrip(".")
    exec(source, scope)  # noqa: S102 - the templates' own text
    return module
