"""Kernel specs to proven, lowered kernels: the bridge between the catalog and the formula compiler.

In: the Catalog. Out: for every march (and for what is common to all) its compiled kernels, and a diagnostic at the
formula's own line and column for everything that cannot be proved.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial

from generator.compile_problems import Problems, unknown_names
from generator.diag import Diagnostic, did_you_mean
from generator.formula import model
from generator.formula.compiler import compile_kernel
from generator.formula.model import Compiled, MarchFacts
from generator.formula.parse import parse
from generator.formula.problems import Problem
from generator.link import Catalog, KernelEntry, Linked
from generator.memo import Memo, digest
from generator.proven import COMMON, Kernels, Keys
from generator.schema import Kernel, March
from generator.schema_base import Spec

_WORD = re.compile(r"\w+")
ABSENT = "none"
"""What a march chooses for a role of which it has no kernel."""


def prove_all(catalog: Catalog, memo: Memo) -> tuple[Keys, tuple[Diagnostic, ...]]:
    """Prove every kernel for every march that it applies to, but for those that the memo knows; all it knows is their keys."""
    if dangling := (*_check_algorithms(catalog), *_check_rounding(catalog)):
        return {}, dangling
    compiler = Compiler(catalog, memo)
    kernels = {name: compiler.compile(name) for name in compiler.facts}
    keys = {name: found.keys_by_role for name, found in kernels.items()}
    return keys, compiler.problems.diagnostics() or tuple(_idle_sites(catalog, kernels))


def _idle_sites(catalog: Catalog, compiled: Mapping[str | None, Kernels]) -> Iterator[Diagnostic]:
    """Rounding sites that a march states and that none of the kernels it chose reads."""
    for name, march in catalog.marches.items():
        read = {site for facts in compiled[name].facts.values() for site in facts.sites}
        for site in march.spec.rounding:
            origin = march.origin("rounding", site)
            if site not in read and origin.how == "own":
                message = f"no kernel that {name} chose reads the rounding site {site!r}"
                yield Diagnostic("C041", message, origin.span, hint="remove it, or choose another algorithm")


def role_algorithm(entry: KernelEntry) -> str:
    """The algorithm entry of a march that chooses among the variants of this kernel's role."""
    return entry.kernel.algorithm or entry.kernel.id


def march_facts(march: Linked[March], catalog: Catalog) -> MarchFacts:
    """What formulas may read of a march."""
    spec = march.spec
    algorithms = {entry.kernel.id: spec.algorithm.get(role_algorithm(entry), "") for entry in catalog.kernels}
    return MarchFacts(spec.id, dict(_constants(spec)), dict(spec.rounding), algorithms)


def formula_dtypes(catalog: Catalog) -> dict[str, model.Dtype]:
    """The dtypes as formulas know them."""
    dtypes = catalog.dtypes.spec.dtypes
    return {name: model.Dtype(name, d.bits, d.min, d.max, d.storage) for name, d in dtypes.items()}


def _constants(spec: Spec, prefix: str = "") -> Iterator[tuple[str, int]]:
    """The numeric fields of a march under dotted names."""
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Spec):
            yield from _constants(value, f"{prefix}{name}.")
        elif isinstance(value, int):
            yield f"{prefix}{name}", value


