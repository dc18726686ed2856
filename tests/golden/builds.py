"""Builds that goldens run on: the generated package, and kernels made in memory from specs that may be changed.

In: the package, or a catalog. Out: a build; it remembers what it was asked for, so that a changed spec need only be held
against the goldens that it can reach. Nothing is written to disk.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

from golden_support import COMMON

import horizon_plugin_pytorch.functional
import horizon_plugin_pytorch.qtensor
import horizon_plugin_pytorch.quantization.qconfig
from generator.compile import Compiler
from generator.formula.compiler import compile_kernel
from generator.formula.model import Compiled, Formula, Kernel, MarchFacts
from generator.link import Catalog
from generator.views.package import colors_view
from generator.views.presets import presets_view
from horizon_plugin_pytorch.kernels import common, load

from .lowered import COLOR_SOURCE, execute, functions, render
from .spec_tree import load_specs

Key = tuple[str, str]
"""(march, kernel role), or ("mode", rounding mode), or what else a build can be asked for."""
TABLES: Key = ("color", "tables")
PRESETS: Key = ("presets", "qconfigs")


class UnprovedError(Exception):
    """The formula compiler refuses a kernel; the argument is the first problem."""


class DiskBuild:
    """The package as it was generated."""

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


class MemoryBuild(DiskBuild):
    """The same from a catalog, compiled when asked for; what a base build has compiled already is taken from there."""

    def __init__(self, catalog: Catalog, base: "MemoryBuild | None" = None) -> None:
        """Prepare, compile nothing."""
        super().__init__()
        self.catalog = catalog
        self.base = base
        self.specs = Compiler(catalog)
        self.facts = {name or COMMON: facts for name, facts in self.specs.facts.items()}
        self._roles = {march: self._roles_of(march) for march in self.facts}
        self._compiled: dict[Key, Compiled] = {}
        self._reads: dict[Key, frozenset[tuple[str, str]]] = {}
        self._differ = {march: self._differences(march) for march in self.facts} if base else {}
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
            self._compiled[key] = (
                old if old and self.is_unchanged(march, role) else self._compile(self.facts[march], role)
            )
        return self._compiled[key]

    def compiled_or_none(self, march: str, role: str) -> Compiled | None:
        """One kernel, or None if the march has none of that role."""
        return self.compiled(march, role) if march in self.facts and role in self.roles(march) else None

    def is_unchanged(self, march: str, role: str) -> bool:
        """Whether a kernel says in this build, with all that it reads, what it said in the base build."""
        assert self.base is not None
        if not self._differ[march]:
            return True
        read = self.base.reads(march, role)
        return not read & self._differ[march]

    def reads(self, march: str, role: str) -> frozenset[tuple[str, str]]:
        """What a kernel of a march is compiled from: (what, name) of kernels, choices, sites, modes and constants."""
        key = (march, role)
        if key not in self._reads:
            compiled, facts = self.compiled(march, role), self.facts[march]
            labels = (compiled.label, *compiled.calls)
            self._reads[key] = frozenset(
                {
                    *(("kernel", label) for label in labels),
                    *(("algorithm", label.partition("/")[0]) for label in labels),
                    *(("site", site) for site in compiled.sites),
                    *(("mode", facts.sites[site]) for site in compiled.sites),
                    *(("constant", name) for name in compiled.constants),
                    ("dtypes", ""),
                }
            )
        return self._reads[key]

    def _differences(self, march: str) -> frozenset[tuple[str, str]]:
        """What of all that kernels read is not as in the base build."""
        base = self.base
        assert base is not None
        now, before = self.facts[march], base.facts[march]
        pairs: dict[str, tuple[Mapping[Any, Any], Mapping[Any, Any]]] = {
            "algorithm": (now.algorithms, before.algorithms), "site": (now.sites, before.sites),
            "mode": (self.specs.rounding, base.specs.rounding), "constant": (now.constants, before.constants),
        }  # fmt: skip
        found = {(what, name) for what, (a, b) in pairs.items() for name in {*a, *b} if a.get(name) != b.get(name)}
        return frozenset(
            found
            | self._kernels_that_differ()
            | ({("dtypes", "")} if self.specs.dtypes != base.specs.dtypes else set())
        )

    def _kernels_that_differ(self) -> set[tuple[str, str]]:
        assert self.base is not None
        now, before = self.specs.kernels, self.base.specs.kernels
        return {("kernel", "/".join(key).rstrip("/")) for key in {*now, *before} if now.get(key) != before.get(key)}

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
            known.update(self.base._both(march, role) if shared and self.base else functions(role, compiled))
        if name not in known:
            raise AttributeError(name)
        return known[name]

    def _both(self, march: str, role: str) -> dict[str, Any]:
        self.function(march, role)
        return {name: f for name, f in self._functions[march].items() if name.removeprefix("derive_") == role}

    def mode(self, name: str) -> Any:
        self.touched.add(("mode", name))
        facts = MarchFacts("probe", {}, {"site": name}, {})
        real = Kernel(
            id="real", tensors={"x": "real"}, sites={"m": "site"}, result="real",
            compute=(Formula(("y",), "round_real(x, m)", "probe"),),
        )  # fmt: skip
        shift = Kernel(
            id="shift", tensors={"x": (-(2**30), 2**30)}, integers={"n": (0, 31)}, sites={"m": "site"}, result="qint32",
            compute=(Formula(("y",), "shift_right(x, n, m)", "probe"),),
        )  # fmt: skip
        found: dict[str, Any] = {}
        for kernel in (real, shift) if self.specs.rounding[name].shift else (real,):
            found |= functions(kernel.id, self._prove(kernel, facts))
        return SimpleNamespace(**found)

    def at_sites(self, march: str, role: str, sites: Mapping[str, str]) -> Any:
        self.touched |= {(march, role), *(("mode", mode) for mode in sites.values())}
        facts = replace(self.facts[march], sites={**self.facts[march].sites, **sites})
        return SimpleNamespace(**functions(role, self._compile(facts, role)))

    @functools.cached_property
    def _color_modules(self) -> tuple[ModuleType, ModuleType, ModuleType]:
        """(mechanism, tables, functions) over this build's kernels and colour spaces."""
        color = execute(
            "color",
            COLOR_SOURCE,
            {"kernels": SimpleNamespace(common=self.kernels(COMMON), load=self.kernels)},
            "_runtime",
        )
        view = colors_view(self.catalog)
        runtime = SimpleNamespace(color=color)
        tables = execute("tables", render("_colors.py", view), {"_runtime.color": color})
        found = {"_colors": tables, "_runtime": runtime, "_runtime.qtensor": horizon_plugin_pytorch.qtensor}
        return color, tables, execute("functional", render("functional.py", view), found)

    @property
    def functional(self) -> Any:
        self.touched.add(TABLES)
        return self._color_modules[2]

    @property
    def presets(self) -> Any:
        self.touched.add(PRESETS)
        return execute("presets", render("quantization/qconfig.py", presets_view(self.catalog)), {}, "quantization")

    @property
    def color(self) -> Any:
        self.touched.add(TABLES)
        mechanism, tables, _ = self._color_modules
        return SimpleNamespace(inverse_parameters=mechanism.inverse_parameters, tables=tables)

    def _compile(self, facts: MarchFacts, role: str) -> Compiled:
        variant = facts.algorithms.get(role, "")
        kernels = self.specs.kernels
        return self._prove(kernels.get((role, variant)) or kernels[role, ""], facts)

    def _prove(self, kernel: Kernel, facts: MarchFacts) -> Compiled:
        result = compile_kernel(kernel, facts, self.specs.kernels, self.specs.dtypes, self.specs.rounding)
        if isinstance(result, tuple):
            raise UnprovedError(f"{result[0].code}: {result[0].message}")
        return result


class _Asked:
    """A namespace of kernels that notes who was asked for."""

    def __init__(self, build: DiskBuild, march: str, kernels: Any) -> None:
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


@functools.cache
def _in_memory() -> MemoryBuild:
    return MemoryBuild(load_specs()[1])
