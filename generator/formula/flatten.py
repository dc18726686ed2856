"""One kernel with everything it calls as one flat list of formulas.

In: a Kernel and the tables. Out: `Flat`: parsed derive and compute formulas in which march fields are literals, rounding
sites are resolved and calls of other kernels are inlined, every name of theirs prefixed by the name that was assigned.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from generator.formula.lines import FUNCTIONS, Flat, Line, Section
from generator.formula.parse import parse
from generator.formula.problems import Problem, did_you_mean, problem
from generator.formula.syntax import Binary, Call, Expr, Name, Negate, Num, kept_real, substitute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from generator.formula.model import Dtype, Formula, Kernel, MarchFacts, RoundingMode
    from generator.formula.problems import Place

_SITE_FUNCTIONS = {"shift_right": "shift", "round": "real", "round_real": "real"}
_MAX_DEPTH = 8


@dataclass(slots=True)
class Flattener:
    """Walks a kernel and its callees; collects problems."""

    march: MarchFacts
    kernels: Mapping[tuple[str, str], Kernel]
    dtypes: Mapping[str, Dtype]
    rounding: Mapping[str, RoundingMode]
    problems: list[Problem] = field(default_factory=list)

    def flatten(self, kernel: Kernel, sites: Mapping[str, str] | None = None, stack: tuple[str, ...] = ()) -> Flat:
        """Inline everything that `kernel` calls; `sites` are its local rounding sites where a caller overrides them."""
        flat = Flat()
        local = {**kernel.sites, **(sites or {})}
        for formula in kernel.derive:
            if (expr := self._read(formula, flat, local)) is not None:
                lines = Section.of(formula, flat.derive, flat.sites)
                expr = self._resolve(expr, lines)
                flat.derive.append(Line(formula.targets, expr, _place(expr), own=not stack))
        for formula in kernel.compute:
            expr = self._read(formula, flat, local)
            if expr is None:
                continue
            if isinstance(expr, Call) and expr.function not in FUNCTIONS:
                self._inline(kernel, formula, expr, flat, local, (*stack, kernel.label))
            else:
                lines = Section.of(formula, flat.compute, flat.sites)
                expr = self._resolve(expr, lines)
                flat.compute.append(Line(formula.targets, expr, _place(expr), own=not stack))
        return flat

    def _read(self, formula: Formula, flat: Flat, local: Mapping[str, str]) -> Expr | None:
        expr = parse(formula.text, formula.where)
        if isinstance(expr, tuple):
            self.problems.extend(expr)
            return None
        return self._constants(expr, flat, local)

    def _constants(self, expr: Expr, flat: Flat, local: Mapping[str, str]) -> Expr:
        """March fields to literals, local sites to the sites of the march."""
        match expr:
            case Name() if expr.root == "march":
                return self._constant(expr, flat)
            case Negate():
                return replace(expr, operand=self._constants(expr.operand, flat, local))
            case Binary():
                return replace(
                    expr, left=self._constants(expr.left, flat, local), right=self._constants(expr.right, flat, local)
                )
            case Call():
                args = list(expr.args)
                if expr.function in _SITE_FUNCTIONS and len(args) == FUNCTIONS[expr.function][0]:
                    args[-1] = self._site(args[-1], local)
                    args[:-1] = [self._constants(arg, flat, local) for arg in args[:-1]]
                else:
                    args = [self._constants(arg, flat, local) for arg in args]
                keywords = tuple((k, self._keyword(v, flat, local)) for k, v in expr.keywords)
                return replace(expr, args=tuple(args), keywords=keywords)
            case _:
                return expr

    def _keyword(self, value: Expr, flat: Flat, local: Mapping[str, str]) -> Expr:
        if isinstance(value, Name) and (value.text in local or (value.tail and value.text in self.march.sites)):
            return self._site(value, local)
        return self._constants(value, flat, local)

    def _constant(self, name: Name, flat: Flat) -> Expr:
        if name.tail not in self.march.constants:
            hint = did_you_mean(name.tail, self.march.constants)
            self.problems.append(
                problem("F008", name.place, f"march {self.march.id} has no numeric field {name.tail!r}", hint)
            )
            return Num(1, name.place)
        flat.constants.add(name.tail)
        return Num(self.march.constants[name.tail], name.place)

    def _site(self, value: Expr, local: Mapping[str, str]) -> Expr:
        if not isinstance(value, Name):
            self.problems.append(problem("F009", _place(value), "a rounding site is a name"))
            return value
        if value.text.startswith("@"):
            return value
        return replace(value, text="@" + local.get(value.text, value.text))

    def _resolve(self, expr: Expr, lines: Section) -> Expr:
        """Replace functions that round at a site by the formula of the site's mode; bind what that would repeat."""
        match expr:
            case Negate():
                return replace(expr, operand=self._resolve(expr.operand, lines))
            case Binary():
                left, right = self._resolve(expr.left, lines), self._resolve(expr.right, lines)
                return replace(expr, left=left, right=right)
            case Call() if expr.function not in FUNCTIONS:
                what = (
                    f"{expr.function!r} is a kernel: assign its result to a name"
                    if any(r == expr.function for r, _ in self.kernels)
                    else f"unknown function {expr.function!r}"
                )
                code = "F015" if "kernel" in what else "F005"
                self.problems.append(problem(code, expr.place, what, did_you_mean(expr.function, FUNCTIONS)))
                return Num(0, expr.place)
            case Call() if len(expr.args) not in FUNCTIONS[expr.function] or expr.keywords:
                count = FUNCTIONS[expr.function][0]
                self.problems.append(
                    problem("F006", expr.place, f"{expr.function} takes {count} arguments, not {len(expr.args)}")
                )
                return Num(0, expr.place)
            case Call() if expr.function in _SITE_FUNCTIONS:
                return self._rounded(expr, lines)
            case Call():
                return replace(expr, args=tuple(self._resolve(arg, lines) for arg in expr.args))
            case _:
                return expr

    def _rounded(self, expr: Call, lines: Section) -> Expr:
        site = expr.args[-1]
        if not isinstance(site, Name):  # told when the sites were resolved
            return Num(0, expr.place)
        name = site.text.removeprefix("@")
        mode = self.march.sites.get(name)
        form = _SITE_FUNCTIONS[expr.function]
        text = getattr(self.rounding[mode], form) if mode is not None and mode in self.rounding else None
        if mode is None or text is None:
            missing = (
                f"march {self.march.id} has no rounding site {name!r}"
                if mode is None
                else f"rounding mode {mode!r} has no {form} form"
            )
            self.problems.append(
                problem(
                    "F009",
                    site.place,
                    missing,
                    did_you_mean(name, self.march.sites)
                    if mode is None
                    else "choose another mode, or give it that form in rounding.yaml",
                )
            )
            return Num(0, expr.place)
        lines.sites.add(name)
        body = parse(text, f"rounding:{mode}.{form}")
        if isinstance(body, tuple):
            self.problems.extend(body)
            return Num(0, expr.place)
        bindings = {"x": lines.bound(self._resolve(expr.args[0], lines))}
        if form == "shift":
            bindings["n"] = self._resolve(expr.args[1], lines)
        return substitute(kept_real(body) if expr.function == "round_real" else body, bindings)

    def _inline(
        self, caller: Kernel, formula: Formula, call: Call, flat: Flat, local: Mapping[str, str], stack: tuple[str, ...]
    ) -> None:
        variant = self.march.algorithms.get(call.function, "")
        callee = self.kernels.get((call.function, variant)) or self.kernels.get((call.function, ""))
        if callee is None:
            known = {*FUNCTIONS, *(role for role, _ in self.kernels)}
            self.problems.append(
                problem("F005", call.place, f"unknown function {call.function!r}", did_you_mean(call.function, known))
            )
            return
        if callee.label in stack or len(stack) > _MAX_DEPTH:
            chain = " -> ".join((*stack, callee.label))
            self.problems.append(problem("F014", call.place, f"kernels call each other in a circle: {chain}"))
            return
        keywords = dict(call.keywords)
        expected = {*callee.scales, *callee.integers, *callee.types, *callee.sites}
        needed = {*callee.scales, *callee.integers, *callee.types}
        for key in keywords:
            if key not in expected:
                self.problems.append(
                    problem("F006", call.place, f"{callee.label} has no argument {key!r}", did_you_mean(key, expected))
                )
                return
        if callee.tables:
            what = f"{callee.label} reads tables, which only the mechanism can give"
            self.problems.append(problem("F006", call.place, what, "call it from no kernel"))
            return
        missing = sorted(needed - set(keywords))
        if missing or len(call.args) != len(callee.tensors):
            what = (
                f"{callee.label} needs {', '.join(missing)}"
                if missing
                else f"{callee.label} takes {len(callee.tensors)} tensors, not {len(call.args)}"
            )
            self.problems.append(problem("F006", call.place, what))
            return
        sites = {k: v.text.removeprefix("@") for k, v in keywords.items() if k in callee.sites and isinstance(v, Name)}
        self._splice(caller, formula, call, callee, keywords, self.flatten(callee, sites, stack), flat)

    def _splice(
        self,
        caller: Kernel,
        formula: Formula,
        call: Call,
        callee: Kernel,
        keywords: Mapping[str, Expr],
        inner: Flat,
        flat: Flat,
    ) -> None:
        """Add the lines of an inlined callee, renamed, to those of the caller."""
        prefix = f"{formula.targets[0]}_"
        bindings: dict[str, Expr] = {}
        lines, derived = (Section.of(formula, section, flat.sites) for section in (flat.compute, flat.derive))
        for name, arg in zip(callee.tensors, call.args, strict=True):
            bindings[name] = lines.bound(self._resolve(arg, lines))
        for name in (*callee.scales, *callee.integers):
            value = self._resolve(keywords[name], derived)
            if not isinstance(value, Name | Num):
                bound = f"{prefix}{name}"
                flat.derive.append(Line((bound,), value, _place(value), own=False))
                value = Name(bound, _place(value))
            bindings[name] = value
        for name in callee.types:
            bindings[name] = keywords[name]
            self._check_type(caller, callee, name, keywords[name])
        own = [t for line in (*inner.derive, *inner.compute) for t in line.targets if t != "_"]
        last = inner.compute[-1].targets[-1] if inner.compute else ""
        for name in own:
            target = formula.targets[0] if name == last else prefix + name
            bindings[name] = Name(target, call.place)
        for section, added in ((flat.derive, inner.derive), (flat.compute, inner.compute)):
            for line in added:
                targets = tuple(t if t == "_" else bindings[t].text for t in line.targets)  # type: ignore[union-attr]
                section.append(Line(targets, substitute(line.expr, bindings), line.place, own=False))
        flat.sites |= inner.sites
        flat.constants |= inner.constants
        flat.calls |= inner.calls | {callee.label}

    def _check_type(self, caller: Kernel, callee: Kernel, name: str, value: Expr) -> None:
        given = value.text if isinstance(value, Name) else ""
        allowed = callee.types[name]
        for dtype in caller.types.get(given, (given,)):
            if dtype not in self.dtypes:
                self.problems.append(
                    problem(
                        "F016",
                        _place(value),
                        f"{given!r} is no dtype and no type parameter",
                        did_you_mean(given, {*self.dtypes, *caller.types}),
                    )
                )
            elif dtype not in allowed:
                self.problems.append(
                    problem(
                        "F016",
                        _place(value),
                        f"{callee.label} does not take {dtype} for {name}",
                        f"allowed: {', '.join(allowed)}",
                    )
                )


def _place(expr: Expr) -> Place:
    return expr.place