class Compiler:
    """Holds what every compilation shares, and collects problems."""

    def __init__(self, catalog: Catalog, memo: Memo | None = None) -> None:
        self.memo = memo or Memo()
        self.facts: dict[str | None, MarchFacts] = {
            name: march_facts(march, catalog) for name, march in catalog.marches.items()
        }
        self.facts[None] = MarchFacts(COMMON, {}, {}, {})
        self.entries = {str(number): entry for number, entry in enumerate(catalog.kernels)}
        self.problems = Problems(catalog, self.entries)
        self.kernels = {
            (entry.kernel.id, entry.kernel.variant or ""): _to_formula(entry, number)
            for number, entry in self.entries.items()
        }
        self.dtypes = formula_dtypes(catalog)
        self.rounding = {
            name: model.RoundingMode(name, m.real, m.shift, m.doc) for name, m in catalog.rounding.spec.modes.items()
        }
        self.roles: dict[str, list[str]] = {}
        for number, entry in self.entries.items():
            self.roles.setdefault(entry.kernel.id, []).append(number)
        self.texts = {number: repr(entry.kernel) for number, entry in self.entries.items()}
        self.words = {
            number: sorted(_words(entry.kernel) & self.roles.keys()) for number, entry in self.entries.items()
        }
        self.shared = digest(self.dtypes, self.rounding)
        self.chosen = {march: self._choose(march) for march in self.facts}

    def compile(self, march: str | None) -> Kernels:
        """The kernels of one march (or for None those of no march), by role; kernels with problems are left out."""
        keys = {}
        for role, number in self.chosen[march].items():
            key = self.memo.key("kernel", self._reads(number, self.facts[march]))
            try:
                if not self.memo.knows(key):
                    self.memo.result(key, partial(self.prove, march, role))
            except _RefusedError as error:
                self.problems.add(error.problems, number, self.facts[march].id)
            else:
                keys[role] = key
        return Kernels(self.memo, keys, partial(self.prove, march))

    def _choose(self, march: str | None) -> dict[str, str]:
        """The entry of each role that a march computes; that of the variant that it chose."""
        scope, algorithms = "march" if march else "common", self.facts[march].algorithms
        return {
            entry.kernel.id: number
            for number, entry in self.entries.items()
            if entry.family.spec.scope == scope and entry.kernel.variant in (None, algorithms.get(entry.kernel.id))
        }

    def prove(self, march: str | None, role: str) -> Compiled:
        """One kernel of a march."""
        kernel = self.entries[self.chosen[march][role]].kernel
        return self._prove(kernel, self.facts[march])

    def _prove(self, kernel: Kernel, facts: MarchFacts) -> Compiled:
        result = compile_kernel(
            self.kernels[kernel.id, kernel.variant or ""], facts, self.kernels, self.dtypes, self.rounding
        )
        if isinstance(result, tuple):
            raise _RefusedError(result)
        return result

    def _reads(self, number: str, facts: MarchFacts) -> tuple[object, ...]:
        """Everything that a kernel's compilation may read: itself, what it may call, and the facts that these name."""
        found = {number: None}
        waiting = [number]
        while waiting:
            for called in self._called(waiting.pop(), facts):
                if called not in found:
                    found[called] = None
                    waiting.append(called)
        text = "".join(self.texts[number] for number in found)
        sites = {site: mode for site, mode in facts.sites.items() if site in text}
        return facts.id, text, sites, facts.constants, self.shared

    def _called(self, number: str, facts: MarchFacts) -> Iterator[str]:
        """Kernels whose names stand in the formulas of this one, in the variant that the march chose."""
        for word in self.words[number]:
            for called in self.roles[word]:
                if self.entries[called].kernel.variant in (None, facts.algorithms.get(word)):
                    yield called


class _RefusedError(Exception):
    """A kernel cannot be proved."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__()
        self.problems = problems


def _words(kernel: Kernel) -> frozenset[str]:
    """Every word of a kernel's formulas."""
    return frozenset(_WORD.findall(" ".join(map(str, (*kernel.derive.values(), *kernel.compute.values())))))


def _to_formula(entry: KernelEntry, number: str) -> model.Kernel:
    kernel = entry.kernel
    return model.Kernel(
        id=kernel.id,
        variant=kernel.variant or "",
        doc=kernel.doc,
        types=kernel.types,
        scales=kernel.scales,
        integers=kernel.integers,
        tensors=kernel.tensors,
        tables=kernel.tables,
        sites=kernel.sites,
        derive=_formulas(kernel.derive, f"{number}:derive"),
        compute=_formulas(kernel.compute, f"{number}:compute"),
        result=kernel.result,
        where=f"{number}:",
    )


def _formulas(lines: Mapping[str, str | int], where: str) -> tuple[model.Formula, ...]:
    return tuple(
        model.Formula(tuple(target.strip() for target in targets.split(",")), str(text), f"{where}.{targets}")
        for targets, text in lines.items()
    )


def _check_rounding(catalog: Catalog) -> tuple[Diagnostic, ...]:
    """The formulas of rounding modes, used or not: well-formed, and over x and n alone."""
    problems = Problems(catalog, {})
    for name, mode in catalog.rounding.spec.modes.items():
        for form, text, known in (("real", mode.real, {"x"}), ("shift", mode.shift, {"x", "n"})):
            expr = parse(text, f"rounding:{name}.{form}") if text is not None else ()
            problems.add(expr if isinstance(expr, tuple) else unknown_names(expr, known), "", COMMON)
    return problems.diagnostics()


def _check_algorithms(catalog: Catalog) -> Iterator[Diagnostic]:
    """Every variant role is chosen by every march, with a variant that exists; no march chooses for a role unknown."""
    variants: dict[str, set[str]] = {}
    for entry in catalog.kernels:
        if entry.kernel.variant is not None:
            variants.setdefault(role_algorithm(entry), set()).add(entry.kernel.variant)
    for march in catalog.marches.values():
        for role, variant in march.spec.algorithm.items():
            span = march.span("algorithm", role)
            if role not in variants:
                span = march.key_span("algorithm", role)
                yield Diagnostic(
                    "C001",
                    f"no kernel has variants chosen by algorithm.{role}",
                    span,
                    hint=did_you_mean(role, variants),
                )
            elif variant not in (*variants[role], ABSENT):
                yield Diagnostic(
                    "C002", f"{role} has no variant {variant!r}", span, hint=did_you_mean(variant, variants[role])
                )
        parent = catalog.marches.get(march.spec.extends or "")
        if parent is not None and set(variants) - set(parent.spec.algorithm):
            continue  # told of the parent
        for role in sorted(set(variants) - set(march.spec.algorithm)):
            options = ", ".join(sorted(variants[role]))
            yield Diagnostic(
                "C003",
                f"{march.spec.id} does not choose an algorithm for {role}",
                march.key_span("algorithm"),
                hint=f"one of {options}",
            )
